package gateway

import (
	"bytes"
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/merge"
)

// RecipeField lets a request to generate bring the recipe of its model along.
type RecipeField struct {
	Recipe json.RawMessage `json:"recipe" swaggertype:"object" extensions:"x-union=object|string|null"` // merge this and ask it: a recipe as an object, or mergekit's YAML as text; model is then a label, or absent
}

// given tells whether there is a recipe.
func (f RecipeField) given() bool { return !isNull(f.Recipe) }

// checkModel is checkModelName for requests that may bring a recipe instead.
func (g *Gateway) checkModel(name string, f RecipeField) error {
	if name == "" && f.given() {
		return nil
	}
	return g.checkModelName(name)
}

// settleModel gives the name under which the reply goes, once the request has
// been checked. A recipe that the request brings along is stored like any other,
// under its id, so that it is merged once however often it comes; the job is
// then for the model of that id.
func (g *Gateway) settleModel(c *gin.Context, j *job, f RecipeField) (label string, err error) {
	label = j.model
	if f.given() {
		if err := whoAsks(c).may(keys.Manage); err != nil { // as for POST /v1/recipes
			return "", err
		}
		r, err := g.readInline(f.Recipe)
		if err != nil {
			return "", inside("recipe", err)
		}
		if err := g.checkLayers(r); err != nil {
			return "", inside("recipe", err)
		}
		stored, err := g.catalog.UseRecipe(c.Request.Context(), r)
		if err != nil {
			return "", inside("recipe", err)
		}
		if j.model = stored.ID; label == "" {
			label = stored.ID
		}
	}
	c.Set(modelKey, j.model)
	return label, nil
}

// readInline reads a recipe that is the value of a field.
func (g *Gateway) readInline(data []byte) (merge.Recipe, error) {
	switch data = bytes.TrimLeft(data, " \t\r\n"); data[0] {
	case '{':
		return g.parseRecipe(data)
	case '"':
		var text string
		if err := g.checkRecipeSize(data); err != nil {
			return merge.Recipe{}, err
		}
		if err := json.Unmarshal(data, &text); err != nil {
			return merge.Recipe{}, fault.Wrap(err, fault.Invalid, "the text can't be read")
		}
		_, r, err := g.parseYAML("", []byte(text))
		return r, err
	}
	return merge.Recipe{}, fault.New(fault.Invalid, "recipe must be an object, or mergekit's YAML as text")
}
