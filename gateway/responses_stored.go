package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// ResponseStore is what the gateway needs of a store.Store, for responses.
type ResponseStore interface {
	PutResponse(ctx context.Context, r store.Response, most int) error
	GetResponse(ctx context.Context, id string) (store.Response, error)
	DeleteResponse(ctx context.Context, id string) error
}

// keptResponse is the body of a stored response. It holds the whole conversation,
// so that it can be gone on from when those before it are deleted or too old.
type keptResponse struct {
	Response Response       `json:"response"`
	Input    []ResponseItem `json:"input"` // all that the model was given, but for the instructions
}

// conversation is what a response that goes on from this one takes over.
func (k keptResponse) conversation() []ResponseItem { return slices.Concat(k.Input, k.Response.Output) }

// keepResponse stores a response that has ended, if it is to be stored. Its log
// probabilities, a hundred times as long as itself, are told once.
func (g *Gateway) keepResponse(ctx context.Context, x *exchange, reply Response) error {
	if !reply.Store {
		return nil
	}
	kept := keptResponse{Response: reply, Input: x.input.items}
	kept.Response.Output = withoutLogprobs(reply.Output)
	body, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	err = g.responses.PutResponse(ctx, store.Response{
		ID: reply.ID, Owner: x.owner, Body: body, CreatedAt: x.began, ExpiresAt: x.began.Add(g.limits.ResponseTTL),
	}, g.limits.Responses)
	var f *fault.Error
	if errors.As(err, &f) && f.Code == fault.Unavailable {
		return fault.Wrap(err, fault.Unavailable, `the response could not be stored; with "store": false it would not be`)
	}
	return err
}

// checkKeptPictures refuses to store more of pictures than is kept, before anybody
// waits for the response.
func (g *Gateway) checkKeptPictures(x *exchange) error {
	if !x.reply.Store {
		return nil
	}
	bytes := 0
	for _, item := range x.input.items {
		for _, part := range item.Content {
			bytes += len(part.ImageURL)
		}
	}
	if bytes > g.limits.KeptPictures {
		return fault.Bad("store", `the pictures of the conversation have %d bytes, and a stored response can hold %d: send "store": false, or smaller ones`, bytes, g.limits.KeptPictures)
	}
	return nil
}

func withoutLogprobs(items []ResponseItem) []ResponseItem {
	out := slices.Clone(items)
	for i := range out {
		out[i].Content = slices.Clone(out[i].Content)
		for j := range out[i].Content {
			if p := &out[i].Content[j]; p.Logprobs != nil {
				p.Logprobs = []ChatTokenLogprob{}
			}
		}
	}
	return out
}

// storedResponse reads a response that this owner has stored. Those of others
// are as good as not there.
func (g *Gateway) storedResponse(ctx context.Context, id, owner string) (keptResponse, error) {
	var kept keptResponse
	r, err := g.responses.GetResponse(ctx, clip(id, g.limits.NameBytes))
	if err == nil && r.Owner != owner || fault.CodeOf(err) == fault.NotFound || id == "" {
		return kept, fault.New(fault.NotFound, "there is no stored response %q: responses are kept for a while, unless they were made with store: false", clip(id, g.limits.NameBytes))
	}
	if err != nil {
		return kept, err
	}
	if err := json.Unmarshal(r.Body, &kept); err != nil {
		return kept, fault.Wrap(err, fault.Damaged, "the stored response %q can't be read", id)
	}
	return kept, nil
}

// getResponse gives a stored response.
//
//	@Summary		Read a stored response
//	@Description	Responses are kept for a while, the latest so many, unless they were made with "store": false. Log probabilities are not kept. With API keys, a response is there for the key that made it and for no other.
//	@Tags			responses
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id		path		string		true	"the response's id"
//	@Param			include	query		[]string	false	"nothing more can be included"
//	@Success		200		{object}	Response
//	@Failure		400		{object}	ErrorReply	"a parameter is wrong or not supported; param names it"
//	@Failure		404		{object}	ErrorReply
//	@Router			/v1/responses/{id} [get]
func (g *Gateway) getResponse(c *gin.Context) error {
	if err := g.refuseInQuery(c); err != nil {
		return err
	}
	kept, err := g.storedResponse(c.Request.Context(), c.Param("id"), g.guard.owner(c.Request))
	if err != nil {
		return err
	}
	return ok(c, kept.Response)
}

