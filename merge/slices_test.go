package merge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// frankenstein is a stack of two models' blocks, six of them.
func frankenstein() Recipe {
	r := NewRecipe(Passthrough)
	r.Slices = []Slice{
		{Sources: []Source{{Model: "a", LayerRange: Range{0, 3}}}},
		{Sources: []Source{{Model: "b", LayerRange: Range{1, 3}, Weight: rules("down_proj", []float64{0.5}, "", []float64{1})}}},
		{Sources: []Source{{Model: "a", LayerRange: Range{3, 4}}}},
	}
	return r
}

// turning is a stack by a method with a base and a parameter of the whole merge.
func turning() Recipe {
	r := NewRecipe(SLERP)
	r.Base, r.Parameters = "base", Parameters{"t": Numbers(0.5)}
	r.Slices = []Slice{
		{Sources: []Source{{Model: "a", LayerRange: Range{1, 3}}, {Model: "base", LayerRange: Range{0, 2}}}},
		{Base: "b", Sources: []Source{{Model: "b", LayerRange: Range{2, 4}}, {Model: "base", LayerRange: Range{2, 4}}}, Parameters: Parameters{"t": rules("", []float64{0, 1})}},
	}
	return r
}

func TestSlicesHaveOneCanonicalForm(t *testing.T) {
	same := turning()
	slices.Reverse(same.Slices[0].Sources)
	same.Slices[0].Parameters, same.Slices[1].Base = same.Parameters, "b"
	same.Parameters = nil
	for name, pair := range map[string][2]Recipe{"with a base": {turning(), same}, "of one model each": {frankenstein(), frankenstein()}} {
		want, err := pair[0].Canonical()
		require.NoError(t, err, name)
		got, err := pair[1].Canonical()
		require.NoError(t, err, name)
		assert.Equal(t, string(want), string(got), name)
		back, err := ParseRecipe(want)
		require.NoError(t, err, name)
		again, err := back.Canonical()
		require.NoError(t, err, name)
		assert.Equal(t, string(want), string(again), name)
		written, err := marshal(pair[0])
		require.NoError(t, err, name)
		back, err = ParseRecipe(written)
		require.NoError(t, err, "%s: %s", name, written)
		again, err = back.Canonical()
		require.NoError(t, err, name)
		assert.Equal(t, string(want), string(again), name)

		text, err := pair[0].YAML(name, planned)
		require.NoError(t, err, name)
		d, err := ParseYAML(text)
		require.NoError(t, err, string(text))
		again, err = d.Recipe.Canonical()
		require.NoError(t, err, name)
		assert.Equal(t, string(want), string(again), "%s", text)
	}
	body, err := turning().Canonical()
	require.NoError(t, err)
	assert.JSONEq(t, `{"method":"slerp","base_model":"base","dtype":"bfloat16","slices":[
		{"sources":[{"model":"base","layer_range":[0,2]},{"model":"a","layer_range":[1,3]}],"parameters":{"t":[0.5]}},
		{"base_model":"b","sources":[{"model":"b","layer_range":[2,4]},{"model":"base","layer_range":[2,4]}],"parameters":{"t":[{"value":[0,1]}]}}]}`, string(body))
	assert.Equal(t, []string{"a", "b", "base"}, turning().Models())
	assert.Equal(t, "base", turning().Parent())
	assert.Equal(t, "a", frankenstein().Parent(), "whose blocks are the first")
	assert.True(t, turning().Merges("base"), "in the second slice")
	assert.False(t, turning().Merges("b"), "it is only a base")
}

