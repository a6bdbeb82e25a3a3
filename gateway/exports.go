package gateway

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// exportSuffix follows a recipe's id in the path of its exports.
const exportSuffix = "/export"

// createExport begins to write a recipe's model to a folder. Its context is not
// the request's: a large model takes longer than anybody waits for a reply.
//
//	@Summary		Export a recipe's model
//	@Description	Writes the model as a Hugging Face folder, which transformers, vLLM and llama.cpp's converter load, below the folder that the server was given as --exports. The export goes on when the reply is sent; GET /v1/exports/{id} tells how far it is, and POST /v1/exports/{id}/cancel stops it. The folder appears whole or not at all. An export that is cut off by the end of the server goes on when it starts again; one that has failed can be asked for again, and goes on from the files that were complete. If it lies in the models folder, it is a model from then on.
//	@Tags			recipes
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string			true	"id, digest or unique name; slashes are fine"
//	@Param			request	body		ExportRequest	true	"where to"
//	@Success		202		{object}	Export
//	@Failure		400		{object}	ErrorReply	"no name for a folder"
//	@Failure		404		{object}	ErrorReply	"there is no such recipe, or the server exports nothing"
//	@Failure		409		{object}	ErrorReply	"the folder is there already, and may not be replaced"
//	@Failure		429		{object}	ErrorReply	"another export is running"
//	@Failure		503		{object}	ErrorReply	"the server is shutting down"
//	@Router			/v1/recipes/{id}/export [post]
func (g *Gateway) createExport(c *gin.Context) error {
	name, ok := strings.CutSuffix(wildcard(c, "id"), exportSuffix)
	if !ok {
		return fault.New(noRoute, "there is nothing at POST %s: a recipe can be posted to /export", clip(c.Request.URL.Path, 200))
	}
	if g.exportsDir == "" {
		return fault.New(noRoute, "this server exports nothing: it was started without --exports")
	}
	var request ExportRequest
	if err := g.decodeStrict(c, &request); err != nil {
		return err
	}
	if err := g.checkFolder(request.Folder); err != nil {
		return err
	}
	stored, err := g.catalog.GetRecipe(c.Request.Context(), name)
	if err != nil {
		return err
	}
	dir := filepath.Join(g.exportsDir, request.Folder)
	if err := merge.CheckPlace(dir, request.Force); err != nil {
		var f *fault.Error
		if errors.As(err, &f) && f.Code == fault.Conflict {
			return &fault.Error{Code: f.Code, Param: "folder", Message: f.Message}
		}
		return err
	}
	scores, err := g.exportScores(c.Request.Context(), stored)
	if err != nil {
		return err
	}
	export := Export{
		ID: newExportID(), Object: "export", Recipe: stored.ID, Folder: request.Folder, State: ExportRunning, Created: time.Now().Unix(),
	}
	if err := g.beginExport(export, dir, request.Force, scores); err != nil {
		return err
	}
	c.Header("Location", "/v1/exports/"+export.ID)
	c.PureJSON(http.StatusAccepted, export)
	return nil
}

// checkFolder accepts what could be a model's name, in one piece: it leads to
// nowhere else.
func (g *Gateway) checkFolder(name string) error {
	if len(name) > g.limits.NameBytes {
		return fault.Bad("folder", "folder has %d bytes: at most %d", len(name), g.limits.NameBytes)
	}
	if name == "" {
		return fault.Bad("folder", "folder is missing: the name of the folder to write")
	}
	if strings.Contains(name, "/") {
		return fault.Bad("folder", "folder %q: it must be one name, without slashes", clip(name, 80))
	}
	return merge.CheckName("folder", name)
}

// exportScores are what searches found a recipe's model to be worth, for its card.
func (g *Gateway) exportScores(ctx context.Context, stored store.Recipe) ([]merge.CardScore, error) {
	known, err := g.scoresOf(ctx, catalog.Card{Recipe: &stored})
	if err != nil {
		return nil, err
	}
	var scores []merge.CardScore
	for _, k := range known {
		for _, of := range []struct {
			split string
			score *task.Score
		}{{"search", k.SearchScore}, {"validation", k.Validation}, {"test", k.Test}} {
			if of.score != nil {
				scores = append(scores, merge.CardScore{
					Task: k.Task, Split: of.split, Problems: of.score.Problems, Accuracy: of.score.Accuracy, StdErr: of.score.StdErr,
				})
			}
		}
	}
	return scores, nil
}

// listExports lists the exports.
//
//	@Summary		List the exports
//	@Description	Those of this server since its start, and those that it went on with then, the latest first; of those that have ended, the last hundred unless it was told otherwise.
//	@Tags			recipes
//	@Security		BearerAuth
//	@Produce		json
//	@Success		200	{object}	ExportList
//	@Router			/v1/exports [get]
func (g *Gateway) listExports(c *gin.Context) error {
	return ok(c, ExportList{Object: "list", Data: g.exports.list()})
}

// getExport tells how far an export is.
//
//	@Summary	Read an export
//	@Tags		recipes
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"id"
//	@Success	200	{object}	Export
//	@Failure	404	{object}	ErrorReply
//	@Router		/v1/exports/{id} [get]
func (g *Gateway) getExport(c *gin.Context) error {
	job, err := g.exports.get(c.Param("id"))
	if err != nil {
		return err
	}
	return ok(c, job.Export)
}

// cancelExport stops an export for good.
//
//	@Summary		Cancel an export
//	@Description	Stops it, and removes what it has written; of one that has failed, what it has left. To cancel a cancelled export is fine.
//	@Tags			recipes
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id	path		string	true	"id"
//	@Success		200	{object}	Export
//	@Failure		404	{object}	ErrorReply
//	@Failure		409	{object}	ErrorReply	"it is complete"
//	@Router			/v1/exports/{id}/cancel [post]
func (g *Gateway) cancelExport(c *gin.Context) error {
	id := c.Param("id")
	job, err := g.exports.get(id)
	if err != nil {
		return err
	}
	job.cancel(errExportCancelled)
	select {
	case <-job.ended:
	case <-c.Request.Context().Done():
		return fault.Wrap(c.Request.Context().Err(), fault.Cancelled, "cancel %s", id)
	}
	if job, err = g.exports.get(id); err != nil {
		return err // forgotten meanwhile
	}
	switch job.State {
	case ExportFailed:
		if err := merge.DiscardExport(job.dir); err != nil {
			return err
		}
		g.exports.cancelled(id)
		job.State = ExportCancelled
	case ExportCompleted, ExportSuspended:
		return fault.New(fault.Conflict, "export %s is %s already", id, job.State)
	}
	return ok(c, job.Export)
}
