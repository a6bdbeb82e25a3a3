package search

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

const evolved = `
genome:
  models: [ja, math]
  merge_method: dare_ties
  base_model: base
  layer_granularity: 2
  normalize: false
  filters: [self_attn, mlp]
  tokenizer_source: base
tasks:
  - name: sums
    weight: 1.0
    metric: "exact_match,strict-match"
mergeway: {trials: 30, seed: 3, alias: best}
`

func TestAConfigurationOfMergekitEvolveIsASearch(t *testing.T) {
	spec, err := ParseEvolve([]byte(evolved))
	require.NoError(t, err)
	assert.Equal(t, "sums", spec.Task)
	assert.Equal(t, "base", spec.Base)
	assert.Equal(t, []string{"ja", "math"}, spec.Sources)
	assert.Equal(t, merge.DARETIES, spec.Method)
	assert.Equal(t, merge.Grouping("blocks/2"), spec.Groups)
	assert.Equal(t, Range{0, 1.5}, spec.WeightRange)
	assert.Equal(t, DefaultDensityRange(), spec.DensityRange)
	assert.False(t, spec.Normalize)
	assert.Equal(t, []string{"self_attn", "mlp"}, spec.Filters)
	assert.Equal(t, "base", spec.Tokenizer.Source)
	assert.Equal(t, merge.RescaleL1, spec.Rescale)
	assert.Equal(t, 30, spec.Trials)
	assert.Equal(t, uint64(3), spec.Seed)
	assert.Equal(t, "best", spec.Alias)

	s, err := NewSpace(spec, []int{4})
	require.NoError(t, err)
	start, err := s.Start()
	require.NoError(t, err)
	for i, p := range s.Parameters() {
		want := 0.5 // of two models
		if p.Kind == densityKind {
			want = 1
		}
		assert.InDelta(t, want, p.Value(start[i]), 1e-3, p.Label)
	}
}

func TestWhatTheKeysOfMergekitEvolveMean(t *testing.T) {
	for name, c := range map[string]struct {
		yaml  string
		check func(t *testing.T, s Spec)
	}{
		"the least": {"genome: {models: [ja, math], merge_method: linear}\ntasks: [sums]\n", func(t *testing.T, s Spec) {
			assert.Equal(t, "ja", s.Base)
			assert.Equal(t, merge.WholeModel, s.Groups)
			assert.True(t, s.Normalize, "as mergekit does by default")
		}},
		"negative weights": {"genome: {models: [ja], merge_method: task_arithmetic, base_model: base, allow_negative_weights: true}\ntasks: [sums]\n", func(t *testing.T, s Spec) {
			assert.Equal(t, Range{-1.5, 1.5}, s.WeightRange)
			assert.False(t, s.Normalize)
		}},
		"smooth": {"genome: {models: [ja], merge_method: ties, base_model: base, smooth: true, layer_granularity: 4}\ntasks: [sums]\n", func(t *testing.T, s Spec) {
			assert.Equal(t, ParameterRange{Range: Range{0, 1.5}, Over: OverGradient, Every: 4}, s.Ranges["weight"])
			assert.Equal(t, ParameterRange{Range: Range{0.1, 1}, Over: OverGradient, Every: 4}, s.Ranges["density"])
		}},
		"each layer": {"genome: {models: [ja], merge_method: ties, base_model: base, layer_granularity: 1}\ntasks: [sums]\nshuffle: false\napply_chat_template: true\n", func(t *testing.T, s Spec) {
			assert.Equal(t, merge.Blocks, s.Groups)
		}},
		"several tasks": {"genome: {models: [ja], merge_method: ties, base_model: base}\ntasks: [sums, {name: words, weight: 2, metric: number_right}]\n", func(t *testing.T, s Spec) {
			require.Len(t, s.Objectives, 2)
			assert.Equal(t, Objective{Name: "words", Task: "words", Fitness: NumberRight, Weight: 2}, s.Objectives[1])
		}},
		"wider weights": {"genome: {models: [ja], merge_method: ties, base_model: base}\ntasks: [sums]\nmergeway: {weight_range: [0, 3]}\n", func(t *testing.T, s Spec) {
			assert.Equal(t, Range{0, 3}, s.WeightRange)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := ParseEvolve([]byte(c.yaml))
			require.NoError(t, err)
			c.check(t, spec)
			_, err = NewSpace(spec, []int{4})
			require.NoError(t, err)
		})
	}
}

