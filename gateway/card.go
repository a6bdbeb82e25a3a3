package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

// cardSuffix follows a model's name in the path of its card.
const cardSuffix = "/card"

// getModelOrCard tells the one from the other: names may hold slashes, and a
// model that is called like another's card goes first.
func (g *Gateway) getModelOrCard(c *gin.Context) error {
	path := wildcard(c, "model")
	name, ok := strings.CutSuffix(path, cardSuffix)
	if !ok || name == "" || g.checkModelName(path) != nil {
		return g.getModel(c)
	}
	if _, err := g.catalog.Get(c.Request.Context(), path); fault.CodeOf(err) != fault.NotFound {
		return g.getModel(c)
	}
	return g.getCard(c, name)
}

// getCard gives a model's card.
//
//	@Summary		Read a model's card
//	@Description	What it is made of, with the digests of the contents; the aliases that stand for it; what searches found it to be worth; how long it took to make. With format=md, or Accept: text/markdown, it is a page to read.
//	@Tags			models
//	@Security		BearerAuth
//	@Produce		json,text/markdown
//	@Param			model	path		string	true	"name, id or digest; slashes are fine"
//	@Param			format	query		string	false	"json or md; goes before the Accept header"	Enums(json, md)
//	@Success		200		{object}	ModelCard
//	@Failure		400		{object}	ErrorReply	"another format"
//	@Failure		404		{object}	ErrorReply	"the model does not exist"
//	@Failure		409		{object}	ErrorReply	"several recipes have that name"
//	@Router			/v1/models/{model}/card [get]
func (g *Gateway) getCard(c *gin.Context, name string) error {
	format, err := formatOf(c, "json", "application/json", "md", "text/markdown")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	card, err := g.catalog.Card(ctx, name)
	if err != nil {
		return asModelFault(err, name)
	}
	out := newCard(card)
	if out.Scores, err = g.scoresOf(ctx, card); err != nil {
		return err
	}
	if format == "json" {
		return ok(c, out)
	}
	page := cardPage{ModelCard: out}
	if card.Recipe != nil {
		// If a source is gone there may be no YAML. The recipe as JSON will do.
		if text, err := g.recipeYAML(ctx, *card.Recipe); err == nil {
			page.YAML = string(text)
		}
	}
	c.Data(http.StatusOK, "text/markdown; charset=utf-8", page.markdown())
	return nil
}

// newCard is the card on the wire, still without scores.
func newCard(card catalog.Card) ModelCard {
	e := card.Entry
	out := ModelCard{
		Object: "model.card", ID: e.ID, Name: e.Name, Kind: string(e.Kind), Created: e.Created.Unix(), Digest: card.Digest,
		Changed: card.Changed, Aliases: append([]string{}, card.Aliases...), Parts: []CardPart{}, Scores: []CardScore{},
		State: string(e.State), Pinned: e.Pinned, Bytes: e.Bytes, Error: e.Error, Progress: e.Progress,
		InputModalities: modalities(e),
	}
	if card.Recipe != nil {
		out.Recipe = card.Recipe.Body
	}
	for _, p := range card.Parts {
		out.Parts = append(out.Parts, CardPart{Model: p.Name, Base: p.Base, Source: p.Merged, Digest: p.Digest, Recipe: p.Recipe})
	}
	if m := card.Made; m != nil {
		out.Made = &CardMaking{At: m.At.Unix(), Seconds: m.Total.Seconds(), MergeSeconds: m.Merge.Seconds(), Streamed: m.Streamed}
	}
	return out
}

// scoresOf lists what searches know of a model: as their winner, as one of the
// candidates they validated, or as what the winner was compared with.
func (g *Gateway) scoresOf(ctx context.Context, card catalog.Card) ([]CardScore, error) {
	scores := []CardScore{}
	searches, err := g.searches.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range searches {
		score := CardScore{Search: s.ID, Name: s.Spec.Name, Task: s.Spec.Task}
		if card.Recipe == nil {
			for _, row := range s.Scores {
				if row.Name == card.Entry.ID && (row.Role == search.RoleBase || row.Role == search.RoleSource) && row.Score != nil {
					score.As, score.Test = string(row.Role), row.Score
					scores = append(scores, score)
				}
			}
			continue
		}
		if w := s.Winner; w != nil && isRecipe(w.Recipe, card.Recipe.Body) {
			score.As, score.Trial = "winner", w.Trial
			score.SearchScore, score.Validation, score.Test = w.Search, w.Validation, w.Test
			scores = append(scores, score)
			continue
		}
		for _, f := range s.Finalists {
			if isRecipe(f.Recipe, card.Recipe.Body) {
				score.As, score.Trial, score.SearchScore, score.Validation = "finalist", f.Trial, f.Search, f.Validation
				scores = append(scores, score)
			}
		}
	}
	return scores, nil
}

// isRecipe tells whether a recipe has this canonical form.
func isRecipe(r merge.Recipe, canonical json.RawMessage) bool {
	body, err := r.Canonical()
	return err == nil && string(body) == string(canonical)
}