func TestSlicesAreRefusedByField(t *testing.T) {
	for name, c := range map[string]struct {
		param, says string
		change      func(*Recipe)
	}{
		"sources as well": {"sources", "either", func(r *Recipe) { r.Sources = []Source{{Model: "a"}} }},
		"layer groups":    {"groups", "layer groups", func(r *Recipe) { r.Groups = Blocks }},
		"several numbers": {"slices[1].sources[0].weight", "2 values", func(r *Recipe) { *r = frankenstein(); r.Slices[1].Sources[0].Weight = Numbers(1, 2) }},
		"no sources":      {"slices[1].sources", "at least one", func(r *Recipe) { *r = frankenstein(); r.Slices[1].Sources = nil }},
		"two where one fits": {"slices[0].sources", "exactly 1", func(r *Recipe) {
			*r = frankenstein()
			r.Slices[0].Sources = append(r.Slices[0].Sources, Source{Model: "b", LayerRange: Range{0, 3}})
		}},
		"a model twice":    {"slices[0].sources[2].model", "already", func(r *Recipe) { *r = stackOf(TIES, "base", Range{0, 4}, 2); r.Slices[0].Sources[2].Model = "a" }},
		"no name":          {"slices[0].sources[0].model", "name", func(r *Recipe) { r.Slices[0].Sources[0].Model = "" }},
		"no range":         {"slices[0].sources[0].layer_range", "no run", func(r *Recipe) { r.Slices[0].Sources[0].LayerRange = Range{} }},
		"backwards":        {"slices[0].sources[1].layer_range", "no run", func(r *Recipe) { r.Slices[0].Sources[1].LayerRange = Range{3, 1} }},
		"before the first": {"slices[0].sources[1].layer_range", "no run", func(r *Recipe) { r.Slices[0].Sources[1].LayerRange = Range{-1, 1} }},
		"another length":   {"slices[0].sources[1].layer_range", "as many", func(r *Recipe) { r.Slices[0].Sources[1].LayerRange = Range{0, 3} }},
		"no base":          {"slices[0].sources", `"base" is not among`, func(r *Recipe) { r.Slices[0].Sources[1].Model = "b" }},
		"a base with numbers": {"slices[0].sources[0]", "no numbers", func(r *Recipe) {
			*r = stackOf(TIES, "base", Range{0, 4}, 2)
			r.Slices[0].Sources[0].Weight = Numbers(1)
		}},
		"a base without use":   {"slices[0].base_model", "has no base", func(r *Recipe) { *r = frankenstein(); r.Slices[0].Base = "a" }},
		"a strange base":       {"slices[1].base_model", "model name", func(r *Recipe) { r.Slices[1].Base = "../b" }},
		"no t":                 {"slices[0].parameters.t", "needs", func(r *Recipe) { r.Parameters = nil }},
		"an unknown parameter": {"slices[1].parameters.q", "takes no parameter", func(r *Recipe) { r.Slices[1].Parameters = Parameters{"q": Numbers(1)} }},
		"no weight":            {"slices[1].sources[2].weight", "needs a weight", func(r *Recipe) { *r = stackOf(TIES, "base", Range{0, 4}, 2); r.Slices[1].Sources[2].Weight = Setting{} }},
		"too many blocks": {"slices[2]", "more than 1024", func(r *Recipe) {
			*r = frankenstein()
			r.Slices[0].Sources[0].LayerRange = Range{0, 1022}
		}},
		"too many slices": {"slices", "at most 1024", func(r *Recipe) { *r = frankenstein(); r.Slices = make([]Slice, MaxLayers+1) }},
		"a range without": {"sources[0].layer_range", "in slices", func(r *Recipe) { *r = paper(); r.Sources[0].LayerRange = Range{0, 1} }},
	} {
		t.Run(name, func(t *testing.T) {
			r := turning()
			c.change(&r)
			err := r.Validate()
			requireRefused(t, err, c.param)
			assert.ErrorContains(t, err, c.says)
		})
	}
	for slice, param := range map[string]string{
		`{"sources": [{"model": "a"}]}`:                           "slices[0].sources[0].layer_range",
		`{"sources": [{"model": "a", "layer_range": [0]}]}`:       "slices[0].sources[0].layer_range",
		`{"sources": [{"model": "a", "layer_range": [0, 1.5]}]}`:  "slices[0].sources[0].layer_range",
		`{"sources": {"model": "a"}}`:                             "slices[0].sources",
		`{"source": []}`:                                          "slices[0].source",
		`{"sources": [` + strings.Repeat("0,", MaxSources) + `]}`: "",
	} {
		_, err := ParseRecipe(fmt.Appendf(nil, `{"method": "passthrough", "slices": [%s]}`, slice))
		requireRefused(t, err, param)
	}
}

