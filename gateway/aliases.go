package gateway

import (
	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
)

// listAliases lists the aliases.
//
//	@Summary	List the aliases
//	@Tags		aliases
//	@Security	BearerAuth
//	@Produce	json
//	@Success	200	{object}	AliasList
//	@Router		/v1/aliases [get]
func (g *Gateway) listAliases(c *gin.Context) error {
	stored, err := g.catalog.ListAliases(c.Request.Context())
	if err != nil {
		return err
	}
	reply := AliasList{Object: "list", Data: make([]Alias, len(stored))}
	for i, a := range stored {
		reply.Data[i] = newAlias(a)
	}
	return ok(c, reply)
}

// getAlias gives one alias with its history.
//
//	@Summary	Read an alias
//	@Tags		aliases
//	@Security	BearerAuth
//	@Produce	json
//	@Param		name	path		string	true	"the alias; slashes are fine"
//	@Success	200		{object}	Alias
//	@Failure	404		{object}	ErrorReply
//	@Router		/v1/aliases/{name} [get]
func (g *Gateway) getAlias(c *gin.Context) error {
	stored, err := g.catalog.GetAlias(c.Request.Context(), wildcard(c, "name"))
	if err != nil {
		return err
	}
	return ok(c, newAlias(stored))
}

// putAlias makes an alias, or moves it. Requests in flight finish on the model
// they began with.
//
//	@Summary	Make or move an alias
//	@Tags		aliases
//	@Security	BearerAuth
//	@Accept		json
//	@Produce	json
//	@Param		name	path		string			true	"the alias; slashes are fine"
//	@Param		request	body		AliasRequest	true	"what it stands for"
//	@Success	200		{object}	Alias
//	@Failure	404		{object}	ErrorReply	"the target does not exist"
//	@Failure	409		{object}	ErrorReply	"a source or recipe has that name"
//	@Router		/v1/aliases/{name} [put]
func (g *Gateway) putAlias(c *gin.Context) error {
	var body AliasRequest
	if err := g.decodeStrict(c, &body); err != nil {
		return err
	}
	name := wildcard(c, "name")
	switch {
	case name == "" || len(name) > g.limits.NameBytes:
		return fault.Bad("name", "an alias has 1 to %d bytes", g.limits.NameBytes)
	case body.Target == "" || len(body.Target) > g.limits.NameBytes:
		return fault.Bad("target", "a target has 1 to %d bytes", g.limits.NameBytes)
	}
	ctx := c.Request.Context()
	if err := g.catalog.SetAlias(ctx, name, body.Target); err != nil {
		return err
	}
	stored, err := g.catalog.GetAlias(ctx, name)
	if err != nil {
		return err
	}
	return ok(c, newAlias(stored))
}

// deleteAlias forgets an alias; the model it stood for stays.
//
//	@Summary	Delete an alias
//	@Tags		aliases
//	@Security	BearerAuth
//	@Produce	json
//	@Param		name	path		string	true	"the alias"
//	@Success	200		{object}	Deleted
//	@Failure	404		{object}	ErrorReply
//	@Router		/v1/aliases/{name} [delete]
func (g *Gateway) deleteAlias(c *gin.Context) error {
	name := wildcard(c, "name")
	if err := g.catalog.DeleteAlias(c.Request.Context(), name); err != nil {
		return err
	}
	return ok(c, Deleted{ID: name, Object: "alias", Deleted: true})
}
