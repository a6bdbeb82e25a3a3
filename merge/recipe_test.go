package merge

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
)

// paper is a recipe as the paper's search makes them.
func paper() Recipe {
	r := NewRecipe(DARETIES)
	r.Base = "base"
	r.Groups = Halves
	r.Seed = 7
	r.Sources = []Source{
		{Model: "ja", Weight: Numbers(0.1, 0.2, 0.9, 1), Density: Numbers(0.9)},
		{Model: "math", Weight: Numbers(0.8), Density: Numbers(0.5)},
	}
	return r
}

func TestDefaultsOfEachMethod(t *testing.T) {
	for method, want := range map[Method]Recipe{
		Linear:         {Method: Linear, Groups: WholeModel, Normalize: true, Lambda: 1, DType: "bfloat16"},
		TaskArithmetic: {Method: TaskArithmetic, Groups: WholeModel, Lambda: 1, DType: "bfloat16"},
		TIES:           {Method: TIES, Groups: WholeModel, Normalize: true, Lambda: 1, Rescale: RescaleNone, DType: "bfloat16"},
		DARELinear:     {Method: DARELinear, Groups: WholeModel, Lambda: 1, Rescale: RescaleDensity, DType: "bfloat16"},
		DARETIES:       {Method: DARETIES, Groups: WholeModel, Lambda: 1, Rescale: RescaleDensity, DType: "bfloat16"},
	} {
		assert.Equal(t, want, NewRecipe(method))
	}
	assert.Len(t, methods, 5, "a new method needs a row above")
}

func TestValidateNamesTheFieldAtFault(t *testing.T) {
	require.NoError(t, paper().Validate())
	for name, c := range map[string]struct {
		param  string
		change func(*Recipe)
	}{
		"unknown method":            {"method", func(r *Recipe) { r.Method = "slerp" }},
		"no method":                 {"method", func(r *Recipe) { r.Method = "" }},
		"unknown grouping":          {"groups", func(r *Recipe) { r.Groups = "thirds" }},
		"lambda not a number":       {"lambda", func(r *Recipe) { r.Lambda = math.NaN() }},
		"lambda infinite":           {"lambda", func(r *Recipe) { r.Lambda = math.Inf(-1) }},
		"unknown dtype":             {"dtype", func(r *Recipe) { r.DType = "int8" }},
		"unknown rescale":           {"rescale", func(r *Recipe) { r.Rescale = "l7" }},
		"no base":                   {"base_model", func(r *Recipe) { r.Base = "" }},
		"base climbs out":           {"base_model", func(r *Recipe) { r.Base = "../secret" }},
		"no sources":                {"sources", func(r *Recipe) { r.Sources = nil }},
		"too many sources":          {"sources", func(r *Recipe) { r.Sources = make([]Source, MaxSources+1) }},
		"nameless source":           {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "" }},
		"absolute source":           {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "/etc" }},
		"hidden source":             {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "a/.b" }},
		"source with a null byte":   {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "a\x00b" }},
		"source with broken UTF-8":  {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "a\xffb" }},
		"source name too long":      {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = strings.Repeat("a", MaxName+1) }},
		"source twice":              {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "ja" }},
		"base as source":            {"sources[1].model", func(r *Recipe) { r.Sources[1].Model = "base" }},
		"no weight":                 {"sources[1].weight", func(r *Recipe) { r.Sources[1].Weight = Setting{} }},
		"weight not a number":       {"sources[1].weight", func(r *Recipe) { r.Sources[1].Weight = Numbers(math.NaN()) }},
		"weight too large":          {"sources[1].weight", func(r *Recipe) { r.Sources[1].Weight = Numbers(2 * MaxScale) }},
		"too few weights":           {"sources[0].weight", func(r *Recipe) { r.Sources[0].Weight = Numbers(1, 2, 3) }},
		"density zero":              {"sources[1].density", func(r *Recipe) { r.Sources[1].Density = Numbers(0) }},
		"density over one":          {"sources[1].density", func(r *Recipe) { r.Sources[1].Density = Numbers(1.0001) }},
		"density not a number":      {"sources[1].density", func(r *Recipe) { r.Sources[1].Density = Numbers(math.NaN()) }},
		"too many densities":        {"sources[1].density", func(r *Recipe) { r.Sources[1].Density = Numbers(make([]float64, 5)...) }},
		"blocks that disagree":      {"sources[1].weight", func(r *Recipe) { r.Groups = Blocks; r.Sources[1].Weight = Numbers(1, 2, 3) }},
		"density without a use":     {"sources[0].density", func(r *Recipe) { r.Method = TaskArithmetic; r.Rescale = "" }},
		"rescale without a use":     {"rescale", func(r *Recipe) { r.Method = TaskArithmetic }},
		"lambda without a use":      {"lambda", func(r *Recipe) { *r = linear("a", 1, "b", 1); r.Lambda = 2 }},
		"mean of weights sum zero":  {"sources", func(r *Recipe) { *r = linear("a", 1, "b", -1) }},
		"two groups where one fits": {"sources[0].weight", func(r *Recipe) { r.Groups = WholeModel }},
	} {
		t.Run(name, func(t *testing.T) {
			r := paper()
			c.change(&r)
			err := r.Validate()
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
			_, err = r.Canonical()
			assert.Error(t, err, "what is invalid has no canonical form")
		})
	}
}

// linear is a linear recipe of two sources.
func linear(a string, wa float64, b string, wb float64) Recipe {
	r := NewRecipe(Linear)
	r.Sources = []Source{{Model: a, Weight: Numbers(wa)}, {Model: b, Weight: Numbers(wb)}}
	return r
}

