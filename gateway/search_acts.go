package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

// cancelSearch stops a search for good. Its trials are kept.
//
//	@Summary	Cancel a search
//	@Tags		searches
//	@Security	BearerAuth
//	@Produce	json
//	@Param		id	path		string	true	"the search's id"
//	@Success	200	{object}	Search
//	@Failure	404	{object}	ErrorReply
//	@Failure	409	{object}	ErrorReply	"it has ended already"
//	@Router		/v1/searches/{id}/cancel [post]
func (g *Gateway) cancelSearch(c *gin.Context) error { return g.actOnSearch(c, g.searches.Cancel) }

// pauseSearch lets a search rest until it is resumed.
//
//	@Summary		Pause a search
//	@Description	It gives its place to others, and goes on when it is resumed and not before, also after a restart. It finds the same as without the pause.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id	path		string	true	"the search's id"
//	@Success		200	{object}	Search
//	@Failure		404	{object}	ErrorReply
//	@Failure		409	{object}	ErrorReply	"it has ended already"
//	@Router			/v1/searches/{id}/pause [post]
func (g *Gateway) pauseSearch(c *gin.Context) error { return g.actOnSearch(c, g.searches.Pause) }

// resumeSearch lets a paused search go on.
//
//	@Summary		Resume a paused search
//	@Description	It waits for a place like a new one. A search that isn't paused is left alone.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json
//	@Param			id	path		string	true	"the search's id"
//	@Success		200	{object}	Search
//	@Failure		404	{object}	ErrorReply
//	@Failure		409	{object}	ErrorReply	"it has ended already"
//	@Failure		429	{object}	ErrorReply	"too many searches wait already, or the key has had as many searches or trials as it may; Retry-After says when to try again"
//	@Router			/v1/searches/{id}/resume [post]
func (g *Gateway) resumeSearch(c *gin.Context) error { return g.actOnSearch(c, g.searches.Resume) }

// actOnSearch does something to the search that is named, and shows it after.
func (g *Gateway) actOnSearch(c *gin.Context, act func(context.Context, string) error) error {
	ctx, id := c.Request.Context(), c.Param("id")
	if err := act(ctx, id); err != nil {
		return err
	}
	s, err := g.searches.Get(ctx, id)
	if err != nil {
		return err
	}
	return ok(c, newSearch(s))
}