func TestWhatOfMergekitEvolveIsRefused(t *testing.T) {
	genome := func(more string) string {
		return "genome: {models: [ja], merge_method: ties, base_model: base" + more + "}\n"
	}
	tasks := "tasks: [sums]\n"
	for name, c := range map[string]struct{ yaml, param string }{
		"slerp":                 {"genome: {models: [ja, math], merge_method: slerp}\n" + tasks, "genome.merge_method"},
		"another method":        {"genome: {models: [ja], merge_method: della}\n" + tasks, "genome.merge_method"},
		"no models":             {"genome: {merge_method: linear}\n" + tasks, "genome.models"},
		"no tasks":              {genome(""), "tasks"},
		"an unknown key":        {genome("") + tasks + "strategy: pool\n", "strategy"},
		"an unknown genome key": {genome(", t: 1") + tasks, "t"},
		"a negative group":      {genome(", layer_granularity: -1") + tasks, "genome.layer_granularity"},
		"a limit":               {genome("") + tasks + "limit: 10\n", "limit"},
		"examples":              {genome("") + tasks + "num_fewshot: 0\n", "num_fewshot"},
		"shuffled":              {genome("") + tasks + "shuffle: true\n", "shuffle"},
		"a random start":        {genome("") + tasks + "random_init: true\n", "random_init"},
		"no template":           {genome("") + tasks + "apply_chat_template: false\n", "apply_chat_template"},
		"one turn":              {genome("") + tasks + "fewshot_as_multiturn: false\n", "fewshot_as_multiturn"},
		"a metric":              {genome("") + "tasks: [{name: sums, metric: 'acc_norm,none'}]\n", "tasks[0].metric"},
		"a weight":              {genome("") + "tasks: [{name: sums, weight: -1}]\n", "tasks[0].weight"},
		"a task's key":          {genome("") + "tasks: [{name: sums, split: dev}]\n", "tasks[0].split"},
		"a filter of all":       {genome(", filters: ['*']") + tasks, "genome.filters"},
		"a foreign tokenizer":   {genome(", tokenizer_source: other") + tasks, "genome.tokenizer_source"},
		"said twice":            {genome("") + tasks + "mergeway: {sources: [math]}\n", "mergeway.sources"},
		"a wrong field":         {genome("") + tasks + "mergeway: {trials: 0.5}\n", "mergeway.trials"},
		"an unknown field":      {genome("") + tasks + "mergeway: {luck: 1}\n", "mergeway.luck"},
		"two documents":         {genome("") + tasks + "---\n" + genome(""), ""},
		"no map":                {"- 1\n", ""},
		"no YAML":               {"\"", ""},
	} {
		_, err := ParseEvolve([]byte(c.yaml))
		var e *fault.Error
		require.ErrorAs(t, err, &e, name)
		assert.Equal(t, fault.Invalid, e.Code, name)
		assert.Equal(t, c.param, e.Param, "%s: %v", name, err)
	}
}

func FuzzParseEvolve(f *testing.F) {
	for _, seed := range []string{evolved, "genome: {models: [ja], merge_method: linear}\ntasks: [sums]\n", "genome: []", "tasks: &a [*a]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ParseEvolve(data)
		if err != nil {
			require.Contains(t, []fault.Code{fault.Invalid, fault.TooLarge}, fault.CodeOf(err))
			return
		}
		require.NoError(t, spec.Validate())
	})
}
