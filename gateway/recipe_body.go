package gateway

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// readRecipe reads the request in any of its forms. What a recipe may hold, the
// merge room decides.
func (g *Gateway) readRecipe(c *gin.Context) (name string, r merge.Recipe, err error) {
	if isYAML(c.GetHeader("Content-Type")) {
		text, err := g.readBytes(c)
		if err != nil {
			return "", r, err
		}
		return g.parseYAML("", text)
	}
	data, err := g.readBody(c)
	if err != nil {
		return "", r, err
	}
	var fields map[string]json.RawMessage
	if err := decodeJSON(data, &fields, false); err != nil {
		return "", r, err
	}
	body, text := fields["recipe"], fields["yaml"]
	if body == nil && text == nil {
		r, err = g.parseRecipe(data)
		return "", r, err
	}
	if name, err = g.readRecipeName(fields); err != nil {
		return "", r, err
	}
	if body != nil {
		r, err = g.parseRecipe(body)
		return name, r, inside("recipe", err)
	}
	var yaml string
	if json.Unmarshal(text, &yaml) != nil || isNull(text) {
		return "", r, fault.Bad("yaml", "yaml is not a string")
	}
	name, r, err = g.parseYAML(name, []byte(yaml))
	return name, r, inside("yaml", err)
}

// checkLayers refuses a recipe whose model, or that of a recipe within it, would have
// too many blocks of its own.
func (g *Gateway) checkLayers(r merge.Recipe) error {
	if field, n := r.Stacked(); n > g.limits.RecipeLayers {
		return fault.Bad(field, "a model of %d blocks: at most %d", n, g.limits.RecipeLayers)
	}
	for name, in := range r.Inputs {
		if err := g.checkLayers(in); err != nil {
			return inside("inputs."+name, err)
		}
	}
	return nil
}

// readRecipeName reads the name beside a recipe, and refuses all else.
func (g *Gateway) readRecipeName(fields map[string]json.RawMessage) (name string, err error) {
	for key := range fields {
		if key != "name" && key != "recipe" && key != "yaml" {
			return "", fault.Bad(key, "unknown field %q beside the recipe: known are name, recipe and yaml", clip(key, 40))
		}
	}
	if fields["recipe"] != nil && fields["yaml"] != nil {
		return "", fault.Bad("yaml", "give either recipe or yaml")
	}
	if raw, given := fields["name"]; given && !isNull(raw) && json.Unmarshal(raw, &name) != nil {
		return "", fault.Bad("name", "name is not a string")
	}
	return name, g.checkRecipeName(name)
}

func (g *Gateway) checkRecipeName(name string) error {
	if len(name) > g.limits.NameBytes {
		return fault.Bad("name", "name has %d bytes: at most %d", len(name), g.limits.NameBytes)
	}
	return nil
}

// parseRecipe reads a recipe in JSON.
func (g *Gateway) parseRecipe(data []byte) (merge.Recipe, error) {
	if err := g.checkRecipeSize(data); err != nil {
		return merge.Recipe{}, err
	}
	r, err := merge.ParseRecipe(data)
	if err != nil {
		return merge.Recipe{}, err
	}
	return r, g.checkNesting(r)
}

// parseYAML reads a recipe in mergekit's YAML. A name that was given goes before
// the one in the text.
func (g *Gateway) parseYAML(name string, text []byte) (string, merge.Recipe, error) {
	if err := g.checkRecipeSize(text); err != nil {
		return "", merge.Recipe{}, err
	}
	d, err := merge.ParseYAML(text)
	if err != nil {
		return "", merge.Recipe{}, err
	}
	if err := g.checkNesting(d.Recipe); err != nil {
		return "", merge.Recipe{}, err
	}
	if name == "" {
		name = d.Name
	}
	return name, d.Recipe, g.checkRecipeName(name)
}

// checkNesting refuses recipes of too many recipes.
func (g *Gateway) checkNesting(r merge.Recipe) error {
	switch inputs, depth := r.Nesting(); {
	case inputs > g.limits.RecipeInputs:
		return fault.Bad("inputs", "%d recipes within the recipe: at most %d", inputs, g.limits.RecipeInputs)
	case depth > g.limits.RecipeDepth:
		return fault.Bad("inputs", "recipes within recipes, %d deep: at most %d", depth, g.limits.RecipeDepth)
	}
	return nil
}

// checkRecipeSize refuses what is too long to be looked at.
func (g *Gateway) checkRecipeSize(data []byte) error {
	if len(data) > g.limits.RecipeBytes {
		return fault.New(fault.TooLarge, "a recipe of %d bytes: at most %d", len(data), g.limits.RecipeBytes)
	}
	return nil
}
