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
	defaults := map[Method]Recipe{
		Linear:          {Normalize: true},
		TaskArithmetic:  {},
		TIES:            {Normalize: true, Rescale: RescaleNone},
		DARELinear:      {Rescale: RescaleDensity},
		DARETIES:        {Rescale: RescaleDensity},
		DELLALinear:     {Rescale: RescaleDensity},
		DELLA:           {Normalize: true, Rescale: RescaleDensity},
		Breadcrumbs:     {Rescale: RescaleNone},
		BreadcrumbsTIES: {Rescale: RescaleNone},
		Passthrough:     {},
		SLERP:           {},
		NuSLERP:         {Span: SpanTensor},
		MultiSLERP:      {Normalize: true},
		Karcher:         {},
		ModelStock:      {Span: SpanTensor},
		SCE:             {},
		NearSwap:        {},
		ArceeFusion:     {},
		RAM:             {},
		RAMPlusTL:       {},
	}
	for method, want := range defaults {
		want.Method, want.Groups, want.Lambda, want.DType = method, WholeModel, 1, "bfloat16"
		assert.Equal(t, want, NewRecipe(method))
	}
	for _, method := range Methods() {
		assert.Contains(t, defaults, method, "a new method needs a row above")
	}
}

func TestEachMethodChecksWhatItTakes(t *testing.T) {
	for _, m := range Methods() {
		require.NoError(t, toyRecipe(m).Validate(), m)
	}
	source := func(name string) Source { return Source{Model: name} }
	for name, c := range map[string]struct {
		method Method
		param  string
		change func(*Recipe)
	}{
		"two where one fits":        {SLERP, "sources", func(r *Recipe) { r.Sources = append(r.Sources, source("b")) }},
		"one where two fit":         {NuSLERP, "sources", func(r *Recipe) { r.Sources = r.Sources[:1] }},
		"too few":                   {ModelStock, "sources", func(r *Recipe) { r.Sources = r.Sources[:1] }},
		"too many":                  {MultiSLERP, "sources", func(r *Recipe) { r.Sources = make([]Source, maxAngles+1) }},
		"a weight":                  {SCE, "sources[1].weight", func(r *Recipe) { r.Sources[1].Weight = Numbers(1) }},
		"no weight":                 {NuSLERP, "sources[1].weight", func(r *Recipe) { r.Sources[1].Weight = Setting{} }},
		"a density":                 {Karcher, "sources[0].density", func(r *Recipe) { r.Sources[0].Density = Numbers(0.5) }},
		"a foreign parameter":       {SLERP, "parameters.gamma", func(r *Recipe) { r.Parameters = r.Parameters.with("gamma", Numbers(1)) }},
		"a shared one of a source":  {SLERP, "sources[0].parameters.t", func(r *Recipe) { r.Sources[0].Parameters = Parameters{"t": Numbers(1)} }},
		"no t":                      {SLERP, "parameters.t", func(r *Recipe) { r.Parameters = nil }},
		"no t in some tensors":      {NearSwap, "parameters.t", func(r *Recipe) { r.Parameters = Parameters{"t": rules("mlp", []float64{1})} }},
		"a negative t":              {NearSwap, "parameters.t", func(r *Recipe) { r.Parameters = Parameters{"t": Numbers(-1)} }},
		"a share above one":         {SCE, "parameters.select_topk", func(r *Recipe) { r.Parameters = Parameters{"select_topk": Numbers(1.5)} }},
		"half a step":               {Karcher, "parameters.max_iter", func(r *Recipe) { r.Parameters = Parameters{"max_iter": Numbers(1.5)} }},
		"too many steps":            {Karcher, "parameters.max_iter", func(r *Recipe) { r.Parameters = Parameters{"max_iter": Numbers(101)} }},
		"steps that differ":         {Karcher, "parameters.max_iter", func(r *Recipe) { r.Parameters = Parameters{"max_iter": Numbers(1, 2, 3)} }},
		"not a number":              {RAM, "parameters.epsilon", func(r *Recipe) { r.Parameters = Parameters{"epsilon": Numbers(math.NaN())} }},
		"outliers beyond all":       {Breadcrumbs, "sources[0].parameters.gamma", func(r *Recipe) { r.Sources[0].Parameters = Parameters{"gamma": Numbers(1.1)} }},
		"a spread too wide":         {DELLA, "sources[0].parameters.epsilon", func(r *Recipe) { r.Sources[0].Parameters = Parameters{"epsilon": Numbers(0.6)} }},
		"groups that disagree":      {SCE, "parameters.select_topk", func(r *Recipe) { r.Parameters = Parameters{"select_topk": Numbers(1, 0.5)} }},
		"columns":                   {ModelStock, "span", func(r *Recipe) { r.Span = SpanColumns }},
		"a span without a use":      {SCE, "span", func(r *Recipe) { r.Span = SpanRows }},
		"nothing to normalise":      {NuSLERP, "normalize", func(r *Recipe) { r.Normalize = true }},
		"a scale without a use":     {MultiSLERP, "lambda", func(r *Recipe) { r.Lambda = 2 }},
		"an election by lot":        {TIES, "consensus", func(r *Recipe) { r.Consensus = "lot" }},
		"nobody to elect":           {DARELinear, "consensus", func(r *Recipe) { r.Consensus = ConsensusSum }},
		"no base":                   {ArceeFusion, "base_model", func(r *Recipe) { r.Base = "" }},
		"the base among the others": {NuSLERP, "sources[0].model", func(r *Recipe) { r.Base = "a" }},
		"a base that is not merged": {Karcher, "base_model", func(r *Recipe) { r.Base = "base" }},
		"a mean of nothing": {MultiSLERP, "sources", func(r *Recipe) {
			r.Sources = r.Sources[:2]
			r.Sources[0].Weight, r.Sources[1].Weight = Numbers(1), Numbers(-1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := toyRecipe(c.method)
			c.change(&r)
			err := r.Validate()
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
		})
	}
}

func TestTheCanonicalFormHasWhatTheMethodTakes(t *testing.T) {
	for m, want := range map[Method]string{
		SLERP: `{"base_model":"base","dtype":"float32","groups":"ends","method":"slerp","parameters":{"t":[0.25,-0.5,1.5]},"sources":[{"model":"a"}]}`,
		Karcher: `{"base_model":"a","dtype":"float32","groups":"model","method":"karcher","parameters":{"max_iter":[10],"tol":[0.00001]},` +
			`"sources":[{"model":"a"},{"model":"b"},{"model":"c"}]}`,
		Breadcrumbs: `{"base_model":"base","dtype":"float32","groups":"ends","lambda":1,"method":"breadcrumbs","normalize":false,"rescale":"none",` +
			`"sources":[{"density":[0.5],"model":"a","parameters":{"gamma":[0.05]},"weight":[0.7,0.2,1.3]},` +
			`{"density":[0.1,0.9,1],"model":"b","parameters":{"gamma":[0.15000000000000002]},"weight":[0.5]},` +
			`{"model":"c","parameters":{"gamma":[0.25]},"weight":[-0.3,1,0]}]}`,
		Passthrough: `{"base_model":"a","dtype":"float32","groups":"ends","method":"passthrough","sources":[{"model":"a","weight":[0.7,0.2,1.3]}]}`,
	} {
		got, err := toyRecipe(m).Canonical()
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	r := NewRecipe(Passthrough)
	r.Sources = []Source{{Model: "a"}}
	got, err := r.Canonical()
	require.NoError(t, err)
	assert.Contains(t, string(got), `"weight":[1]`, "the default is written out")

	r = toyRecipe(NuSLERP)
	r.Base, r.Sources[0], r.Sources[1] = "", r.Sources[1], r.Sources[0]
	assert.Equal(t, "a", r.Parent(), "without a base, the first by name")
	got, err = r.Canonical()
	require.NoError(t, err)
	assert.NotContains(t, string(got), "base_model")
}

func TestValidateNamesTheFieldAtFault(t *testing.T) {
	require.NoError(t, paper().Validate())
	for name, c := range map[string]struct {
		param  string
		change func(*Recipe)
	}{
		"unknown method":            {"method", func(r *Recipe) { r.Method = "magic" }},
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
		"the usual election":   func(r *Recipe) { r.Consensus = ConsensusSum },
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
		"consensus": func(r *Recipe) { r.Consensus = ConsensusCount },
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
		{BlocksOf(1), []string{"embedding", "block 0", "block 1", "block 2", "head"}, []int{0, 1, 2, 3, 4}},
		{"blocks/2", []string{"embedding", "blocks 0-1", "block 2", "head"}, []int{0, 1, 1, 2, 3}},
		{"blocks/4", []string{"embedding", "blocks 0-2", "head"}, []int{0, 1, 1, 1, 2}},
		{"thirds", nil, nil}, {"blocks/", nil, nil}, {"blocks/0", nil, nil}, {"blocks/1", nil, nil}, {"blocks/02", nil, nil},
		{"blocks/+2", nil, nil}, {"blocks/-2", nil, nil}, {"blocks/4097", nil, nil},
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
