package merge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
)

// rules is a setting of rules: a filter, and after it its gradient.
func rules(of ...any) Setting {
	var s Setting
	for i := 0; i < len(of); i += 2 {
		s.Rules = append(s.Rules, Rule{Filter: of[i].(string), Gradient: of[i+1].([]float64)})
	}
	return s
}

func TestTheFirstRuleThatFitsGivesTheValue(t *testing.T) {
	c := miniature()
	c.NumHiddenLayers = 5
	s := rules("mlp", []float64{0, 1, 0}, "layers.3.", []float64{9}, "", []float64{0.25, 0.75})
	want := map[string]float64{
		"model.embed_tokens.weight":              0.25,
		"model.layers.0.self_attn.q_proj.weight": 0.25,
		"model.layers.0.mlp.up_proj.weight":      0,
		"model.layers.1.mlp.up_proj.weight":      0.5,
		"model.layers.2.mlp.up_proj.weight":      1,
		"model.layers.2.self_attn.q_proj.weight": 0.5,
		"model.layers.3.mlp.up_proj.weight":      0.5,
		"model.layers.3.self_attn.q_proj.weight": 9,
		"model.layers.4.mlp.up_proj.weight":      0,
		"model.layers.4.self_attn.q_proj.weight": 0.75,
		"model.norm.weight":                      0.25,
		"lm_head.weight":                         0.25,
	}
	for _, p := range arch.Params(c) {
		if v, ok := want[p.Name]; ok {
			assert.Equal(t, v, s.at(newPlace(p, WholeModel, 5), -1), p.Name)
			delete(want, p.Name)
		}
	}
	assert.Empty(t, want, "tensors that the model hasn't")
	only := newPlace(arch.Params(c)[1], WholeModel, 1)
	assert.Equal(t, 0.75, s.at(only, -1), "an only block is the last one, as in mergekit")
	assert.Equal(t, -1.0, rules("mlp", []float64{1}).at(only, -1), "where no rule fits, the fallback")
}

func TestSettingsOfTheSameMeaningHaveOneForm(t *testing.T) {
	fallback := 1.0
	for name, c := range map[string]struct{ given, want Setting }{
		"nothing":                  {Setting{}, Numbers(1)},
		"one number":               {Numbers(2), Numbers(2)},
		"equal numbers":            {Numbers(2, 2, 2), Numbers(2)},
		"one rule for all":         {rules("", []float64{2}), Numbers(2)},
		"an even gradient":         {rules("", []float64{2, 2}), Numbers(2)},
		"a gradient":               {rules("", []float64{2, 3}), rules("", []float64{2, 3})},
		"out of reach":             {rules("", []float64{2}, "mlp", []float64{3}), Numbers(2)},
		"a filter twice":           {rules("mlp", []float64{2}, "mlp", []float64{3}), rules("mlp", []float64{2}, "", []float64{1})},
		"a narrower filter":        {rules("mlp", []float64{2}, "mlp.up", []float64{3}), rules("mlp", []float64{2}, "", []float64{1})},
		"a wider filter":           {rules("mlp.up", []float64{2}, "mlp", []float64{3}), rules("mlp.up", []float64{2}, "mlp", []float64{3}, "", []float64{1})},
		"what the last says too":   {rules("a", []float64{3}, "b", []float64{2}, "c", []float64{2}, "", []float64{2}), rules("a", []float64{3}, "", []float64{2})},
		"what the default is":      {rules("mlp", []float64{1}), Numbers(1)},
		"not what others override": {rules("a", []float64{2}, "b", []float64{3}, "", []float64{2}), rules("a", []float64{2}, "b", []float64{3}, "", []float64{2})},
	} {
		assert.Equal(t, c.want, c.given.normal(&fallback), name)
		assert.Equal(t, c.want, c.want.normal(&fallback), name)
		for _, p := range arch.Params(miniature()) {
			at := newPlace(p, WholeModel, miniature().NumHiddenLayers)
			assert.Equal(t, c.given.at(at, fallback), c.want.at(at, fallback), "%s: %s", name, p.Name)
		}
	}
}

func TestSettingsAsJSON(t *testing.T) {
	for given, want := range map[string]Setting{
		`[1,2]`: Numbers(1, 2),
		`[0.5]`: Numbers(0.5),
		`[{"filter":"mlp","value":0.5},{"value":[0,1]}]`: rules("mlp", []float64{0.5}, "", []float64{0, 1}),
		`[{"filter":"<&>","value":1},{"value":2}]`:       rules("<&>", []float64{1}, "", []float64{2}),
	} {
		var s Setting
		require.NoError(t, json.Unmarshal([]byte(given), &s))
		assert.Equal(t, want, s)
		back, err := s.MarshalJSON()
		require.NoError(t, err)
		assert.Equal(t, given, string(back))
	}
	for given, want := range map[string]Setting{
		`0.5`:                            Numbers(0.5),
		` [{"filter":"*","value":1}]`:    rules("", []float64{1}),
		`{"filter":"mlp","value":[1,2]}`: rules("mlp", []float64{1, 2}),
	} {
		var s Setting
		require.NoError(t, json.Unmarshal([]byte(given), &s))
		assert.Equal(t, want, s)
	}
	one := `{"value":1}`
	for given, param := range map[string]string{
		`null`:                        "w",
		`"a"`:                         "w",
		`[1,null]`:                    "w",
		`[1,{"value":1}]`:             "w",
		`[{"value":1},2]`:             "w[1]",
		`[{"filter":"a"}]`:            "w[0].value",
		`[{"filter":1,"value":1}]`:    "w[0].filter",
		`[{"value":[1,"2"]}]`:         "w[0].value",
		`[{"value":null}]`:            "w[0].value",
		`[{"value":1,"valeu":1}]`:     "w[0].valeu",
		`[{"value":1,"value":1}]`:     "w[0].value",
		`{"filter":"a","values":[1]}`: "w.values",
		"[" + strings.Repeat(one+",", MaxRules) + one + "]": "w",
	} {
		_, err := parseSetting([]byte(given), "w")
		require.Error(t, err, given)
		assert.Equal(t, fault.Invalid, fault.CodeOf(err))
		assert.Equal(t, param, paramName(err), given)
	}
}

