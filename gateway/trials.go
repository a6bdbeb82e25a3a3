package gateway

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

// csvType is a table's media type.
const csvType = "text/csv"

// listTrials gives one page of a search's trials, in the order of their numbers,
// or all of them as a table.
//
//	@Summary		List the trials of a search
//	@Description	As JSON in pages; with format=csv, or Accept: text/csv, all at once as a table, a column for each parameter with its value in the recipe.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json,text/csv
//	@Param			id		path		string	true	"the search's id"
//	@Param			after	query		int		false	"only trials with a larger number; -1 and absent: all"
//	@Param			limit	query		int		false	"length of the page; 100 if absent"
//	@Param			format	query		string	false	"json or csv; goes before the Accept header"	Enums(json, csv)
//	@Success		200		{object}	TrialPage
//	@Failure		400		{object}	ErrorReply
//	@Failure		404		{object}	ErrorReply
//	@Router			/v1/searches/{id}/trials [get]
func (g *Gateway) listTrials(c *gin.Context) error {
	format, err := formatOf(c, "json", "application/json", "csv", csvType)
	if err != nil {
		return err
	}
	after, err := queryInt(c, "after", -1, -1, maxQueryInt)
	if err != nil {
		return err
	}
	limit, err := queryInt(c, "limit", min(defaultPage, g.limits.PageSize), 1, g.limits.PageSize)
	if err != nil {
		return err
	}
	ctx, id := c.Request.Context(), c.Param("id")
	trials, err := g.searches.Trials(ctx, id)
	if err != nil {
		return err
	}
	first := slices.IndexFunc(trials, func(t search.Trial) bool { return t.Number > after })
	if first < 0 {
		first = len(trials)
	}
	trials = trials[first:]
	if format == "csv" {
		s, err := g.searches.Get(ctx, id)
		if err != nil {
			return err
		}
		c.Header("Content-Disposition", `attachment; filename="`+s.ID+`.csv"`)
		c.Header("Content-Type", csvType+"; charset=utf-8")
		c.Status(http.StatusOK)
		return search.WriteCSV(c.Writer, s.Parameters, trials)
	}
	reply := TrialPage{Object: "list", Data: []search.Trial{}, HasMore: len(trials) > limit}
	reply.Data = append(reply.Data, trials[:min(limit, len(trials))]...)
	return ok(c, reply)
}

// getTrialRecipe gives the recipe that a trial tried, as it can be stored, sent
// along with a request, or given to mergekit.
//
//	@Summary		Read the recipe of a trial
//	@Description	As JSON, or with format=yaml, or Accept: application/yaml, as mergekit reads it.
//	@Tags			searches
//	@Security		BearerAuth
//	@Produce		json,application/yaml
//	@Param			id		path		string	true	"the search's id"
//	@Param			trial	path		int		true	"the trial's number"
//	@Param			format	query		string	false	"json or yaml; goes before the Accept header"	Enums(json, yaml)
//	@Success		200		{object}	TrialRecipe
//	@Failure		400		{object}	ErrorReply	"no number, or another format"
//	@Failure		404		{object}	ErrorReply	"there is no such search or trial"
//	@Router			/v1/searches/{id}/trials/{trial}/recipe [get]
func (g *Gateway) getTrialRecipe(c *gin.Context) error {
	format, err := formatOf(c, "json", "application/json", "yaml", yamlType)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(c.Param("trial"))
	if err != nil || number < 0 {
		return fault.Bad("trial", "the trial is %q: trials are numbered from 0", clip(c.Param("trial"), 40))
	}
	ctx := c.Request.Context()
	s, err := g.searches.Get(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	t, err := g.findTrial(ctx, s.ID, number)
	if err != nil {
		return err
	}
	if format == "yaml" {
		text, err := g.writeYAML(ctx, trialName(s, t), t.Recipe)
		if err != nil {
			return err
		}
		c.Data(http.StatusOK, yamlType, text)
		return nil
	}
	return ok(c, TrialRecipe{Object: "recipe", Name: trialName(s, t), Recipe: t.Recipe})
}

// writeYAML writes a recipe as mergekit reads it.
func (g *Gateway) writeYAML(ctx context.Context, name string, r merge.Recipe) ([]byte, error) {
	return r.YAML(name, func(r merge.Recipe) (int, error) {
		config, err := g.catalog.Fit(ctx, r)
		return config.NumHiddenLayers, err
	})
}

// findTrial gives one trial of a search.
func (g *Gateway) findTrial(ctx context.Context, id string, number int) (search.Trial, error) {
	trials, err := g.searches.Trials(ctx, id)
	if err != nil {
		return search.Trial{}, err
	}
	i := slices.IndexFunc(trials, func(t search.Trial) bool { return t.Number == number })
	if i < 0 {
		return search.Trial{}, &fault.Error{Code: fault.NotFound, Param: "trial", Message: "search " + id + " has no trial " + strconv.Itoa(number) + " yet"}
	}
	return trials[i], nil
}
