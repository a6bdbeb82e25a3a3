package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/keys"
)

// newInlineBench has a model for the recipe that the fake catalog stores.
func newInlineBench(t *testing.T, change ...func(*Options)) *bench {
	b := newBench(t, change...)
	b.catalog.entries = append(b.catalog.entries, catalog.Entry{ID: "recipe-00", Kind: catalog.Recipe, Created: epoch, State: catalog.Unloaded})
	return b
}

const hello = `"messages": [{"role": "user", "content": "hello"}]`

func quoted(t *testing.T, text string) string {
	t.Helper()
	out, err := json.Marshal(text)
	require.NoError(t, err)
	return string(out)
}

func TestARecipeMayComeWithTheRequest(t *testing.T) {
	for name, c := range map[string]struct{ path, body, model string }{
		"an object":            {chatPath, `{"recipe": ` + recipe + `, ` + hello + `}`, "recipe-00"},
		"with a label":         {chatPath, `{"model": "mine", "recipe": ` + recipe + `, ` + hello + `}`, "mine"},
		"an empty label":       {chatPath, `{"model": "", "recipe": ` + recipe + `, ` + hello + `}`, "recipe-00"},
		"YAML":                 {chatPath, `{"recipe": ` + quoted(t, yamlRecipe) + `, ` + hello + `}`, "recipe-00"},
		"no recipe after all":  {chatPath, `{"model": "base", "recipe": null, ` + hello + `}`, "base"},
		"a completion":         {completionsPath, `{"recipe": ` + recipe + `, "prompt": "hello"}`, "recipe-00"},
		"a labelled one":       {completionsPath, `{"model": "mine", "recipe": ` + quoted(t, yamlRecipe) + `, "prompt": "hello"}`, "mine"},
		"a stream":             {chatPath, `{"stream": true, "recipe": ` + recipe + `, ` + hello + `}`, "recipe-00"},
		"a stream of a prompt": {completionsPath, `{"stream": true, "model": "mine", "recipe": ` + recipe + `, "prompt": "x"}`, "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newInlineBench(t)
			r := b.send("POST", c.path, c.body)
			require.Equal(t, http.StatusOK, r.status, r.body)
			first := strings.SplitN(strings.TrimPrefix(r.body, "data: "), "\n", 2)[0]
			if !strings.HasPrefix(r.body, "data: ") {
				first = r.body
			}
			var reply struct {
				Model             string `json:"model"`
				SystemFingerprint string `json:"system_fingerprint"`
			}
			require.NoError(t, json.Unmarshal([]byte(first), &reply), r.body)
			require.Equal(t, c.model, reply.Model)
			if c.model == "base" {
				require.Empty(t, b.catalog.recipes)
				return
			}
			require.Equal(t, "recipe-00", reply.SystemFingerprint)
			require.Len(t, b.catalog.recipes, 1)
			require.Empty(t, b.catalog.recipes[0].Name)
			require.Contains(t, b.log.String(), "model=recipe-00", "the log names the model, not the label")
		})
	}
}

func TestABadRecipeInARequestIsRefused(t *testing.T) {
	misspelt := strings.Replace(yamlRecipe, "weight", "wieght", 1)
	for name, c := range map[string]struct {
		recipe string
		status int
		code   string
		param  string
	}{
		"a number":      {`5`, 400, "invalid", "recipe"},
		"a list":        {`[]`, 400, "invalid", "recipe"},
		"nothing in it": {`{}`, 400, "invalid", "recipe.method"},
		"no YAML":       {`"a: ["`, 400, "invalid", "recipe"},
		"empty YAML":    {`""`, 400, "invalid", "recipe"},
		"a parameter":   {quoted(t, misspelt), 400, "invalid", "recipe.models[0].parameters.wieght"},
		"an alias":      {`"a: &a [*a]"`, 400, "invalid", ""},
		"unfit sources": {strings.Replace(recipe, `"a"`, `"other-shape"`, 1), 422, "unfit", "recipe"},
		"too long":      {recipe[:len(recipe)-1] + strings.Repeat(" ", 600) + "}", 413, "too_large", "recipe"},
		"YAML too long": {quoted(t, yamlRecipe+strings.Repeat("#", 600)), 413, "too_large", "recipe"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newInlineBench(t, func(o *Options) { o.Limits.RecipeBytes = 500 })
			for _, path := range []string{chatPath, completionsPath} {
				r := b.send("POST", path, `{"model": "mine", "recipe": `+c.recipe+`, "prompt": "x", `+hello+`}`)
				if c.param == "" {
					require.Equal(t, c.status, r.status, r.body)
					continue
				}
				r.requireError(t, c.status, c.code, c.param)
			}
			require.Empty(t, b.catalog.recipes)
			require.Empty(t, b.engine.seen())
		})
	}
	b := newInlineBench(t)
	b.send("POST", chatPath, `{"recipe": `+recipe+`, "messages": []}`).requireError(t, 400, "invalid", "messages")
	b.send("POST", chatPath, `{"recipe": null, `+hello+`}`).requireError(t, 400, "invalid", "model")
	require.Empty(t, b.catalog.recipes, "what is refused stores nothing")
}

// To bring a recipe is to store one.
func TestARecipeInARequestNeedsTheScopeOfRecipes(t *testing.T) {
	entry, secret, err := keys.NewEntry(keys.Spec{Name: "reader", Scopes: []keys.Scope{keys.Inference}})
	require.NoError(t, err)
	both, other, err := keys.NewEntry(keys.Spec{Name: "writer", Scopes: []keys.Scope{keys.Inference, keys.Manage}})
	require.NoError(t, err)
	b := newInlineBench(t, func(o *Options) { o.Keys = newRing(t, &fakeKeyStore{}, entry, both) })
	body := `{"recipe": ` + recipe + `, ` + hello + `}`
	e := b.send("POST", chatPath, body, bearer(secret)).requireError(t, 403, "insufficient_scope", "")
	require.Contains(t, e.Message, "manage")
	require.Empty(t, b.catalog.recipes)
	require.Equal(t, 200, b.send("POST", chatPath, body, bearer(other)).status)
	require.Equal(t, 200, b.send("POST", chatPath, `{"model": "recipe-00", `+hello+`}`, bearer(secret)).status, "what is stored, anybody may ask")
}
