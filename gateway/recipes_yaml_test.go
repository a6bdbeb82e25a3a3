package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const yamlRecipe = `name: team/half
merge_method: task_arithmetic
base_model: base
models:
  - model: a
    parameters:
      weight: 0.5
`

func as(contentType string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Content-Type", contentType) }
}

func asYAML(t *testing.T, name, text string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"name": name, "yaml": text})
	require.NoError(t, err)
	return string(body)
}

func TestARecipeInYAMLIsTheSameRecipe(t *testing.T) {
	b := newBench(t)
	var want Recipe
	b.send("POST", "/v1/recipes", recipe).into(t, &want)
	for contentType, body := range map[string]string{
		"application/yaml":                yamlRecipe,
		"text/yaml; charset=utf-8":        yamlRecipe,
		"application/x-yaml":              yamlRecipe,
		"application/json":                asYAML(t, "", yamlRecipe),
		"application/json; charset=utf-8": asYAML(t, "team/half", strings.ReplaceAll(yamlRecipe, "team/half", "other")),
	} {
		b := newBench(t)
		r := b.send("POST", "/v1/recipes", body, as(contentType))
		require.Equal(t, http.StatusCreated, r.status, r.body)
		var got Recipe
		r.into(t, &got)
		require.Equal(t, "team/half", got.Name, contentType)
		require.JSONEq(t, string(want.Recipe), string(got.Recipe))
	}
}

func TestABadRecipeInYAMLIsRefused(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.RecipeBytes, o.Limits.NameBytes = 500, 20 })
	misspelt := strings.Replace(yamlRecipe, "weight", "wieght", 1)
	long := yamlRecipe + strings.Repeat("#", 500)
	for name, c := range map[string]struct {
		contentType, body string
		status            int
		code, param, says string
	}{
		"a parameter":        {"application/yaml", misspelt, 400, "invalid", "models[0].parameters.wieght", "line 7"},
		"a parameter inside": {"application/json", asYAML(t, "", misspelt), 400, "invalid", "yaml.models[0].parameters.wieght", "line 7"},
		"no such template":   {"application/yaml", yamlRecipe + "chat_template: chatty\n", 400, "invalid", "chat_template", "one of alpaca, chatml"},
		"a broken template":  {"application/json", `{"recipe": {"method": "linear", "sources": [{"model": "a", "weight": 1}], "chat_template": "{% for m in messages %}{{ m }}"}}`, 400, "invalid", "recipe.chat_template", "does not compile"},
		"no YAML":            {"application/yaml", "a: [", 400, "invalid", "", "line 1"},
		"an empty body":      {"application/yaml", " ", 400, "invalid", "", "empty"},
		"a number inside":    {"application/json", `{"yaml": 5}`, 400, "invalid", "yaml", "not a string"},
		"null inside":        {"application/json", `{"yaml": null}`, 400, "invalid", "yaml", "not a string"},
		"both":               {"application/json", `{"yaml": "", "recipe": ` + recipe + `}`, 400, "invalid", "yaml", "either"},
		"too long":           {"application/yaml", long, 413, "too_large", "", "at most 500"},
		"too long inside":    {"application/json", asYAML(t, "", long), 413, "too_large", "yaml", "at most 500"},
		"a recipe too long":  {"application/json", `{"recipe": ` + recipe[:len(recipe)-1] + strings.Repeat(" ", 500) + `}}`, 413, "too_large", "recipe", "at most 500"},
		"a body too long":    {"application/json", recipe + strings.Repeat(" ", 500), 413, "too_large", "", "at most 500"},
		"a name too long":    {"application/yaml", strings.Replace(yamlRecipe, "team/half", strings.Repeat("x", 21), 1), 400, "invalid", "name", "at most 20"},
		"another type":       {"text/plain", yamlRecipe, 415, "unsupported_media_type", "", "application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			e := b.send("POST", "/v1/recipes", c.body, as(c.contentType)).requireError(t, c.status, c.code, c.param)
			require.Contains(t, e.Message, c.says)
		})
	}
}

func TestARecipeIsReadAsYAML(t *testing.T) {
	b := newBench(t)
	halves := `{"name": "h", "recipe": {"method": "dare_ties", "base_model": "base", "groups": "halves", "seed": 5,
		"sources": [{"model": "a", "weight": [0, 1, 2, 3], "density": 0.5}]}}`
	b.send("POST", "/v1/recipes", halves)
	accept := func(kinds string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Accept", kinds) }
	}
	r := b.send("GET", "/v1/recipes/h?format=yaml", "")
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "application/yaml", r.header.Get("Content-Type"))
	require.Contains(t, r.body, "name: h\nmerge_method: dare_ties\nbase_model: base\n")
	require.Contains(t, r.body, "value: [1, 1, 2, 2]", "four blocks, as the catalog says")
	require.Equal(t, r.body, b.send("GET", "/v1/recipes/h", "", accept("application/yaml")).body)

	var want, got Recipe
	for _, kinds := range []string{"", "*/*", "application/json", "text/html", "application/json, application/yaml"} {
		b.send("GET", "/v1/recipes/h", "", accept(kinds)).into(t, &want)
	}
	b.send("GET", "/v1/recipes/h?format=json", "", accept("application/yaml")).into(t, &want)
	b.send("GET", "/v1/recipes/h?format=xml", "").requireError(t, 400, "invalid", "format")

	other := newBench(t)
	other.send("POST", "/v1/recipes", r.body, as("application/yaml")).into(t, &got)
	require.JSONEq(t, string(want.Recipe), string(got.Recipe), "what is read can be sent back")
}

func TestAStackHasALimit(t *testing.T) {
	const stack = `{"method": "passthrough", "slices": [{"sources": [{"model": "a", "layer_range": [0, 3]}]}, {"sources": [{"model": "base", "layer_range": [1, 3]}]}]}`
	for limit, status := range map[int]int{5: http.StatusCreated, 4: http.StatusBadRequest} {
		b := newInlineBench(t, func(o *Options) { o.Limits.RecipeLayers = limit })
		r := b.send("POST", "/v1/recipes", stack)
		require.Equal(t, status, r.status, r.body)
		inline := b.send("POST", chatPath, `{"recipe": `+stack+`, `+hello+`}`)
		if status == http.StatusCreated {
			require.Equal(t, http.StatusOK, inline.status, inline.body)
			continue
		}
		require.Contains(t, r.requireError(t, status, "invalid", "slices").Message, "a model of 5 blocks: at most 4")
		inline.requireError(t, status, "invalid", "recipe.slices")
	}
}
