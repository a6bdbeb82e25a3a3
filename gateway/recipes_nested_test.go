package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wideRecipe is a recipe of so many recipes.
func wideRecipe(inputs int) string {
	var sources, recipes []string
	for i := range inputs {
		sources = append(sources, fmt.Sprintf(`{"model": "x%d", "weight": 1}`, i))
		recipes = append(recipes, fmt.Sprintf(`"x%d": {"method": "linear", "sources": [{"model": "a", "weight": %d}]}`, i, i+1))
	}
	return fmt.Sprintf(`{"method": "linear", "sources": [%s], "inputs": {%s}}`, strings.Join(sources, ","), strings.Join(recipes, ","))
}

// deepRecipe is a recipe with recipes so deep within it.
func deepRecipe(depth int) string {
	r := `{"method": "linear", "sources": [{"model": "a", "weight": 1}]}`
	for range depth {
		r = `{"method": "linear", "sources": [{"model": "x", "weight": 1}], "inputs": {"x": ` + r + `}}`
	}
	return r
}

func TestRecipesWithinRecipesAreLimited(t *testing.T) {
	for name, c := range map[string]struct {
		key    string
		recipe func(n int) string
	}{
		"inputs": {"max-recipe-inputs", wideRecipe},
		"depth":  {"max-recipe-depth", deepRecipe},
	} {
		t.Run(name, func(t *testing.T) {
			b := newInlineBench(t, func(o *Options) {
				for _, s := range o.Limits.Settings() {
					if s.Key == c.key {
						*s.Number = 3
					}
				}
			})
			require.Equal(t, 201, b.send("POST", "/v1/recipes", c.recipe(3)).status)
			b.send("POST", "/v1/recipes", c.recipe(4)).requireError(t, 400, "invalid", "inputs")
			b.send("POST", "/v1/recipes", `{"recipe": `+c.recipe(4)+`}`).requireError(t, 400, "invalid", "recipe.inputs")
			require.Equal(t, 200, b.send("POST", chatPath, `{"recipe": `+c.recipe(3)+`, `+hello+`}`).status)
			b.send("POST", chatPath, `{"recipe": `+c.recipe(4)+`, `+hello+`}`).requireError(t, 400, "invalid", "recipe.inputs")
		})
	}
}

const twoDocuments = `name: inner
merge_method: task_arithmetic
base_model: base
models: [{model: a, parameters: {weight: 0.5}}]
---
name: whole
merge_method: linear
models: [{model: inner, parameters: {weight: 1}}, {model: base, parameters: {weight: 1}}]
`

func TestDocumentsThatNameOneAnotherAreOneRecipe(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.RecipeInputs = 1 })
	r := b.send("POST", "/v1/recipes", twoDocuments, as("application/yaml"))
	require.Equal(t, 201, r.status, r.body)
	var got Recipe
	r.into(t, &got)
	require.Equal(t, "whole", got.Name)
	require.Contains(t, string(got.Recipe), `"inputs":{"input-`)

	text := b.send("GET", "/v1/recipes/"+got.ID+"?format=yaml", "").body
	require.Contains(t, text, "\n---\nname: whole\n")
	again := newBench(t).send("POST", "/v1/recipes", text, as("application/yaml"))
	require.Equal(t, 201, again.status, again.body)
	var same Recipe
	again.into(t, &same)
	require.JSONEq(t, string(got.Recipe), string(same.Recipe))

	three := "name: more\nmerge_method: linear\nmodels: [{model: a, parameters: {weight: 1}}]\n---\n" + strings.Replace(twoDocuments, "model: base,", "model: more,", 1)
	b.send("POST", "/v1/recipes", three, as("application/yaml")).requireError(t, 400, "invalid", "inputs")
	b.send("POST", "/v1/recipes", strings.Replace(twoDocuments, "model: inner", "model: a", 1), as("application/yaml")).requireError(t, 400, "invalid", "documents[1]")
}

// What is within a recipe is as large as it may be, and no larger.
func TestTheLayersOfInputsAreLimited(t *testing.T) {
	const stack = `{"method": "passthrough", "slices": [{"sources": [{"model": "a", "layer_range": [0, 2]}]}, {"sources": [{"model": "a", "layer_range": [0, 2]}]}]}`
	const whole = `{"method": "linear", "sources": [{"model": "x", "weight": 1}], "inputs": {"x": ` + stack + `}}`
	for limit, status := range map[int]int{4: 201, 3: 400} {
		b := newBench(t, func(o *Options) { o.Limits.RecipeLayers = limit })
		r := b.send("POST", "/v1/recipes", whole)
		require.Equal(t, status, r.status, r.body)
		if status == 400 {
			r.requireError(t, 400, "invalid", "inputs.x.slices")
		}
	}
}
