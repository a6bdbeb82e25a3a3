package merge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestParseFillsInTheDefaultsOfTheMethod(t *testing.T) {
	got, err := ParseRecipe([]byte(`{"method":"dare_ties","base_model":"base","groups":"halves","seed":7,
		"sources":[{"model":"ja","weight":[0.1,0.2,0.9,1],"density":0.9},{"model":"math","weight":0.8,"density":[0.5]}]}`))
	require.NoError(t, err)
	assert.Equal(t, paper(), got)

	got, err = ParseRecipe([]byte(`{"method":"linear","sources":[{"model":"a","weight":1}],"normalize":false}`))
	require.NoError(t, err)
	assert.False(t, got.Normalize, "what is said wins over the default")
	assert.Equal(t, "a", got.Base)
}

func TestParseReadsItsOwnCanonicalForm(t *testing.T) {
	for _, m := range Methods() {
		r := toyRecipe(m)
		body, err := r.Canonical()
		require.NoError(t, err)
		again, err := ParseRecipe(body)
		require.NoError(t, err)
		second, err := again.Canonical()
		require.NoError(t, err)
		assert.Equal(t, string(body), string(second))
	}
}

func TestParseRefuses(t *testing.T) {
	recipe := func(extra, source string) string {
		return `{"method":"ties","base_model":"b"` + extra + `,"sources":[{"model":"a","weight":1` + source + `}]}`
	}
	_, err := ParseRecipe([]byte(recipe("", "")))
	require.NoError(t, err)
	for name, c := range map[string]struct{ body, param, says string }{
		"nothing":                  {``, "", "valid JSON"},
		"not an object":            {`[]`, "", "object"},
		"cut off":                  {`{"method":`, "", "valid JSON"},
		"something after the end":  {recipe("", "") + `{}`, "", "after the end"},
		"an unknown key":           {recipe(`,"wieght":1`, ""), "wieght", `unknown key "wieght"`},
		"a key in capitals":        {recipe(`,"LAMBDA":1`, ""), "LAMBDA", "unknown key"},
		"an unknown source key":    {recipe("", `,"wieght":1`), "sources[0].wieght", "unknown key"},
		"a key twice":              {recipe(`,"method":"linear"`, ""), "method", "twice"},
		"a source key twice":       {recipe("", `,"weight":2`), "sources[0].weight", "twice"},
		"null":                     {recipe(`,"seed":null`, ""), "seed", "null"},
		"null among numbers":       {recipe("", `,"density":[null]`), "sources[0].density", "null"},
		"a negative seed":          {recipe(`,"seed":-1`, ""), "seed", "seed"},
		"a broken seed":            {recipe(`,"seed":0.5`, ""), "seed", "seed"},
		"a number out of range":    {recipe(`,"lambda":1e999`, ""), "lambda", "range"},
		"lambda zero":              {recipe(`,"lambda":0`, ""), "lambda", "base model"},
		"a weight that is text":    {recipe("", `,"density":"1"`), "sources[0].density", "wrong type"},
		"sources that are no list": {`{"method":"ties","sources":{}}`, "sources", "wrong type"},
		"a source that is text":    {`{"method":"ties","base_model":"b","sources":["a"]}`, "sources[0]", "object"},
		"an empty recipe":          {`{}`, "method", "unknown merge method"},
		"too many sources":         {`{"method":"ties","sources":[` + strings.Repeat("1,", MaxSources) + `1]}`, "sources", "65 sources"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRecipe([]byte(c.body))
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
			assert.Contains(t, err.Error(), c.says)
		})
	}
}

func TestParseBoundsTheSize(t *testing.T) {
	body := `{"method":"linear","sources":[{"model":"a","weight":1}]}`
	_, err := ParseRecipe([]byte(body + strings.Repeat(" ", MaxRecipeBytes-len(body))))
	require.NoError(t, err)
	_, err = ParseRecipe([]byte(body + strings.Repeat(" ", MaxRecipeBytes-len(body)+1)))
	assert.Equal(t, fault.TooLarge, fault.CodeOf(err))
}

func FuzzParseRecipe(f *testing.F) {
	for _, m := range Methods() {
		f.Add(fmt.Appendf(nil, `{"method":%q,"base_model":"b","sources":[{"model":"a","weight":[1,2,0.5],"density":0.5}],"groups":"ends"}`, m))
	}
	f.Add([]byte(`{"method":"linear","sources":[{"model":"a/b","weight":-0}],"seed":18446744073709551615,"lambda":1.0}`))
	f.Add([]byte(`{"method":"ties","base_model":"基","sources":[{"model":"日本","weight":1e-300}],"rescale":"l1","dtype":"float16","normalize":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecipe(data)
		if err != nil {
			if code := fault.CodeOf(err); code != fault.Invalid && code != fault.TooLarge {
				t.Fatalf("%v: code %s", err, code)
			}
			return
		}
		body, err := r.Canonical()
		if err != nil {
			t.Fatalf("what parses has no canonical form: %v", err)
		}
		again, err := ParseRecipe(body)
		if err != nil {
			t.Fatalf("the canonical form doesn't parse: %v\n%s", err, body)
		}
		second, err := again.Canonical()
		if err != nil || string(second) != string(body) {
			t.Fatalf("the canonical form is not stable: %v\n%s\n%s", err, body, second)
		}
	})
}