// cloneSearch starts a search like another, with some fields changed.
//
//	@Summary		Clone a search
//	@Description	Starts a search with the spec of another, whatever became of that one. The body has the fields to change; null puts one back to its default. Without a body it is the same search again, which finds the same.
//	@Tags			searches
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string		true	"the search's id"
//	@Param			request	body		object	false	"the fields to change, as POST /v1/searches has them"
//	@Success		201		{object}	Search
//	@Failure		400		{object}	ErrorReply	"a field is wrong; param names it"
//	@Failure		404		{object}	ErrorReply	"there is no such search, or its task or a model does not exist any more"
//	@Failure		409		{object}	ErrorReply	"the alias is the name of something else"
//	@Failure		422		{object}	ErrorReply	"the sources cannot be merged together; every reason is listed"
//	@Failure		429		{object}	ErrorReply	"too many searches wait already"
//	@Router			/v1/searches/{id}/clone [post]
func (g *Gateway) cloneSearch(c *gin.Context) error {
	var changes []byte
	if c.Request.ContentLength != 0 {
		var err error
		if changes, err = g.readBody(c); err != nil {
			return err
		}
		var object map[string]any // places errors of syntax
		if err := decodeJSON(changes, &object, false); err != nil {
			return err
		}
	}
	ctx := c.Request.Context()
	original, err := g.searches.Get(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	spec, err := original.With(changes)
	if err != nil {
		return err
	}
	s, err := g.launch(c, spec)
	if err != nil {
		return err
	}
	return created(c, "/v1/searches/"+s.ID, newSearch(s))
}

// promoteTrial serves what a search found under an alias.
//
//	@Summary		Promote a search's winner, or one of its trials
//	@Description	Stores the recipe, makes the model, and points the alias at it in one step while requests run; the alias keeps its history, and can be rolled back. A running search can be promoted from as well: name the trial, or an objective to serve the trial that is best at it; so each specialist of a swarm gets a name of its own. With "if_target" or If-Match the alias is moved only if it still is what the caller thinks.
//	@Tags			searches
//	@Security		BearerAuth
//	@Accept			json
//	@Produce		json
//	@Param			id			path		string			true	"the search's id"
//	@Param			request		body		PromoteRequest	true	"which trial, and to where"
//	@Param			If-Match	header		string			false	"only if the alias has this ETag"
//	@Success		200			{object}	Alias
//	@Header			200			{string}	ETag		"names this state of the alias, for If-Match"
//	@Failure		400			{object}	ErrorReply	"a field is wrong; param names it"
//	@Failure		404			{object}	ErrorReply	"there is no such search or trial, or a source is gone"
//	@Failure		409			{object}	ErrorReply	"there is no winner yet, the trial failed, the alias is the name of something else, or does not stand for if_target"
//	@Failure		412			{object}	ErrorReply	"the alias has not the ETag of If-Match"
//	@Router			/v1/searches/{id}/promote [post]
func (g *Gateway) promoteTrial(c *gin.Context) error {
	var body PromoteRequest
	if err := g.decodeStrict(c, &body); err != nil {
		return err
	}
	if body.Alias == "" || len(body.Alias) > g.limits.NameBytes {
		return fault.Bad("alias", "an alias has 1 to %d bytes", g.limits.NameBytes)
	}
	only, err := g.aliasConditions(c, body.IfTarget)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	name, recipe, err := g.promoted(ctx, c.Param("id"), body)
	if err != nil {
		return err
	}
	if err := g.catalog.CheckAlias(ctx, body.Alias); err != nil { // before the work, not after it
		return aboutAlias(err)
	}
	stored, err := g.catalog.PutRecipe(ctx, name, recipe)
	if err != nil {
		return err
	}
	// Made before its alias moves, so that the alias never stands for a model that
	// isn't there yet.
	lease, err := g.catalog.Acquire(ctx, stored.ID)
	if err != nil {
		return err
	}
	defer lease.Release()
	alias, err := g.catalog.SetAlias(ctx, body.Alias, stored.ID, only...)
	if err != nil {
		return err
	}
	return okAlias(c, alias)
}

// aboutAlias names the field of the request that an error of the alias's name is
// about.
func aboutAlias(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && (f.Code == fault.Conflict || f.Code == fault.Invalid) {
		return &fault.Error{Code: f.Code, Param: "alias", Message: f.Message, Err: f.Err}
	}
	return err
}

// promoted gives the recipe of a trial, or of the winner, and a name for it.
func (g *Gateway) promoted(ctx context.Context, id string, body PromoteRequest) (name string, r merge.Recipe, err error) {
	s, err := g.searches.Get(ctx, id)
	if err != nil {
		return "", r, err
	}
	var t search.Trial
	switch {
	case body.Objective != "" && body.Trial != nil:
		return "", r, fault.Bad("objective", "send either trial or objective")
	case body.Objective != "":
		trials, err := g.searches.Trials(ctx, id)
		if err != nil {
			return "", r, err
		}
		if t, err = s.Specialist(body.Objective, trials); err != nil {
			return "", r, err
		}
	case body.Trial != nil:
		if t, err = g.findTrial(ctx, id, *body.Trial); err != nil {
			return "", r, err
		}
	case s.Winner == nil:
		return "", r, &fault.Error{Code: fault.Conflict, Param: "trial", Message: fmt.Sprintf("search %s has no winner yet: name a trial", id)}
	default:
		return s.Spec.Name, s.Winner.Recipe, nil
	}
	if t.Score == nil {
		return "", r, &fault.Error{Code: fault.Conflict, Param: "trial", Message: fmt.Sprintf("trial %d failed: %s", t.Number, t.Failure)}
	}
	return trialName(s, t), t.Recipe, nil
}

// trialName is what the recipe of a trial is called.
func trialName(s search.Search, t search.Trial) string {
	return fmt.Sprintf("%s-trial-%d", s.Spec.Name, t.Number)
}
