package gateway

import (
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

// defaultModelPage is the length of a page of Anthropic's, unless it is asked for.
const defaultModelPage = 20

// ModelInfo is one thing that can be asked for, in Anthropic's form.
type ModelInfo struct {
	Type        string    `json:"type" enums:"model"`
	ID          string    `json:"id" example:"base"`
	DisplayName string    `json:"display_name"` // what people call a recipe; the id of all else
	CreatedAt   time.Time `json:"created_at"`
	Lifecycle   string    `json:"lifecycle" enums:"active"`
}

// ModelInfoPage is a page of models, in Anthropic's form.
type ModelInfoPage struct {
	Data    []ModelInfo `json:"data"`
	HasMore bool        `json:"has_more"`                         // in the direction that was asked for
	FirstID *string     `json:"first_id" extensions:"x-nullable"` // the before_id of the page before
	LastID  *string     `json:"last_id" extensions:"x-nullable"`  // the after_id of the page after
}

func newModelInfo(e catalog.Entry) ModelInfo {
	info := ModelInfo{Type: "model", ID: e.ID, DisplayName: e.Name, CreatedAt: e.Created.UTC(), Lifecycle: "active"}
	if info.DisplayName == "" {
		info.DisplayName = e.ID
	}
	return info
}

// listModelInfos answers with the page of entries that a client of Anthropic's
// asks for.
func (g *Gateway) listModelInfos(c *gin.Context, entries []catalog.Entry) error {
	limit, err := queryInt(c, "limit", min(defaultModelPage, g.limits.PageSize), 1, g.limits.PageSize)
	if err != nil {
		return err
	}
	first, end := 0, min(limit, len(entries))
	more := end < len(entries)
	switch after, before := c.Query("after_id"), c.Query("before_id"); {
	case after != "" && before != "":
		return fault.Bad("before_id", "before_id and after_id ask for two pages: give one")
	case after != "":
		at, err := place(entries, "after_id", after)
		if err != nil {
			return err
		}
		first, end = at+1, min(at+1+limit, len(entries))
		more = end < len(entries)
	case before != "":
		at, err := place(entries, "before_id", before)
		if err != nil {
			return err
		}
		first, end = max(0, at-limit), at
		more = first > 0
	}
	page := ModelInfoPage{Data: []ModelInfo{}, HasMore: more}
	for _, e := range entries[first:end] {
		page.Data = append(page.Data, newModelInfo(e))
	}
	if n := len(page.Data); n > 0 {
		page.FirstID, page.LastID = &page.Data[0].ID, &page.Data[n-1].ID
	}
	return ok(c, page)
}

// place finds the model that a page lies beside.
func place(entries []catalog.Entry, param, id string) (int, error) {
	at := slices.IndexFunc(entries, func(e catalog.Entry) bool { return e.ID == id })
	if at < 0 {
		return 0, fault.Bad(param, "%s is no model's id", param)
	}
	return at, nil
}
