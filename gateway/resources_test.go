package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/merge"
)

func TestModelsAreListedWithTheirState(t *testing.T) {
	b := newBench(t)
	var got ModelList
	b.send("GET", "/v1/models", "").into(t, &got)
	require.Equal(t, "list", got.Object)
	require.Len(t, got.Data, 4)
	require.Equal(t, Model{ID: "base", Object: "model", Created: epoch.Unix(), OwnedBy: "mergeway", Kind: "source", State: "ready", Bytes: 1000, InputModalities: []string{"text"}}, got.Data[0])
	require.Equal(t, "model.safetensors is cut short", got.Data[2].Error)
	require.Equal(t, "recipe-00", got.Data[3].Target)
	require.NotContains(t, b.send("GET", "/v1/models/base", "").body, `"name"`)

	b.catalog.entries = append(b.catalog.entries, catalog.Entry{ID: "recipe-01", Kind: catalog.Recipe, Name: "half", Created: epoch, State: catalog.Unloaded})
	var recipe Model
	b.send("GET", "/v1/models/recipe-01", "").into(t, &recipe)
	require.Equal(t, Model{ID: "recipe-01", Object: "model", Created: epoch.Unix(), OwnedBy: "mergeway", Name: "half", Kind: "recipe", State: "unloaded", InputModalities: []string{"text"}}, recipe)

	last := &b.catalog.entries[len(b.catalog.entries)-1]
	last.State, last.Progress = catalog.Loading, 0.5
	b.send("GET", "/v1/models/recipe-01", "").into(t, &recipe)
	require.Equal(t, "loading", recipe.State)
	require.Equal(t, 0.5, recipe.Progress)
}

func TestOneModel(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/v1/models/org/model", "/v1/models/org%2Fmodel"} {
		var got Model
		r := b.send("GET", path, "")
		require.Equal(t, http.StatusOK, r.status, r.body)
		r.into(t, &got)
		require.Equal(t, "org/model", got.ID)
	}
	b.send("GET", "/v1/models/twins", "").requireError(t, 409, "conflict", "model")
	b.send("GET", "/v1/models/gpt-5", "").requireError(t, 404, "model_not_found", "model")
	b.send("GET", "/v1/models/", "").requireError(t, 400, "invalid", "model")
}

const recipe = `{"method": "task_arithmetic", "base_model": "base", "sources": [{"model": "a", "weight": 0.5}]}`

func TestARecipeIsStoredInEitherForm(t *testing.T) {
	for _, c := range []struct{ body, name string }{
		{recipe, ""},
		{`{"recipe": ` + recipe + `}`, ""},
		{`{"name": "half", "recipe": ` + recipe + `}`, "half"},
	} {
		b := newBench(t)
		r := b.send("POST", "/v1/recipes", c.body)
		require.Equal(t, http.StatusCreated, r.status, r.body)
		require.Equal(t, "/v1/recipes/recipe-00", r.header.Get("Location"))
		var made, read Recipe
		r.into(t, &made)
		require.Equal(t, c.name, made.Name)
		b.send("GET", r.header.Get("Location"), "").into(t, &read)
		require.Equal(t, made, read)
		require.Contains(t, string(read.Recipe), `"method":"task_arithmetic"`)

		var all RecipeList
		b.send("GET", "/v1/recipes", "").into(t, &all)
		require.Equal(t, []Recipe{made}, all.Data)
		var gone Deleted
		b.send("DELETE", "/v1/recipes/recipe-00", "").into(t, &gone)
		require.True(t, gone.Deleted)
		b.send("GET", "/v1/recipes/recipe-00", "").requireError(t, 404, "not_found", "")
		require.Contains(t, b.send("GET", "/v1/recipes", "").body, `"data":[]`)
	}
}

