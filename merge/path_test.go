package merge

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
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

func TestAPathSurvivesYAML(t *testing.T) {
	plain, one := walk(), walk()
	for i := range plain.Path {
		plain.Path[i].Scale = 0
	}
	one.Path = []Hop{{Model: "b", Layer: 7, Scale: 1e-3}}
	for _, r := range []Recipe{walk(), plain, one} {
		text, err := r.YAML("team/walk", nil)
		require.NoError(t, err)
		d, err := ParseYAML(text)
		require.NoError(t, err, "%s", text)
		assert.Equal(t, "team/walk", d.Name)
		want, err := r.Canonical()
		require.NoError(t, err)
		got, err := d.Recipe.Canonical()
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), "%s", text)
	}
	run := walk()
	run.Path = []Hop{{Model: "a", Layer: 2}, {Model: "a", Layer: 3, Scale: 2}, {Model: "b", Layer: 4}}
	text, err := run.YAML("", nil)
	require.NoError(t, err)
	assert.Equal(t, `merge_method: passthrough
base_model: a
slices:
  - sources:
      - model: a
        layer_range: [2, 4]
  - sources:
      - model: b
        layer_range: [4, 5]
mergeway:
  method: dataflow
  scales: [1, 2, 1]
`, string(text))
}

func TestAPathInYAMLIsRefusedWithItsPlace(t *testing.T) {
	const slices = "slices:\n  - sources: [{model: a, layer_range: [0, 2]}]\n"
	const head = "merge_method: passthrough\nbase_model: a\n"
	const ext = "mergeway: {method: dataflow}\n"
	_, err := ParseYAML([]byte(head + slices + ext))
	require.NoError(t, err)
	for name, c := range map[string]struct{ text, param, says string }{
		"another method":        {head + slices + "mergeway: {method: ties}\n", "mergeway.method", "line 5: mergeway.method: \"dataflow\""},
		"not a stack":           {"merge_method: linear\nbase_model: a\n" + slices + ext, "merge_method", "line 1"},
		"a dtype":               {head + slices + ext + "dtype: float32\n", "dtype", "line 6: dtype: \"dataflow\" merges no weights"},
		"models":                {head + "models: [{model: a}]\n" + ext, "models", "no models"},
		"no slices":             {head + ext, "slices", "at most 1024"},
		"two sources":           {head + "slices: [{sources: [{model: a, layer_range: [0, 1]}, {model: b, layer_range: [0, 1]}]}]\n" + ext, "slices[0]", "one source"},
		"a scale by mergekit's": {head + "slices: [{sources: [{model: a, layer_range: [0, 1], parameters: {scale: 2}}]}]\n" + ext, "slices[0].sources[0].parameters", "unknown key"},
		"a seed":                {head + slices + "mergeway: {method: dataflow, seed: 1}\n", "mergeway.seed", "unknown key"},
		"too few scales":        {head + slices + "mergeway: {method: dataflow, scales: [1]}\n", "mergeway.scales", "2 numbers"},
		"scale zero":            {head + slices + "mergeway: {method: dataflow, scales: [1, 0]}\n", "mergeway.scales[1]", "forget"},
		"a huge scale":          {head + slices + "mergeway: {method: dataflow, scales: [1, 1e9]}\n", "mergeway.scales[1]", "line 5"},
		"no base":               {"merge_method: passthrough\n" + slices + ext, "base_model", "needs a base_model"},
		"a strange model":       {head + "slices: [{sources: [{model: ../a, layer_range: [0, 1]}]}]\n" + ext, "slices[0].sources[0].model", "line 3"},
		"too many hops":         {head + "slices:\n" + strings.Repeat("  - sources: [{model: a, layer_range: [0, 1000]}]\n", 2) + ext, "slices", "more than 1024"},
		"another tokenizer":     {head + slices + ext + "tokenizer_source: union\n", "tokenizer_source", "line 6: tokenizer_source: \"dataflow\" merges no weights"},
	} {
		_, err := ParseYAML([]byte(c.text))
		requireRefused(t, err, c.param)
		assert.ErrorContains(t, err, c.says, name)
	}
}