func TestAStackIsFitted(t *testing.T) {
	window := miniature()
	window.SlidingWindow, window.SlidingLayers = 16, []bool{true, false, true, false}
	configs := map[string]checkpoint.Config{"a": window, "b": window, "base": window}
	require.NoError(t, CheckFit(frankenstein(), configs))
	merged := frankenstein().Config(configs)
	assert.Equal(t, 6, merged.NumHiddenLayers)
	assert.Equal(t, []bool{true, false, true, false, true, false}, merged.SlidingLayers, "each block has the window it had")
	require.NoError(t, merged.Validate())
	stack := frankenstein()
	stack.Slices = stack.Slices[:1]
	stack.Slices[0].Sources[0].LayerRange = Range{1, 2}
	assert.Zero(t, stack.Config(configs).SlidingWindow, "no block has one")

	deep, words := window, window
	deep.NumHiddenLayers, deep.SlidingLayers = 2, []bool{true, false}
	words.VocabSize = 600
	require.NoError(t, CheckFit(frankenstein(), map[string]checkpoint.Config{"a": window, "b": words}), "b lends blocks alone")
	for name, c := range map[string]struct {
		recipe Recipe
		b      checkpoint.Config
		kind   Kind
		says   string
	}{
		"a range outside":   {frankenstein(), deep, KindLayers, `slices[1] takes the blocks [1 3] of "b", which has 2`},
		"words of the ends": {turning(), words, KindVocabulary, "vocab_size"},
	} {
		var m *Misfit
		require.ErrorAs(t, CheckFit(c.recipe, map[string]checkpoint.Config{"a": window, "b": c.b, "base": window}), &m, name)
		assert.Equal(t, c.kind, m.Problems[0].Kind, name)
		assert.Contains(t, m.Error(), c.says, name)
	}

	local := window
	local.RopeLocalTheta = 1e4
	err := CheckFit(turning(), map[string]checkpoint.Config{"a": local, "b": local, "base": local})
	assert.ErrorContains(t, err, `slices[0] merges block 1 of "a" with block 0 of "base", which rotates by another angle`)

	zero := stackOf(Linear, "", Range{0, 4}, 2)
	for i := range zero.Slices {
		for k, v := range []float64{1, 0, -1} {
			zero.Slices[i].Sources[k].Weight, zero.Slices[i].Sources[k].Density = rules("q_proj", []float64{v}, "", []float64{1}), Setting{}
		}
	}
	assert.ErrorContains(t, CheckFit(zero, map[string]checkpoint.Config{"a": window, "b": window, "base": window}), "the weights in model.layers.0.self_attn.q_proj.weight sum to 0")
}

func TestOneSliceOfTheFirstLayers(t *testing.T) {
	text := "merge_method: task_arithmetic\nbase_model: base\nparameters: {weight: 1}\nslices:\n" +
		"  - sources: [{model: base, layer_range: [0, 3]}, {model: a, layer_range: [0, 3]}]\n"
	d, err := ParseYAML([]byte(text))
	require.NoError(t, err)
	three, four, two := miniature(), miniature(), miniature()
	three.NumHiddenLayers, two.NumHiddenLayers = 3, 2
	of := func(c checkpoint.Config) map[string]checkpoint.Config {
		return map[string]checkpoint.Config{"base": c, "a": c}
	}
	assert.Empty(t, d.Recipe.Settle(of(three)).Slices, "which are all")
	cut := d.Recipe.Settle(of(four))
	require.NoError(t, CheckFit(cut, of(four)))
	assert.Equal(t, 3, cut.Config(of(four)).NumHiddenLayers)
	assert.Equal(t, []Slice{{Sources: []Source{{Model: "base", LayerRange: Range{0, 3}}, {Model: "a", Weight: Numbers(1), LayerRange: Range{0, 3}}}}}, cut.Slices)
	assert.ErrorContains(t, CheckFit(d.Recipe.Settle(of(two)), of(two)), `layer_range ends at 3 and "base" has 2 layers`)
	assert.Equal(t, fault.Unfit, fault.CodeOf(CheckFit(d.Recipe, of(four))), "until it is settled it is not taken for more than it says")
}

// In each slice the settings see what mergekit would: the name of the input's
// tensor for what is its own, and that of the output's for what is the merge's.
func TestPartsCoverTheModel(t *testing.T) {
	c := miniature()
	c.NumHiddenLayers = 6
	var names []string
	for _, p := range frankenstein().normal().parts(c) {
		for i := range p.params {
			names = append(names, p.params[i].Name)
			assert.Equal(t, p.params[i].Name, p.places[i].name)
		}
	}
	var want []string
	for _, p := range arch.Params(c) {
		want = append(want, p.Name)
	}
	assert.Equal(t, want, names)
}
