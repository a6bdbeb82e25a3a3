package gateway

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/search/evaluation"
	"github.com/mergeway/mergeway/search/task"
)

// createEvaluation begins to score a model on a task.
//
//	@Summary		Score a model on a task
//	@Description	Any model: a source, an alias, a recipe by id, or one that the request brings along. The evaluation goes on in the background, behind users' requests; GET /v1/evaluations/{id} tells how far it is.
//	@Tags			evaluations
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			request	body		EvaluationRequest	true	"what to score"
//	@Success		201		{object}	Evaluation
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it"
//	@Failure		403		{object}	ErrorReply	"a recipe that is brought along needs the scope manage"
//	@Failure		404		{object}	ErrorReply	"the task or the model does not exist"
//	@Failure		422		{object}	ErrorReply	"the recipe's models cannot be merged together; every reason is listed"
//	@Failure		429		{object}	ErrorReply	"too many evaluations wait already"
//	@Failure		503		{object}	ErrorReply	"the server is shutting down"
//	@Router			/v1/evaluations [post]
func (g *Gateway) createEvaluation(c *gin.Context) error {
	var body EvaluationRequest
	if err := g.decodeStrict(c, &body); err != nil {
		return err
	}
	if err := g.checkModel(body.Model, body.RecipeField); err != nil {
		return err
	}
	model, err := g.evaluated(c, body)
	if err != nil {
		return err
	}
	e, err := g.evaluations.Launch(c.Request.Context(), evaluation.Spec{
		Model: model, Task: body.Task, Split: task.Split(body.Split), Limit: body.Limit, Minutes: body.Minutes,
	})
	if err != nil {
		return err
	}
	return created(c, "/v1/evaluations/"+e.ID, newEvaluation(e))
}

// evaluated gives the name of the model that a request is about; a recipe that it
// brings along is stored like any other.
func (g *Gateway) evaluated(c *gin.Context, body EvaluationRequest) (string, error) {
	if !body.given() {
		_, err := g.catalog.Get(c.Request.Context(), body.Model)
		return body.Model, asModelFault(err, body.Model)
	}
	if err := whoAsks(c).may(keys.Manage); err != nil { // as for POST /v1/recipes
		return "", err
	}
	r, err := g.readInline(body.Recipe)
	if err != nil {
		return "", inside("recipe", err)
	}
	stored, err := g.catalog.UseRecipe(c.Request.Context(), r)
	return stored.ID, inside("recipe", err)
}

// listEvaluations lists the evaluations, the newest first.
//
//	@Summary	List the evaluations
//	@Tags		evaluations
//	@Security	BearerAuth
//	@Produce	json
//	@Success	200	{object}	EvaluationList
//	@Router		/v1/evaluations [get]
func (g *Gateway) listEvaluations(c *gin.Context) error {
	all, err := g.evaluations.List(c.Request.Context())
	if err != nil {
		return err
	}
	reply := EvaluationList{Object: "list", Data: make([]Evaluation, len(all))}
	for i, e := range all {
		reply.Data[i] = newEvaluation(e)
	}
	return ok(c, reply)
}

// getEvaluation tells how far an evaluation is, and the score so far.
//
//	@Summary	Read an evaluation
//	@Tags		evaluations
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"id"
//	@Success	200	{object}	Evaluation
//	@Failure	404	{object}	ErrorReply
//	@Router		/v1/evaluations/{id} [get]
func (g *Gateway) getEvaluation(c *gin.Context) error {
	e, err := g.evaluations.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return ok(c, newEvaluation(e))
}

// cancelEvaluation ends an evaluation. What is known of it is kept.
//
//	@Summary	Cancel an evaluation
//	@Tags		evaluations
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"id"
//	@Success	200	{object}	Evaluation
//	@Failure	404	{object}	ErrorReply
//	@Failure	409	{object}	ErrorReply	"it has ended already"
//	@Router		/v1/evaluations/{id}/cancel [post]
func (g *Gateway) cancelEvaluation(c *gin.Context) error {
	if err := g.evaluations.Cancel(c.Request.Context(), c.Param("id")); err != nil {
		return err
	}
	return g.getEvaluation(c)
}

// listEvaluationSamples gives the verdicts on the replies of an evaluation.
//
//	@Summary		List the samples of an evaluation
//	@Description	The verdict on each problem, with the reply, once the evaluation has ended. As JSON in pages; with format=csv or format=jsonl all at once.
//	@Tags			evaluations
//	@Security		BearerAuth
//	@Produce		json,text/csv,application/jsonl
//	@Param			id		path		string	true	"id"
//	@Param			offset	query		int		false	"skip so many"
//	@Param			limit	query		int		false	"length of the page; 100 if absent"
//	@Param			format	query		string	false	"json, csv or jsonl"	Enums(json, csv, jsonl)
//	@Success		200		{object}	SamplePage
//	@Failure		400		{object}	ErrorReply
//	@Failure		404		{object}	ErrorReply
//	@Failure		409		{object}	ErrorReply	"it has not ended yet"
//	@Router			/v1/evaluations/{id}/samples [get]
func (g *Gateway) listEvaluationSamples(c *gin.Context) error {
	id := c.Param("id")
	return g.sendSamples(c, id, func() ([]task.Sample, error) { return g.evaluations.Samples(c.Request.Context(), id) })
}

// watchEvaluation streams an evaluation as it changes, until it has ended.
//
//	@Summary		Follow an evaluation
//	@Description	Server-sent events. Each has the evaluation's revision as id, its state as event and the evaluation as data. The stream ends when the evaluation does. To resume, send the last id as Last-Event-ID or in "after"; 204 says that nothing will follow.
//	@Tags			evaluations
//	@Security		BearerAuth
//	@Produce		text/event-stream
//	@Param			id				path		string		true	"id"
//	@Param			after			query		int			false	"only later revisions"
//	@Param			Last-Event-ID	header		int			false	"the same, from a browser"
//	@Success		200				{object}	Evaluation	"the events"
//	@Success		204				"the evaluation has ended, and the client knows all of it"
//	@Failure		404				{object}	ErrorReply
//	@Failure		429				{object}	ErrorReply	"too many clients follow searches and evaluations"
//	@Router			/v1/evaluations/{id}/events [get]
func (g *Gateway) watchEvaluation(c *gin.Context) error {
	after, err := resumeAfter(c)
	if err != nil {
		return err
	}
	id := c.Param("id")
	e, err := g.evaluations.Get(c.Request.Context(), id)
	if err != nil {
		return err
	}
	if e.State.Final() && after >= e.Revision {
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return nil
	}
	return follow(g, c, func(ctx context.Context) (<-chan Evaluation, error) { return g.watched(ctx, id, after) },
		func(e Evaluation) (int, string) { return e.Revision, string(e.State) })
}

// watched is an evaluation as it changes, as it goes over the wire.
func (g *Gateway) watched(ctx context.Context, id string, after int) (<-chan Evaluation, error) {
	changes, err := g.evaluations.Watch(ctx, id, after)
	if err != nil {
		return nil, err
	}
	out := make(chan Evaluation)
	go func() {
		defer close(out)
		for e := range changes {
			select {
			case out <- newEvaluation(e):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}
