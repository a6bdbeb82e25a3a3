package merge

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// familyText is the recipe family, as mergekit-multi reads it.
const familyText = `
models:
  - model: first
    parameters: {weight: 0.5}
  - model: second
    parameters: {weight: 0.75}
  - model: math
    parameters: {weight: 0.25}
merge_method: dare_ties
base_model: base
dtype: float32
parameters: {density: 0.5}
mergeway: {seed: 3, rescale: density}
---
name: first
merge_method: task_arithmetic
base_model: base
models: [{model: ja, parameters: {weight: 0.5}}]
dtype: float32
---
name: second
merge_method: task_arithmetic
base_model: first
models: [{model: math, parameters: {weight: 0.25}}]
dtype: float32
`

func TestDocumentsThatNameOneAnotherAreOneRecipe(t *testing.T) {
	want, err := family().Canonical()
	require.NoError(t, err)
	d, err := ParseYAML([]byte(familyText))
	require.NoError(t, err)
	require.Empty(t, d.Name)
	got, err := d.Recipe.Canonical()
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got))

	text, err := family().YAML("team/whole", planned)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), "\n---\n"), "what is used twice is written once:\n%s", text)
	d, err = ParseYAML(text)
	require.NoError(t, err)
	require.Equal(t, "team/whole", d.Name)
	got, err = d.Recipe.Canonical()
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))

	// A name that one of its parts has would be that part's.
	text, err = family().YAML("math", planned)
	require.NoError(t, err)
	d, err = ParseYAML(text)
	require.NoError(t, err)
	require.Empty(t, d.Name)
}

func TestGroupsOfInputsAreWrittenForTheirModels(t *testing.T) {
	r := paper()
	r.Sources = r.Sources[:1]
	outer := half("base", "x", 0.5)
	outer.Inputs = map[string]Recipe{"x": r}
	text, err := outer.YAML("", planned)
	require.NoError(t, err)
	d, err := ParseYAML(text)
	require.NoError(t, err)
	want, err := outer.Canonical()
	require.NoError(t, err)
	got, err := d.Recipe.Canonical()
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestDocumentsThatMakeNoRecipeAreRefused(t *testing.T) {
	document := func(name string, models ...string) string {
		text := "merge_method: linear\nmodels:\n"
		if name != "" {
			text = "name: " + name + "\n" + text
		}
		for _, m := range models {
			text += "  - {model: " + m + ", parameters: {weight: 1}}\n"
		}
		return text
	}
	many := document("d0", "a")
	for i := range MaxInputs + 1 {
		many += "---\n" + document("", "d0", "x"+string(rune('a'+i%26)))
	}
	for name, c := range map[string]struct{ text, param, says string }{
		"two results":      {document("x", "a") + "---\n" + document("y", "b"), "documents[1]", "line 6: documents[1]: no other document names this one, nor that in line 1"},
		"a name twice":     {document("x", "a") + "---\n" + document("x", "b") + "---\n" + document("", "x"), "documents[1].name", `"x" is the name of the document in line 1 already`},
		"a circle":         {document("x", "y") + "---\n" + document("y", "x"), "documents[0]", "made of itself"},
		"itself":           {document("x", "x", "a") + "---\n" + document("", "x"), "documents[0]", "made of itself"},
		"a fault in one":   {document("x", "a") + "density: 1\n---\n" + document("", "x"), "documents[0].density", "line 5: documents[0].density: unknown key"},
		"what is missing":  {"name: x\n---\n" + document("", "x"), "documents[0].merge_method", "line 1: documents[0].merge_method: this is missing"},
		"a value that is":  {document("x", "a") + "---\n" + document("", "x") + "dtype: int3\n", "documents[1].dtype", "unknown dtype"},
		"too many":         {many, "", "document 66 begins: at most 65"},
		"a name of no use": {"name: [x]\n" + document("", "a") + "---\n" + document("", "b"), "documents[0].name", "must be text"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseYAML([]byte(c.text))
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
			assert.Contains(t, err.Error(), c.says)
		})
	}
}
