package merge

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
)

// withLambda is a recipe of the small models with a lambda, and with one for each tensor.
func withLambda(m Method, lambda float64, each Setting) Recipe {
	r := NewRecipe(m)
	r.Base, r.DType, r.Lambda = "base", "float32", lambda
	r.Sources = []Source{{Model: "ja", Weight: Numbers(0.3)}, {Model: "math", Weight: Numbers(0.7)}}
	r.Parameters = r.Parameters.with(lambdaName, each)
	return r
}

func TestLambdaOfEachTensorIsLambdaThere(t *testing.T) {
	each := Setting{Rules: []Rule{{Filter: "mlp", Gradient: []float64{0.25, 0.75}}, {Filter: "self_attn", Gradient: []float64{0}}}}
	x, models := newExecutor(t), smallModels(t, 3)
	for _, m := range []Method{TaskArithmetic, TIES} {
		merged := func(r Recipe) [][]float32 {
			w, err := x.Merge(t.Context(), r, models)
			require.NoError(t, err)
			defer w.Free()
			return read(t, w)
		}
		got, base := merged(withLambda(m, 0.5, each)), read(t, models["base"])
		layers := small().NumHiddenLayers
		for i, p := range arch.Params(small()) {
			at := newPlace(p, WholeModel, layers)
			want := base[i]
			if lambda := each.at(at, 0.5); lambda != 0 {
				want = merged(withLambda(m, lambda, Setting{}))[i]
			}
			require.Equal(t, want, got[i], "%s of %s", p.Name, m)
		}
	}
}

func TestLambdaOfEachTensorHasOneForm(t *testing.T) {
	canonical := func(r Recipe) string {
		body, err := r.Canonical()
		require.NoError(t, err)
		return string(body)
	}
	require.Equal(t, canonical(withLambda(TIES, 0.5, Setting{})), canonical(withLambda(TIES, 3, Numbers(0.5))), "one number is one number")
	open := Setting{Rules: []Rule{{Filter: "mlp", Gradient: []float64{0, 1}}}}
	closed := Setting{Rules: []Rule{{Filter: "mlp", Gradient: []float64{0, 1}}, {Gradient: []float64{0.5}}}}
	require.Equal(t, canonical(withLambda(TIES, 0.5, open)), canonical(withLambda(TIES, 2, closed)), "the rest is the recipe's")
	for _, each := range []Setting{open, closed, {Rules: []Rule{{Gradient: []float64{0, 0.5, 1}}}}} {
		r := withLambda(TIES, 0.5, each)
		again, err := ParseRecipe([]byte(canonical(r)))
		require.NoError(t, err)
		require.Equal(t, canonical(r), canonical(again))
		text, err := r.YAML("", planned)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), "lambda:"), string(text))
		d, err := ParseYAML(text)
		require.NoError(t, err, string(text))
		require.Equal(t, canonical(r), canonical(d.Recipe), string(text))
	}
}

func TestLambdaInYAMLIsLookedForInTheModuleFirst(t *testing.T) {
	d, err := ParseYAML([]byte(`merge_method: task_arithmetic
base_model: b
modules:
  default:
    models: [{model: a, parameters: {weight: 1}}]
    parameters:
      lambda: [{filter: mlp, value: [0.1, 0.9]}]
parameters:
  lambda: [{filter: self_attn, value: 0.5}]
`))
	require.NoError(t, err)
	require.Equal(t, []Rule{{Filter: "mlp", Gradient: []float64{0.1, 0.9}}, {Filter: "self_attn", Gradient: []float64{0.5}}}, d.Recipe.Parameters[lambdaName].Rules)
	require.Equal(t, 1.0, d.Recipe.lambdaAt(place{name: "lm_head.weight"}), "mergekit's default")
}

func TestLambdaOfEachTensorIsRefused(t *testing.T) {
	for text, param := range map[string]string{
		`{"method": "linear", "sources": [{"model": "a", "weight": 1}], "parameters": {"lambda": 2}}`:                                                  "parameters.lambda",
		`{"method": "ties", "base_model": "b", "sources": [{"model": "a", "weight": 1}], "parameters": {"lambda": [0]}}`:                               "parameters.lambda",
		`{"method": "ties", "base_model": "b", "sources": [{"model": "a", "weight": 1}], "parameters": {"lambda": [{"filter": "mlp", "value": 1e9}]}}`: "parameters.lambda.value",
	} {
		_, err := ParseRecipe([]byte(text))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), text)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, param, f.Param)
		require.Contains(t, err.Error(), "lambda")
	}
}
