package gateway

import (
	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/search"
)

// CellPage is the reply to GET /v1/searches/{id}/cells.
type CellPage struct {
	Object  string        `json:"object" enums:"list"`
	Data    []search.Cell `json:"data"`
	HasMore bool          `json:"has_more"` // ask again with after = the number of cells so far
}

// listCells gives one page of the archives of a search, archive by archive, as of
// its last generation.
//
//	@Summary		List the cells of a swarm
//	@Description	The archives of a search by map_elites or cycle_qd. Each cell holds the best trial of its kind, with genome, recipe and scores; the recipe can be sent along with a request, or stored.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id			path		string	true	"the search's id"
//	@Param			objective	query		string	false	"only the archive with this objective as its quality"
//	@Param			after		query		int		false	"how many cells to pass over"
//	@Param			limit		query		int		false	"length of the page; 100 if absent"
//	@Success		200			{object}	CellPage
//	@Failure		400			{object}	ErrorReply
//	@Failure		404			{object}	ErrorReply
//	@Failure		409			{object}	ErrorReply	"the search keeps no archive"
//	@Router			/v1/searches/{id}/cells [get]
func (g *Gateway) listCells(c *gin.Context) error {
	after, err := queryInt(c, "after", 0, 0, maxQueryInt)
	if err != nil {
		return err
	}
	limit, err := queryInt(c, "limit", min(defaultPage, g.limits.PageSize), 1, g.limits.PageSize)
	if err != nil {
		return err
	}
	all, err := g.searches.Cells(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	reply := CellPage{Object: "list", Data: []search.Cell{}}
	objective, given := c.GetQuery("objective")
	for _, cell := range all {
		switch {
		case given && cell.Objective != objective:
		case after > 0:
			after--
		case len(reply.Data) == limit:
			reply.HasMore = true
			return ok(c, reply)
		default:
			reply.Data = append(reply.Data, cell)
		}
	}
	return ok(c, reply)
}
