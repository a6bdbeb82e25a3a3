package merge

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// walk is a path through two models.
func walk() Recipe {
	r := NewRecipe(Dataflow)
	r.Base = "a"
	r.Path = []Hop{{Model: "a", Layer: 0}, {Model: "b", Layer: 1, Scale: 0.93}, {Model: "b", Layer: 1}, {Model: "a", Layer: 3, Scale: -2}}
	return r
}

func TestPathHasOneCanonicalForm(t *testing.T) {
	r := walk()
	require.NoError(t, r.Validate())
	body, err := r.Canonical()
	require.NoError(t, err)
	assert.JSONEq(t, `{"method":"dataflow","base_model":"a","path":[
		{"model":"a","layer":0,"scale":1},{"model":"b","layer":1,"scale":0.93},{"model":"b","layer":1,"scale":1},{"model":"a","layer":3,"scale":-2}]}`, string(body))
	again, err := ParseRecipe(body)
	require.NoError(t, err)
	twice, err := again.Canonical()
	require.NoError(t, err)
	assert.Equal(t, body, twice)
	assert.Equal(t, []string{"a", "b"}, r.Models())
	assert.Equal(t, "a", r.Parent())

	written, err := marshal(r)
	require.NoError(t, err)
	again, err = ParseRecipe(written)
	require.NoError(t, err)
	assert.Equal(t, r.Path, again.Path)
}

func TestEveryHopChangesTheDigest(t *testing.T) {
	sources := map[string]string{"a": "1", "b": "2"}
	seen := map[string]bool{}
	for _, change := range []func(*Recipe){
		func(*Recipe) {},
		func(r *Recipe) { r.Path[0].Scale = 2 },
		func(r *Recipe) { r.Path[0].Layer = 1 },
		func(r *Recipe) { r.Path[0].Model = "b" },
		func(r *Recipe) { r.Path[0], r.Path[1] = r.Path[1], r.Path[0] },
		func(r *Recipe) { r.Path = r.Path[:3] },
		func(r *Recipe) { r.Base = "b" },
	} {
		r := walk()
		change(&r)
		digest, err := r.Digest(sources)
		require.NoError(t, err)
		assert.False(t, seen[digest])
		seen[digest] = true
	}
}

func TestPathIsRefusedByField(t *testing.T) {
	for name, c := range map[string]struct {
		param  string
		change func(*Recipe)
	}{
		"no base":         {"base_model", func(r *Recipe) { r.Base = "" }},
		"a strange base":  {"base_model", func(r *Recipe) { r.Base = "../a" }},
		"no hops":         {"path", func(r *Recipe) { r.Path = nil }},
		"too many hops":   {"path", func(r *Recipe) { r.Path = make([]Hop, MaxHops+1) }},
		"no model":        {"path[1].model", func(r *Recipe) { r.Path[1].Model = "" }},
		"too many models": {"path[63].model", func(r *Recipe) { r.Path = manyModels(64) }},
		"before layer 0":  {"path[2].layer", func(r *Recipe) { r.Path[2].Layer = -1 }},
		"a huge layer":    {"path[2].layer", func(r *Recipe) { r.Path[2].Layer = MaxHops }},
		"no number":       {"path[3].scale", func(r *Recipe) { r.Path[3].Scale = math.NaN() }},
		"a huge scale":    {"path[3].scale", func(r *Recipe) { r.Path[3].Scale = 1e5 }},
		"a tiny scale":    {"path[3].scale", func(r *Recipe) { r.Path[3].Scale = -1e-5 }},
		"sources":         {"sources", func(r *Recipe) { r.Sources = []Source{{Model: "b"}} }},
		"a dtype":         {"dtype", func(r *Recipe) { r.DType = "bfloat16" }},
		"a seed":          {"seed", func(r *Recipe) { r.Seed = 1 }},
		"groups":          {"groups", func(r *Recipe) { r.Groups = Blocks }},
		"lambda":          {"lambda", func(r *Recipe) { r.Lambda = 2 }},
		"another method":  {"path", func(r *Recipe) { *r = paper(); r.Path = walk().Path }},
	} {
		t.Run(name, func(t *testing.T) {
			r := walk()
			c.change(&r)
			requireRefused(t, r.Validate(), c.param)
		})
	}
}

// manyModels is a path through as many models.
func manyModels(n int) []Hop {
	path := make([]Hop, n)
	for i := range path {
		path[i].Model = "m" + strings.Repeat("x", i)
	}
	return path
}

func TestPathIsReadStrictly(t *testing.T) {
	for hop, param := range map[string]string{
		`{"layer": 1}`:                            "path[0].model",
		`{"model": "a"}`:                          "path[0].layer",
		`{"model": "a", "layer": 1.5}`:            "path[0].layer",
		`{"model": "a", "layer": null}`:           "path[0].layer",
		`{"model": "a", "layer": 1, "scale": 0}`:  "path[0].scale",
		`{"model": "a", "layer": 1, "scale": ""}`: "path[0].scale",
		`{"model": "a", "layer": 1, "gain": 1}`:   "path[0].gain",
		`7`:                                       "path[0]",
	} {
		_, err := ParseRecipe([]byte(`{"method": "dataflow", "base_model": "a", "path": [` + hop + `]}`))
		requireRefused(t, err, param)
	}
	_, err := ParseRecipe([]byte(`{"method": "dataflow", "base_model": "a", "path": [` + strings.Repeat("0,", MaxHops) + `0]}`))
	requireRefused(t, err, "path")
}

// requireRefused checks that it is the field's fault.
func requireRefused(t *testing.T, err error, param string) {
	t.Helper()
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, fault.Invalid, f.Code, err)
	require.Equal(t, param, f.Param, err)
}
