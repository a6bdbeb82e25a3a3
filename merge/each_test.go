package merge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// choosing is a recipe of the small models by a method that sums.
func choosing(m Method, dtype, rescale string) Recipe {
	r := NewRecipe(m)
	r.Base, r.DType, r.Seed = "base", dtype, 5
	r.Sources = []Source{{Model: "ja", Weight: Numbers(0.3)}, {Model: "math", Weight: Numbers(1.7)}}
	if m.Sparsifies() {
		r.Rescale = rescale
		r.Sources[0].Density, r.Sources[1].Density = Numbers(0.4), rules("mlp", []float64{0.3, 0.8}, "", []float64{0.5})
	}
	return r
}

// stairs says yes in some tensors, also of one block, and no in others.
var stairs = Setting{Rules: []Rule{{Filter: "mlp", Gradient: []float64{1, 0}}, {Filter: "norm", Gradient: []float64{0}}, {Filter: "v_proj", Gradient: []float64{0, 1}}}}

func TestWhatIsSaidOfEachTensorHoldsThere(t *testing.T) {
	x, models := newExecutor(t), smallModels(t, 3)
	merged := func(r Recipe) [][]float32 {
		w, err := x.Merge(t.Context(), r, models)
		require.NoError(t, err)
		defer w.Free()
		return read(t, w)
	}
	for _, c := range []struct {
		method         Method
		dtype, rescale string // bfloat16: by the kernel, where there is one; else by the graph
	}{
		{Linear, "bfloat16", RescaleNone}, {TaskArithmetic, "float32", RescaleNone}, {MultiSLERP, "float32", RescaleNone},
		{TIES, "bfloat16", RescaleL1}, {TIES, "float32", RescaleL2}, {DARETIES, "bfloat16", RescaleL2},
		{DARELinear, "float32", RescaleDensity}, {DELLA, "float32", RescaleDensity}, {DELLALinear, "bfloat16", RescaleL1},
	} {
		for _, q := range methods[c.method].each() {
			if !q.switches || q.name == rescaleName && c.rescale == RescaleNone {
				continue
			}
			of := func(yes bool) Recipe {
				r := choosing(c.method, c.dtype, c.rescale)
				if q.name == normalizeName {
					r.Normalize = yes
				} else if !yes {
					r.Rescale = RescaleNone
				}
				return r
			}
			yes, no := merged(of(true)), merged(of(false))
			require.NotEqual(t, yes, no)
			r := of(true)
			r.Parameters = Parameters{q.name: stairs}
			got := merged(r)
			for i, p := range arch.Params(small()) {
				want := no[i]
				if stairs.holds(newPlace(p, WholeModel, small().NumHiddenLayers), true) {
					want = yes[i]
				}
				require.Equal(t, want, got[i], "%s of %s by %s, %s, %s", q.name, p.Name, c.method, c.dtype, c.rescale)
			}
		}
	}
}

// Between yes and no there is nothing: a list of them is stairs, the last of which is
// the last block alone.
func TestSwitchesAreStairs(t *testing.T) {
	s := Setting{Rules: []Rule{{Filter: "mlp", Gradient: []float64{1, 0, 1}}}}
	var got []bool
	for block := range 5 {
		got = append(got, s.holds(place{name: "mlp.up_proj", depth: float64(block) / 4}, false))
	}
	require.Equal(t, []bool{true, true, false, false, true}, got)
	require.True(t, s.holds(place{name: "lm_head.weight"}, true))
	require.False(t, s.holds(place{name: "lm_head.weight"}, false))
}

func TestWhatIsSaidOfEachTensorHasOneForm(t *testing.T) {
	canonical := func(r Recipe) string {
		body, err := r.Canonical()
		require.NoError(t, err)
		return string(body)
	}
	with := func(normalize bool, rescale string, p Parameters) Recipe {
		r := choosing(DARETIES, "bfloat16", rescale)
		r.Normalize, r.Parameters = normalize, p
		return r
	}
	rest := rules("mlp", []float64{1, 0}, "", []float64{0})
	for name, pair := range map[string][2]Recipe{
		"one yes is yes":                {with(true, RescaleL1, nil), with(false, RescaleL1, Parameters{normalizeName: Numbers(1), rescaleName: Numbers(1)})},
		"one no is no":                  {with(false, RescaleNone, nil), with(true, RescaleL1, Parameters{normalizeName: Numbers(0), rescaleName: rules("mlp", []float64{0}, "", []float64{0, 0})})},
		"the rest is as the field says": {with(false, RescaleL1, Parameters{normalizeName: {Rules: rest.Rules[:1]}}), with(true, RescaleL1, Parameters{normalizeName: rest})},
		"not to rescale needs no way":   {with(false, RescaleNone, nil), with(false, RescaleNone, Parameters{rescaleName: Numbers(0)})},
	} {
		require.Equal(t, canonical(pair[0]), canonical(pair[1]), name)
		for _, r := range pair {
			again, err := ParseRecipe([]byte(canonical(r)))
			require.NoError(t, err)
			require.Equal(t, canonical(r), canonical(again))
			text, err := r.YAML("", planned)
			require.NoError(t, err)
			d, err := ParseYAML(text)
			require.NoError(t, err, string(text))
			require.Equal(t, canonical(r), canonical(d.Recipe), string(text))
		}
	}
}

