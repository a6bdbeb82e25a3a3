package gateway

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// listModels lists what can be asked for.
//
//	@Summary		List the models
//	@Description	Sources, recipes and aliases. A merged model need not be resident to be asked for: it is made when somebody does. To a request with the header anthropic-version the reply is Anthropic's: a page {"data": [{"type": "model", "id", "display_name", "created_at", "lifecycle"}], "has_more", "first_id", "last_id"}, and errors have its form too.
//	@Tags			models
//	@Security		BearerAuth
//	@Produce		json
//	@Param			limit		query		int		false	"length of a page of Anthropic's; 20 if absent"
//	@Param			after_id	query		string	false	"of Anthropic's: the page after this model"
//	@Param			before_id	query		string	false	"of Anthropic's: the page before this model"
//	@Success		200			{object}	ModelList
//	@Router			/v1/models [get]
func (g *Gateway) listModels(c *gin.Context) error {
	entries, err := g.catalog.List(c.Request.Context())
	if err != nil {
		return err
	}
	if speaksAnthropic(c.Request) {
		return g.listModelInfos(c, entries)
	}
	reply := ModelList{Object: "list", Data: make([]Model, len(entries))}
	for i, e := range entries {
		reply.Data[i] = newModel(e)
	}
	return ok(c, reply)
}

// getModel describes one model.
//
//	@Summary		Describe a model
//	@Description	To a request with the header anthropic-version the reply has Anthropic's form.
//	@Tags			models
//	@Security		BearerAuth
//	@Produce		json
//	@Param			model	path		string	true	"name, id or digest; slashes are fine"
//	@Success		200		{object}	Model
//	@Failure		404		{object}	ErrorReply
//	@Failure		409		{object}	ErrorReply	"several recipes have that name"
//	@Router			/v1/models/{model} [get]
func (g *Gateway) getModel(c *gin.Context) error {
	name := wildcard(c, "model")
	if err := g.checkModelName(name); err != nil {
		return err
	}
	e, err := g.catalog.Get(c.Request.Context(), name)
	if err != nil {
		return asModelFault(err, name)
	}
	if speaksAnthropic(c.Request) {
		return ok(c, newModelInfo(e))
	}
	return ok(c, newModel(e))
}

// wildcard is a path parameter that may hold slashes.
func wildcard(c *gin.Context, name string) string {
	return strings.TrimPrefix(c.Param(name), "/")
}
