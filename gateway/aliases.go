package gateway

import (
	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
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
//	@Header		200		{string}	ETag	"names this state of the alias, for If-Match"
//	@Failure	404		{object}	ErrorReply
//	@Router		/v1/aliases/{name} [get]
func (g *Gateway) getAlias(c *gin.Context) error {
	stored, err := g.catalog.GetAlias(c.Request.Context(), wildcard(c, "name"))
	if err != nil {
		return err
	}
	return okAlias(c, stored)
}

// putAlias makes an alias, or moves it. Requests in flight finish on the model
// they began with.
//
//	@Summary		Make or move an alias
//	@Description	The move is one step, whoever else moves the alias at the same time, on this replica or another. With "if_target" or If-Match it is made only if the alias is still what the caller thinks; the error says what it is.
//	@Tags			aliases
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			name		path		string			true	"the alias; slashes are fine"
//	@Param			request		body		AliasRequest	true	"what it stands for"
//	@Param			If-Match	header		string			false	"only if the alias has this ETag"
//	@Success		200			{object}	Alias
//	@Header			200			{string}	ETag		"names this state of the alias, for If-Match"
//	@Failure		404			{object}	ErrorReply	"the target does not exist"
//	@Failure		409			{object}	ErrorReply	"a source or recipe has that name, or the alias does not stand for if_target"
//	@Failure		412			{object}	ErrorReply	"the alias has not the ETag of If-Match"
//	@Failure		503			{object}	ErrorReply	"the store is out of reach; try again after Retry-After"
//	@Router			/v1/aliases/{name} [put]
func (g *Gateway) putAlias(c *gin.Context) error {
	var body AliasRequest
	if err := g.decodeStrict(c, &body); err != nil {
		return err
	}
	name := wildcard(c, "name")
	if err := g.checkAliasName(name); err != nil {
		return err
	}
	if body.Target == "" || len(body.Target) > g.limits.NameBytes {
		return fault.Bad("target", "a target has 1 to %d bytes", g.limits.NameBytes)
	}
	only, err := g.aliasConditions(c, body.IfTarget)
	if err != nil {
		return err
	}
	stored, err := g.catalog.SetAlias(c.Request.Context(), name, body.Target, only...)
	if err != nil {
		return err
	}
	return okAlias(c, stored)
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

// checkAliasName checks what is cheap to check of the name of an alias.
func (g *Gateway) checkAliasName(name string) error {
	if name == "" || len(name) > g.limits.NameBytes {
		return fault.Bad("name", "an alias has 1 to %d bytes", g.limits.NameBytes)
	}
	return nil
}

// okAlias answers with an alias and its tag.
func okAlias(c *gin.Context, a store.Alias) error {
	c.Header("ETag", aliasTag(a))
	return ok(c, newAlias(a))
}