// refuseInQuery refuses what would have to be told of a stored response and is
// not known any more.
func (g *Gateway) refuseInQuery(c *gin.Context) error {
	if stream := c.Query("stream"); stream != "" && !strings.EqualFold(stream, "false") {
		return &fault.Error{Code: unsupported, Param: "stream", Message: "stream is not supported by this server: a stored response has ended"}
	}
	logprobs, err := wantsLogprobs(append(c.QueryArray("include"), c.QueryArray("include[]")...))
	if err == nil && logprobs {
		return &fault.Error{Code: unsupported, Param: "include", Message: "include: log probabilities are not kept"}
	}
	return err
}

// deleteResponse forgets a stored response.
//
//	@Summary		Delete a stored response
//	@Description	Responses that go on from it keep what they have taken over.
//	@Tags			responses
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id	path		string	true	"the response's id"
//	@Success		200	{object}	Deleted
//	@Failure		404	{object}	ErrorReply
//	@Router			/v1/responses/{id} [delete]
func (g *Gateway) deleteResponse(c *gin.Context) error {
	ctx, id := c.Request.Context(), c.Param("id")
	if _, err := g.storedResponse(ctx, id, g.guard.owner(c.Request)); err != nil {
		return err
	}
	if err := g.responses.DeleteResponse(ctx, id); err != nil {
		return err
	}
	return ok(c, Deleted{ID: id, Object: "response", Deleted: true})
}

// defaultItems is OpenAI's length of a page of items.
const defaultItems = 20

// listInputItems gives one page of what the model was given for a response.
//
//	@Summary		List the input items of a stored response
//	@Description	All that the model was given, but for the instructions: the conversation that the response went on from, and its own input.
//	@Tags			responses
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id		path		string	true	"the response's id"
//	@Param			order	query		string	false	"desc, the latest first, if absent"	Enums(asc, desc)
//	@Param			after	query		string	false	"only items after the one with this id, in that order"
//	@Param			limit	query		int		false	"length of the page; 20 if absent"
//	@Param			include	query		[]string	false	"nothing more can be included"
//	@Success		200		{object}	ResponseItemPage
//	@Failure		400		{object}	ErrorReply	"a parameter is wrong or not supported; param names it"
//	@Failure		404		{object}	ErrorReply
//	@Router			/v1/responses/{id}/input_items [get]
func (g *Gateway) listInputItems(c *gin.Context) error {
	limit, err := queryInt(c, "limit", min(defaultItems, g.limits.PageSize), 1, g.limits.PageSize)
	if err != nil {
		return err
	}
	order := c.DefaultQuery("order", "desc")
	if order != "desc" && order != "asc" {
		return fault.Bad("order", "order is %q: it must be asc or desc", clip(order, 40))
	}
	if err := g.refuseInQuery(c); err != nil {
		return err
	}
	kept, err := g.storedResponse(c.Request.Context(), c.Param("id"), g.guard.owner(c.Request))
	if err != nil {
		return err
	}
	items := kept.Input
	if order == "desc" {
		slices.Reverse(items)
	}
	if after, given := c.GetQuery("after"); given {
		i := slices.IndexFunc(items, func(item ResponseItem) bool { return item.ID == after })
		if i < 0 {
			return fault.Bad("after", "the response has no input item %q", clip(after, g.limits.NameBytes))
		}
		items = items[i+1:]
	}
	reply := ResponseItemPage{Object: "list", Data: items[:min(limit, len(items))], HasMore: len(items) > limit}
	if n := len(reply.Data); n > 0 {
		reply.FirstID, reply.LastID = &reply.Data[0].ID, &reply.Data[n-1].ID
	}
	return ok(c, reply)
}