// param is the field that an error names.
func param(err error) string {
	var e *fault.Error
	if errors.As(err, &e) {
		return e.Param
	}
	return ""
}

func TestCanonicalIsTheSameForRecipesOfTheSameMeaning(t *testing.T) {
	want, err := paper().Canonical()
	require.NoError(t, err)
	assert.Equal(t, `{"base_model":"base","dtype":"bfloat16","groups":"halves","lambda":1,"method":"dare_ties","normalize":false,"rescale":"density","seed":7,`+
		`"sources":[{"density":[0.9],"model":"ja","weight":[0.1,0.2,0.9,1]},{"density":[0.5],"model":"math","weight":[0.8]}]}`, string(want))
	for name, change := range map[string]func(*Recipe){
		"defaults left open":   func(r *Recipe) { r.Lambda, r.Rescale, r.DType = 0, "", "" },
		"sources swapped":      func(r *Recipe) { r.Sources[0], r.Sources[1] = r.Sources[1], r.Sources[0] },
		"one number repeated":  func(r *Recipe) { r.Sources[1].Weight = Numbers(0.8, 0.8, 0.8, 0.8) },
		"one density repeated": func(r *Recipe) { r.Sources[0].Density = Numbers(0.9, 0.9, 0.9, 0.9) },
	} {
		r := paper()
		change(&r)
		got, err := r.Canonical()
		require.NoError(t, err, name)
		assert.Equal(t, string(want), string(got), name)
	}
	for name, change := range map[string]func(*Recipe){
		"seed":      func(r *Recipe) { r.Seed++ },
		"weight":    func(r *Recipe) { r.Sources[1].Weight = Numbers(math.Nextafter(0.8, 1)) },
		"density":   func(r *Recipe) { r.Sources[1].Density = Setting{} },
		"grouping":  func(r *Recipe) { r.Groups = Blocks },
		"normalize": func(r *Recipe) { r.Normalize = true },
		"lambda":    func(r *Recipe) { r.Lambda = 2 },
		"rescale":   func(r *Recipe) { r.Rescale = RescaleL1 },
		"dtype":     func(r *Recipe) { r.DType = "float32" },
		"base":      func(r *Recipe) { r.Base = "other" },
	} {
		r := paper()
		change(&r)
		got, err := r.Canonical()
		require.NoError(t, err, name)
		assert.NotEqual(t, string(want), string(got), name)
	}
}

func TestCanonicalLeavesOutWhatTheMethodIgnores(t *testing.T) {
	r := linear("b", math.Copysign(0, -1), "a", 1)
	r.Seed, r.Rescale, r.Groups = 9, RescaleNone, Blocks
	r.Sources[0].Density = Numbers(1)
	got, err := r.Canonical()
	require.NoError(t, err)
	assert.Equal(t, `{"base_model":"b","dtype":"bfloat16","groups":"model","lambda":1,"method":"linear","normalize":true,`+
		`"sources":[{"model":"a","weight":[1]},{"model":"b","weight":[0]}]}`, string(got))
	assert.Equal(t, "b", r.Parent(), "the first source lends its tokenizer")
	assert.Equal(t, []string{"a", "b"}, r.Models())
	assert.Equal(t, "b", r.Sources[0].Model, "the recipe itself is untouched")
}

func TestDigestCoversTheRecipeAndItsSources(t *testing.T) {
	digests := map[string]string{"base": "sha256:1", "ja": "sha256:2", "math": "sha256:3", "unrelated": "sha256:4"}
	want, err := paper().Digest(digests)
	require.NoError(t, err)
	assert.Equal(t, "sha256:e4c47535be84adac", want[:23], "a digest that changes orphans every recipe that was ever stored")

	delete(digests, "unrelated")
	got, err := paper().Digest(digests)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	digests["ja"] = "sha256:other"
	got, err = paper().Digest(digests)
	require.NoError(t, err)
	assert.NotEqual(t, want, got)

	delete(digests, "base")
	_, err = paper().Digest(digests)
	assert.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestGroupings(t *testing.T) {
	c := miniature()
	c.NumHiddenLayers = 3
	tensors := arch.Params(c)
	for _, g := range []struct {
		grouping Grouping
		labels   []string
		of       []int // the layer group of the embedding, of each block, of the head
	}{
		{WholeModel, []string{"model"}, []int{0, 0, 0, 0, 0}},
		{Ends, []string{"embedding", "blocks", "head"}, []int{0, 1, 1, 1, 2}},
		{Halves, []string{"embedding", "lower", "upper", "head"}, []int{0, 1, 1, 2, 3}},
		{Blocks, []string{"embedding", "block 0", "block 1", "block 2", "head"}, []int{0, 1, 2, 3, 4}},
		{"thirds", nil, nil},
	} {
		assert.Equal(t, g.labels, g.grouping.Labels(3), string(g.grouping))
		assert.Equal(t, len(g.labels), g.grouping.Count(3))
		if g.labels == nil {
			continue
		}
		var of []int
		covered := 0
		for _, u := range units(tensors) {
			of = append(of, newPlace(tensors[u.from], g.grouping, 3).group)
			assert.Equal(t, covered, u.from, "units leave no gap")
			covered = u.to
		}
		assert.Equal(t, g.of, of, string(g.grouping))
		assert.Equal(t, len(tensors), covered)
	}
	last := tensors[len(tensors)-2]
	assert.Equal(t, "model.norm.weight", last.Name)
	assert.Equal(t, 2, Ends.Index(last.Group, 3), "the final norm goes with the head")
}
