package gateway

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
)

// createKey makes an API key.
//
//	@Summary		Make an API key
//	@Description	The reply has the key itself in "secret", which is kept nowhere and can't be shown again. It works at once here, and within a second on other gateways of the same Redis. On a server without keys, which until then answers its own machine without any, the first one needs the scope manage.
//	@Tags			keys
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			request	body		KeyRequest	true	"what it is for"
//	@Success		201		{object}	NewAPIKey
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it"
//	@Failure		403		{object}	ErrorReply	"the scope manage is missing"
//	@Failure		409		{object}	ErrorReply	"there are as many keys as there may be"
//	@Router			/v1/keys [post]
func (g *Gateway) createKey(c *gin.Context) error {
	var body KeyRequest
	if err := g.decodeStrict(c, &body); err != nil {
		return err
	}
	spec := body.spec()
	if g.guard.keyless() && !slices.Contains(spec.Scopes, keys.Manage) {
		return fault.Bad("scopes", "the first key needs the scope %s: without it nobody could make another one", keys.Manage)
	}
	ctx := c.Request.Context()
	all, err := g.keys.List(ctx)
	if err != nil {
		return err
	}
	if len(all) >= g.limits.Keys {
		return fault.New(fault.Conflict, "there are %d keys, as many as there may be: revoke one", len(all))
	}
	k, secret, err := g.keys.Create(ctx, spec)
	if err != nil {
		return err
	}
	return created(c, "/v1/keys/"+k.ID, NewAPIKey{APIKey: newAPIKey(k), Secret: secret})
}

// listKeys lists the API keys.
//
//	@Summary		List the API keys
//	@Description	Those of the configuration first, then the oldest first. The keys of --api-keys are not among them.
//	@Tags			keys
//	@Security		BearerAuth
//	@Produce		json
//	@Success		200	{object}	APIKeyList
//	@Failure		403	{object}	ErrorReply	"the scope manage is missing"
//	@Router			/v1/keys [get]
func (g *Gateway) listKeys(c *gin.Context) error {
	all, err := g.keys.List(c.Request.Context())
	if err != nil {
		return err
	}
	reply := APIKeyList{Object: "list", Data: make([]APIKey, len(all))}
	for i, k := range all {
		reply.Data[i] = newAPIKey(k)
	}
	return ok(c, reply)
}

// deleteKey revokes an API key.
//
//	@Summary		Revoke an API key
//	@Description	Requests that run with it come to their end. Once the last key is gone, the server answers its own machine without one, as before the first.
//	@Tags			keys
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id	path		string	true	"the key's id"
//	@Success		200	{object}	Deleted
//	@Failure		403	{object}	ErrorReply	"the scope manage is missing"
//	@Failure		404	{object}	ErrorReply
//	@Failure		409	{object}	ErrorReply	"the key is part of the configuration"
//	@Router			/v1/keys/{id} [delete]
func (g *Gateway) deleteKey(c *gin.Context) error {
	id := c.Param("id")
	if len(id) > g.limits.NameBytes {
		return fault.New(fault.NotFound, "there is no key %q", clip(id, 40))
	}
	if err := g.keys.Revoke(c.Request.Context(), id); err != nil {
		return err
	}
	return ok(c, Deleted{ID: id, Object: "api_key", Deleted: true})
}
