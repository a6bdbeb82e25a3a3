package gateway

import (
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

// actOnModel loads, pins or unloads a model.
//
//	@Summary		Load, pin or unload a model
//	@Description	The path is the model's name and what is to be done: /v1/models/NAME/load makes it now, and lifts a pin; /pin makes it and keeps it on the device however short memory is; /unload frees it, once the requests that hold it have ended.
//	@Tags			models
//	@Security		BearerAuth
//	@Produce		json
//	@Param			model	path		string	true	"name, id or digest, then /load, /pin or /unload; slashes are fine"
//	@Success		200		{object}	Model
//	@Failure		400		{object}	ErrorReply	"no such action"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Failure		503		{object}	ErrorReply	"no memory for it"
//	@Router			/v1/models/{model} [post]
func (g *Gateway) actOnModel(c *gin.Context) error {
	path := wildcard(c, "model")
	at := strings.LastIndexByte(path, '/')
	name, action := path[:max(at, 0)], path[at+1:]
	if at < 0 {
		return fault.Bad("model", "POST /v1/models/%s names no action: add /load, /pin or /unload", clip(path, 80))
	}
	if err := g.checkModelName(name); err != nil {
		return err
	}
	var e catalog.Entry
	var err error
	switch action {
	case "load", "pin":
		e, err = g.catalog.Load(c.Request.Context(), name, action == "pin")
	case "unload":
		e, err = g.catalog.Unload(c.Request.Context(), name)
	default:
		return fault.Bad("model", "%q can't be done to a model: load, pin and unload can", clip(action, 40))
	}
	if err != nil {
		return asModelFault(err, name)
	}
	return ok(c, newModel(e))
}

// deleteModel unloads a model: it stays in the list, and is made anew when
// somebody asks for it.
//
//	@Summary	Unload a model
//	@Tags		models
//	@Security	BearerAuth
//	@Produce	json
//	@Param		model	path		string	true	"name, id or digest; slashes are fine"
//	@Success	200		{object}	Model
//	@Failure	404		{object}	ErrorReply	"the model does not exist"
//	@Router		/v1/models/{model} [delete]
func (g *Gateway) deleteModel(c *gin.Context) error {
	name := wildcard(c, "model")
	if err := g.checkModelName(name); err != nil {
		return err
	}
	e, err := g.catalog.Unload(c.Request.Context(), name)
	if err != nil {
		return asModelFault(err, name)
	}
	return ok(c, newModel(e))
}
