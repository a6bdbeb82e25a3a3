package gateway

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// listModels lists what can be asked for.
//
//	@Summary		List the models
//	@Description	Sources, recipes and aliases. A merged model need not be resident to be asked for: it is made when somebody does.
//	@Tags			models
//	@Security		BearerAuth
//	@Produce		json
//	@Success		200	{object}	ModelList
//	@Router			/v1/models [get]
func (g *Gateway) listModels(c *gin.Context) error {
	entries, err := g.catalog.List(c.Request.Context())
	if err != nil {
		return err
	}
	reply := ModelList{Object: "list", Data: make([]Model, len(entries))}
	for i, e := range entries {
		reply.Data[i] = newModel(e)
	}
	return ok(c, reply)
}

// getModel describes one model.
//
//	@Summary	Describe a model
//	@Tags		models
//	@Security	BearerAuth
//	@Produce	json
//	@Param		model	path		string	true	"name, id or digest; slashes are fine"
//	@Success	200		{object}	Model
//	@Failure	404		{object}	ErrorReply
//	@Failure	409		{object}	ErrorReply	"several recipes have that name"
//	@Router		/v1/models/{model} [get]
func (g *Gateway) getModel(c *gin.Context) error {
	name := wildcard(c, "model")
	if err := g.checkModelName(name); err != nil {
		return err
	}
	e, err := g.catalog.Get(c.Request.Context(), name)
	if err != nil {
		return asModelFault(err, name)
	}
	return ok(c, newModel(e))
}

// wildcard is a path parameter that may hold slashes.
func wildcard(c *gin.Context, name string) string {
	return strings.TrimPrefix(c.Param(name), "/")
}