// paramName is param, for tests in which that is the name of a variable.
func paramName(err error) string { return param(err) }

func TestRulesAreChecked(t *testing.T) {
	long := strings.Repeat("a", MaxName+1)
	for name, c := range map[string]struct {
		weight Setting
		param  string
	}{
		"values and rules":      {Setting{Values: []float64{1}, Rules: rules("", []float64{1}).Rules}, "sources[0].weight"},
		"no weight for some":    {rules("mlp", []float64{1}), "sources[0].weight"},
		"a rule without values": {rules("mlp", []float64{}, "", []float64{1}), "sources[0].weight[0].value"},
		"too large":             {rules("", []float64{1, 2 * MaxScale}), "sources[0].weight.value"},
		"a filter too long":     {rules(long, []float64{1}, "", []float64{1}), "sources[0].weight[0].filter"},
		"a filter of bytes":     {rules("\xff", []float64{1}, "", []float64{1}), "sources[0].weight[0].filter"},
		"a long gradient":       {rules("", make([]float64, MaxGradient+1)), "sources[0].weight.value"},
		"too many rules":        {Setting{Rules: make([]Rule, MaxRules+1)}, "sources[0].weight"},
		"too many values":       {Numbers(make([]float64, MaxGradient+1)...), "sources[0].weight"},
	} {
		r := paper()
		r.Groups, r.Sources[0].Weight = Blocks, c.weight
		err := r.Validate()
		require.Error(t, err, name)
		assert.Equal(t, c.param, param(err), name)
	}
	r := paper()
	r.Sources[0].Density = rules("mlp", []float64{0.5, 0})
	assert.Equal(t, "sources[0].density.value", param(r.Validate()))
}

// Rules decide tensor by tensor, in the same pass over the block.
func TestRulesGiveTensorsTheirOwnNumbers(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 8)
	values := map[string][][]float32{}
	for name, w := range models {
		values[name] = read(t, w)
	}
	r := NewRecipe(TaskArithmetic)
	r.Base = "base"
	r.Sources = []Source{ // each tensor is one source or the other
		{Model: "ja", Weight: rules("mlp", []float64{1}, "self_attn", []float64{0, 1, 0}, "", []float64{0})},
		{Model: "math", Weight: rules("mlp", []float64{0}, "self_attn", []float64{1, 0, 1}, "", []float64{1})},
	}
	w, err := x.Merge(t.Context(), r, models)
	require.NoError(t, err)
	defer w.Free()
	for i, p := range arch.Params(small()) {
		source := "math"
		if strings.Contains(p.Name, "mlp") || strings.Contains(p.Name, "layers.1.self_attn") {
			source = "ja"
		}
		require.Equal(t, values[source][i], read(t, w)[i], p.Name)
	}
}

func TestAMeanMustBeDefinedInEveryTensor(t *testing.T) {
	r := linear("a", 1, "b", 1)
	r.Sources[1].Weight = rules("layers.1.mlp", []float64{-1}, "", []float64{1})
	err := CheckFit(r, configsOf("a", "b"))
	require.ErrorContains(t, err, "the weights in model.layers.1.mlp.gate_proj.weight sum to 0")
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
}

func TestRulesAreInTheCanonicalForm(t *testing.T) {
	r := paper()
	r.Sources[0].Weight = rules("mlp", []float64{0.5}, "attn", []float64{0, 1}, "", []float64{0})
	r.Sources[0].Density = rules("mlp", []float64{0.5})
	body, err := r.Canonical()
	require.NoError(t, err)
	assert.Contains(t, string(body), `{"density":[{"filter":"mlp","value":0.5},{"value":1}],"model":"ja",`+
		`"weight":[{"filter":"mlp","value":0.5},{"filter":"attn","value":[0,1]},{"value":0}]}`)
	again, err := ParseRecipe(body)
	require.NoError(t, err)
	second, err := again.Canonical()
	require.NoError(t, err)
	assert.Equal(t, string(body), string(second))

	// The plain encoding, as searches store it, keeps all of it.
	plain, err := json.Marshal(r)
	require.NoError(t, err)
	var stored Recipe
	require.NoError(t, json.Unmarshal(plain, &stored))
	assert.Equal(t, r, stored)
	assert.NotContains(t, fmt.Sprintf("%s", plain), "layers")
}