func TestAPathIsFitted(t *testing.T) {
	a, b := miniature(), miniature()
	b.NumHiddenLayers, b.VocabSize, b.TieWordEmbeddings = 2, 600, true // which it does not lend
	of := func(b checkpoint.Config) map[string]checkpoint.Config {
		return map[string]checkpoint.Config{"a": a, "b": b}
	}
	require.NoError(t, CheckFit(walk(), of(b)))
	c := walk().Config(of(b))
	assert.Equal(t, 4, c.NumHiddenLayers)
	assert.True(t, c.HopScales)
	assert.Equal(t, a.VocabSize, c.VocabSize)
	straight := walk()
	for i := range straight.Path {
		straight.Path[i].Scale = 1
	}
	assert.False(t, straight.Config(of(b)).HopScales, "no program but that of any model is needed")

	windowed := b
	windowed.SlidingWindow, windowed.SlidingLayers = 8, []bool{false, true}
	require.NoError(t, CheckFit(walk(), of(windowed)))
	c = walk().Config(of(windowed))
	assert.Equal(t, 8, c.SlidingWindow)
	assert.Equal(t, []bool{false, true, true, false}, c.SlidingLayers, "each block sees as much as in its own model")

	for name, change := range map[string]struct {
		a, b func(*checkpoint.Config)
		kind Kind
		says string
	}{
		"a layer too many": {func(*checkpoint.Config) {}, func(c *checkpoint.Config) { c.NumHiddenLayers = 1 }, KindLayers, `path[1] is block 1 of "b", which has 1`},
		"another width":    {func(*checkpoint.Config) {}, func(c *checkpoint.Config) { c.HiddenSize = 64 }, KindShape, "hidden_size"},
		"another family":   {func(*checkpoint.Config) {}, func(c *checkpoint.Config) { c.ModelType = "llama" }, KindArchitecture, "model_type"},
		"another epsilon":  {func(*checkpoint.Config) {}, func(c *checkpoint.Config) { c.RMSNormEps = 1e-6 }, KindArchitecture, "rms_norm_eps of \"b\" is 1e-06, of \"a\" 1e-05"},
		"another window":   {func(c *checkpoint.Config) { c.SlidingWindow = 16 }, func(c *checkpoint.Config) { c.SlidingWindow = 8 }, KindArchitecture, `block 1 of "b" sees 8 positions, and block 0 of "a" 16`},
		"another rotation": {func(*checkpoint.Config) {}, func(c *checkpoint.Config) { c.RopeTheta = 5 }, KindArchitecture, "rope_theta"},
	} {
		ca, cb := a, b
		change.a(&ca)
		change.b(&cb)
		var m *Misfit
		require.ErrorAs(t, CheckFit(walk(), map[string]checkpoint.Config{"a": ca, "b": cb}), &m, name)
		assert.Equal(t, change.kind, m.Problems[0].Kind, name)
		assert.Contains(t, m.Error(), change.says, name)
	}
	da, db := described(a), described(b)
	da.Config.DType, db.Config.DType = dtypes.BFloat16, dtypes.Float32
	assert.ErrorContains(t, Fit(walk(), map[string]Described{"a": da, "b": db}), `"b" is stored as float32 and "a" as bfloat16`)
}

func TestAPathIsLaidOfResidentModels(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 5)
	r := NewRecipe(Dataflow)
	r.Base, r.Path = "base", []Hop{{Model: "ja", Layer: 1}, {Model: "math", Layer: 2, Scale: 0.5}}
	w, err := x.Merge(t.Context(), r, models)
	require.NoError(t, err)
	defer w.Free()
	assert.True(t, w.Shared())
	assert.Same(t, models["math"].Tensor("model.layers.2.self_attn.q_proj.weight"), w.Tensor("model.layers.1.self_attn.q_proj.weight"))
	assert.Same(t, models["base"].Tensor("lm_head.weight"), w.Tensor("lm_head.weight"))
	_, err = x.MergeFrom(t.Context(), r, shelve(t, models), StreamOptions{})
	assert.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	r.Path[0].Layer = 3
	_, err = x.Merge(t.Context(), r, models)
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
}