// What slices have in common is the recipe's; what they have not is each one's own.
func TestSlicesMaySayDifferentThings(t *testing.T) {
	x := newExecutor(t)
	_, models := readStacks(t)
	stack := func(p ...Parameters) Recipe {
		r := stackOf(DARETIES, "base", Range{1, 5}, 2)
		r.Rescale, r.Seed = RescaleL1, 3
		for i, p := range p {
			r.Slices[i].Parameters = p
		}
		return r
	}
	merged := func(r Recipe) map[string][]float32 {
		w, err := x.Merge(t.Context(), r, models)
		require.NoError(t, err)
		defer w.Free()
		all := map[string][]float32{}
		for i, values := range read(t, w) {
			all[arch.Params(w.Config())[i].Name] = values
		}
		return all
	}
	apart := stack(
		Parameters{lambdaName: Numbers(0.5), normalizeName: Numbers(1), rescaleName: Numbers(0)},
		Parameters{lambdaName: rules("mlp", []float64{0, 2}), normalizeName: rules("mlp", []float64{1, 0}, "", []float64{0})})
	first, second := stack(), stack(apart.Slices[1].Parameters, apart.Slices[1].Parameters)
	first.Lambda, first.Normalize, first.Rescale = 0.5, true, RescaleNone
	got, of := merged(apart), [2]map[string][]float32{merged(first), merged(second)}
	for _, p := range arch.Params(models["base"].Config()) {
		if values, ok := got[p.Name]; ok {
			half := 0
			if p.Group.Part == arch.Head || p.Group.Part == arch.Block && p.Group.Block >= 2 {
				half = 1
			}
			require.Equal(t, of[half][p.Name], values, p.Name)
			require.NotEqual(t, of[1-half][p.Name], values, p.Name)
		}
	}

	canonical := func(r Recipe) string {
		body, err := r.Canonical()
		require.NoError(t, err)
		return string(body)
	}
	same := Parameters{lambdaName: Numbers(0.5), normalizeName: Numbers(1), rescaleName: Numbers(0)}
	require.Equal(t, canonical(first), canonical(stack(same, same)))
	for _, r := range []Recipe{apart, first, second} {
		again, err := ParseRecipe([]byte(canonical(r)))
		require.NoError(t, err)
		require.Equal(t, canonical(r), canonical(again))
		text, err := r.YAML("", planned)
		require.NoError(t, err)
		d, err := ParseYAML(text)
		require.NoError(t, err, string(text))
		require.Equal(t, canonical(r), canonical(d.Recipe), string(text))
	}
}

func TestWhatIsSaidOfEachTensorIsRefused(t *testing.T) {
	for text, param := range map[string]string{
		`{"method": "ties", "base_model": "b", "sources": [{"model": "a", "weight": 1}], "parameters": {"normalize": 0.5}}`:                              "parameters.normalize",
		`{"method": "ties", "base_model": "b", "sources": [{"model": "a", "weight": 1}], "parameters": {"rescale": [{"filter": "mlp", "value": 1}]}}`:    "rescale",
		`{"method": "dare_ties", "base_model": "b", "sources": [{"model": "a", "weight": 1}], "parameters": {"rescale": [{"value": [0, true]}]}}`:        "parameters.rescale[0].value",
		`{"method": "slerp", "base_model": "b", "sources": [{"model": "a"}], "parameters": {"t": 1, "normalize": 1}}`:                                    "parameters.normalize",
		`{"method": "linear", "sources": [{"model": "a", "weight": 1}], "parameters": {"rescale": 1}}`:                                                   "parameters.rescale",
		`{"method": "ties", "base_model": "b", "groups": "ends", "sources": [{"model": "a", "weight": [1, 2, 3]}], "parameters": {"normalize": [0, 1]}}`: "parameters.normalize",
	} {
		_, err := ParseRecipe([]byte(text))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), text)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, param, f.Param, text)
	}
	r := linear("a", 1, "b", -1)
	r.Normalize, r.Parameters = false, Parameters{normalizeName: rules("mlp", []float64{0, 1}, "", []float64{0})}
	err := CheckFit(r, map[string]checkpoint.Config{"a": small(), "b": small()})
	require.ErrorContains(t, err, "mean is undefined")
	r.Parameters = Parameters{normalizeName: rules("mlp", []float64{0}, "", []float64{0})}
	require.NoError(t, CheckFit(r, map[string]checkpoint.Config{"a": small(), "b": small()}))
}