func TestARecipeIsFoundByIDDigestAndName(t *testing.T) {
	for _, called := range []string{"recipe-00", "sha256:00", "team/half"} {
		b := newBench(t)
		b.send("POST", "/v1/recipes", `{"name": "team/half", "recipe": `+recipe+`}`)
		var read Recipe
		b.send("GET", "/v1/recipes/"+called, "").into(t, &read)
		require.Equal(t, "recipe-00", read.ID)
		var gone Deleted
		b.send("DELETE", "/v1/recipes/"+called, "").into(t, &gone)
		require.Equal(t, Deleted{ID: "recipe-00", Object: "recipe", Deleted: true}, gone, "whatever it was called")
		b.send("GET", "/v1/recipes/"+called, "").requireError(t, 404, "not_found", "")
	}
}

func TestABadRecipeIsRefused(t *testing.T) {
	cases := []struct {
		name, body string
		status     int
		code       string
		param      string
	}{
		{"no recipe", `{}`, 400, "invalid", "method"},
		{"a recipe that is a string", `{"recipe": "linear"}`, 400, "invalid", "recipe"},
		{"an unknown method", `{"recipe": {"method": "magic", "sources": [{"model": "a", "weight": 1}]}}`, 400, "invalid", "recipe.method"},
		{"a field beside the recipe", `{"recipe": ` + recipe + `, "colour": "red"}`, 400, "invalid", "colour"},
		{"a name that is a number", `{"name": 5, "recipe": ` + recipe + `}`, 400, "invalid", "name"},
		{"sources that don't fit", `{"method": "linear", "sources": [{"model": "other-shape", "weight": 1}]}`, 422, "unfit", ""},
		{"a list", `[]`, 400, "invalid", ""},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.send("POST", "/v1/recipes", c.body).requireError(t, c.status, c.code, c.param)
		})
	}
	e := b.send("POST", "/v1/recipes", cases[5].body).requireError(t, 422, "unfit", "")
	require.Equal(t, "the sources do not fit together: hidden sizes 8 and 16; vocabularies 10 and 20", e.Message)
	require.Equal(t, []merge.Problem{
		{Kind: "shape", Model: "other-shape", Field: "hidden_size", Message: "hidden sizes 8 and 16"},
		{Kind: "vocabulary", Model: "other-shape", Message: "vocabularies 10 and 20"},
	}, e.Details)
	require.NotContains(t, b.send("POST", "/v1/recipes", `{}`).body, "details")
	b.send("DELETE", "/v1/recipes/none", "").requireError(t, 404, "not_found", "")
}

func TestAliasesMove(t *testing.T) {
	b := newBench(t)
	r := b.send("PUT", "/v1/aliases/team/best", `{"target": "base"}`)
	require.Equal(t, http.StatusOK, r.status, r.body)
	var made Alias
	r.into(t, &made)
	require.Equal(t, Alias{Name: "team/best", Object: "alias", Target: "base", Updated: epoch.Unix(), History: []AliasChange{}}, made)
	var all AliasList
	b.send("GET", "/v1/aliases", "").into(t, &all)
	require.Equal(t, []Alias{made}, all.Data)
	var read Alias
	b.send("GET", "/v1/aliases/team/best", "").into(t, &read)
	require.Equal(t, made, read)
	b.send("GET", "/v1/aliases/none", "").requireError(t, 404, "not_found", "")
	require.Equal(t, http.StatusOK, b.send("DELETE", "/v1/aliases/team/best", "").status)

	b.send("PUT", "/v1/aliases/x", `{"target": "none"}`).requireError(t, 404, "not_found", "")
	b.send("PUT", "/v1/aliases/base", `{"target": "base"}`).requireError(t, 409, "conflict", "")
	b.send("PUT", "/v1/aliases/x", `{"goal": "base"}`).requireError(t, 400, "invalid", "goal")
	b.send("PUT", "/v1/aliases/x", `{}`).requireError(t, 400, "invalid", "target")
	b.send("PUT", "/v1/aliases/", `{"target": "base"}`).requireError(t, 400, "invalid", "name")
	b.send("DELETE", "/v1/aliases/none", "").requireError(t, 404, "not_found", "")
}
