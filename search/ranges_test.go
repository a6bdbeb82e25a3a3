package search

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// parsed is a space of models of four blocks that a spec in JSON describes.
func parsed(t *testing.T, fields string) (*Space, Spec) {
	t.Helper()
	spec, err := ParseSpec([]byte(`{"task": "sums", "base": "base", ` + fields + `}`))
	require.NoError(t, err)
	s, err := NewSpace(spec, []int{4})
	require.NoError(t, err)
	return s, spec
}

func TestAnyNumberOfAMethodIsAParameter(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		labels []string
		recipe string // of the genome that rises evenly from 0 to 1
	}{
		"slerp's t by depth": {
			`"sources": ["ja"], "method": "slerp", "ranges": {"t": {"range": [0, 1], "over": "gradient"}}`,
			[]string{"t depth 0", "t depth 0.5", "t depth 1"},
			`{"sources": [{"model": "ja"}], "parameters": {"t": [{"value": [0, 0.5, 1]}]}}`,
		},
		"slerp's t by group": {
			`"sources": ["ja"], "method": "slerp", "groups": "blocks/2", "ranges": {"t": [0, 3]}`,
			[]string{"t embedding", "t blocks 0-1", "t blocks 2-3", "t head"},
			`{"sources": [{"model": "ja"}], "groups": "blocks/2", "parameters": {"t": [0, 1, 2, 3]}}`,
		},
		"lambda comes last and is one": {
			`"sources": ["ja"], "groups": "model", "weight_range": [0, 2], "ranges": {"lambda": [0.5, 1.5]}`,
			[]string{"ja weight model", "lambda all"},
			`{"sources": [{"model": "ja", "weight": [0]}], "lambda": 1.5}`,
		},
		"shared by all sources": {
			`"sources": ["ja", "math"], "method": "breadcrumbs", "groups": "model", "density_range": [0.5, 0.5],
			 "ranges": {"weight": {"range": [0, 1], "shared": true}, "gamma": {"range": [0, 0.02], "shared": true, "over": "model"}}`,
			[]string{"weight model", "gamma all"},
			`{"sources": [{"model": "ja", "weight": [0], "density": [0.5], "parameters": {"gamma": [0.02]}},
			              {"model": "math", "weight": [0], "density": [0.5], "parameters": {"gamma": [0.02]}}]}`,
		},
		"an integer, and steps as fine as the range": {
			`"sources": ["base", "math"], "method": "karcher", "ranges": {"max_iter": [2, 9], "tol": {"range": [1e-7, 1e-6], "over": "model"}}`,
			[]string{"max_iter all", "tol all"},
			`{"sources": [{"model": "base"}, {"model": "math"}], "parameters": {"max_iter": [2], "tol": [1e-6]}}`,
		},
		"attention, mlp and the rest": {
			`"sources": ["ja"], "groups": "model", "filters": ["self_attn", "mlp"], "weight_range": [0, 2]`,
			[]string{"ja weight self_attn", "ja weight mlp", "ja weight model"},
			`{"sources": [{"model": "ja", "weight": [{"filter": "self_attn", "value": 0}, {"filter": "mlp", "value": 1}, {"value": 2}]}]}`,
		},
		"filters and layer groups": {
			`"sources": ["ja"], "groups": "halves", "filters": ["mlp"], "weight_range": [0, 5]`,
			[]string{"ja weight mlp lower", "ja weight mlp upper", "ja weight embedding", "ja weight lower", "ja weight upper", "ja weight head"},
			`{"sources": [{"model": "ja", "weight": [{"filter": "mlp", "value": [0, 0, 1, 1]},
			  {"filter": "embed_tokens", "value": 2}, {"filter": "model.layers.", "value": [3, 3, 4, 4]}, {"value": 5}]}]}`,
		},
		"a gradient by blocks": {
			`"sources": ["ja"], "ranges": {"weight": {"range": [0, 1], "over": "gradient", "every": 2}}`,
			[]string{"ja weight depth 0", "ja weight depth 1"},
			`{"sources": [{"model": "ja", "weight": [{"value": [0, 1]}]}]}`,
		},
		"a gradient of one value": {
			`"sources": ["ja"], "ranges": {"lambda": [0.5, 1], "weight": {"range": [0, 1], "over": "gradient", "every": 9}}`,
			[]string{"ja weight depth 0", "lambda all"},
			`{"sources": [{"model": "ja", "weight": [{"value": [0]}]}], "lambda": 1}`,
		},
		"filters and gradients": {
			`"sources": ["ja"], "filters": ["mlp"], "ranges": {"weight": {"range": [0, 3], "over": "gradient", "anchors": 2}}`,
			[]string{"ja weight mlp depth 0", "ja weight mlp depth 1", "ja weight depth 0", "ja weight depth 1"},
			`{"sources": [{"model": "ja", "weight": [{"filter": "mlp", "value": [0, 1]}, {"value": [2, 3]}]}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, spec := parsed(t, c.fields)
			require.Equal(t, c.labels, labels(s))
			genome := make([]float64, s.Dim())
			for i := range genome {
				genome[i] = float64(i) / float64(max(1, len(genome)-1))
			}
			got, err := s.Recipe(genome)
			require.NoError(t, err)
			want := spec.recipe()
			var fields struct {
				Sources    []merge.Source   `json:"sources"`
				Groups     merge.Grouping   `json:"groups"`
				Parameters merge.Parameters `json:"parameters"`
				Lambda     float64          `json:"lambda"`
			}
			require.NoError(t, json.Unmarshal([]byte(c.recipe), &fields))
			want.Sources, want.Parameters = fields.Sources, fields.Parameters
			setDefault(&fields.Lambda, 1)
			want.Lambda = fields.Lambda
			sameJSON(t, want, got)
			back, err := s.Genome(got)
			require.NoError(t, err)
			assert.InDeltaSlice(t, genome, back, 1e-9)
			start, err := s.Start()
			require.NoError(t, err)
			_, err = s.Recipe(start)
			assert.NoError(t, err)
		})
	}
}

func TestEveryTunableRoundTripsHoweverItVaries(t *testing.T) {
	for _, method := range merge.Methods() {
		for _, tunable := range method.Tunables() {
			for _, over := range []Variation{OverModel, OverGroups, OverGradient} {
				if tunable.Uniform && over != OverModel {
					continue
				}
				spec := Spec{Task: "sums", Base: "base", Sources: []string{"ja", "math"}, Method: method, Filters: []string{"self_attn", "mlp", "norm"}, Ranges: Ranges{}}
				switch method {
				case merge.SLERP, merge.NearSwap: // which take one
					spec.Sources = spec.Sources[:1]
				case merge.Passthrough:
					spec.Sources = []string{"base"}
				case merge.Karcher: // which has no base but a source
					spec.Sources[0] = "base"
				}
				for _, other := range method.Tunables() {
					if other.Required {
						spec.Ranges[other.Name] = ParameterRange{Range: Range{1, 1}}
					}
				}
				high := min(tunable.High, 2)
				spec.Ranges[tunable.Name] = ParameterRange{Range: Range{max(tunable.Low, 0), high}, Over: over}
				spec = spec.WithDefaults()
				require.NoError(t, spec.Validate(), "%s %s", method, tunable.Name)
				s, err := NewSpace(spec, []int{3})
				require.NoError(t, err)
				genome := make([]float64, s.Dim())
				for i := range genome {
					genome[i] = float64(i+1) / float64(len(genome)+1)
				}
				r, err := s.Recipe(genome)
				require.NoError(t, err)
				back, err := s.Genome(r)
				require.NoError(t, err)
				again, err := s.Recipe(back)
				require.NoError(t, err)
				want, err := r.Canonical()
				require.NoError(t, err)
				got, err := again.Canonical()
				require.NoError(t, err)
				assert.Equal(t, string(want), string(got), "%s %s over %s", method, tunable.Name, over)
			}
		}
	}
}

func TestASearchStartsFromARecipeOfAnotherShape(t *testing.T) {
	for name, c := range map[string]struct {
		fields, recipe string
		want           []float64
	}{
		"finer groups than the search's": {
			`"groups": "ends", "weight_range": [0, 1]`, `{"groups": "blocks", "sources": [{"model": "ja", "weight": [0, 0.25, 0.5, 0.5, 0.75, 1]}]}`,
			[]float64{0, 0.5, 1},
		},
		"coarser groups": {
			`"groups": "halves", "weight_range": [0, 1]`, `{"groups": "ends", "sources": [{"model": "ja", "weight": [0, 0.5, 1]}]}`,
			[]float64{0, 0.5, 0.5, 1},
		},
		"a gradient": {
			`"groups": "blocks/2", "weight_range": [0, 1]`, `{"sources": [{"model": "ja", "weight": [{"value": [0, 1]}]}]}`,
			[]float64{0, 1.0 / 6, 5.0 / 6, 0},
		},
		"filters, of which the search has fewer": {
			`"groups": "model", "filters": ["mlp"], "weight_range": [0, 1]`,
			`{"sources": [{"model": "ja", "weight": [{"filter": "mlp", "value": 0.25}, {"filter": "norm", "value": 1}, {"value": 0.5}]}]}`,
			[]float64{0.25, 0.5},
		},
		"a source that it leaves out, and a number": {
			`"groups": "model", "sources": ["ja", "math"], "weight_range": [0, 1], "ranges": {"lambda": [0.5, 2.5]}`,
			`{"sources": [{"model": "math", "weight": 1}]}`,
			[]float64{0, 1, 0.25},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fields := c.fields
			if name != "a source that it leaves out, and a number" {
				fields += `, "sources": ["ja"]`
			}
			recipe := `{"method": "task_arithmetic", "base_model": "base", ` + c.recipe[1:]
			s, _ := parsed(t, fields+`, "start": `+recipe)
			start, err := s.Start()
			require.NoError(t, err)
			assert.InDeltaSlice(t, c.want, start, 1e-12)
		})
	}
}

func TestWrongRangesAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ fields, param string }{
		"no such number":          {`"ranges": {"gamma": [0, 1]}`, "ranges.gamma"},
		"twice":                   {`"weight_range": [0, 1], "ranges": {"weight": [0, 1]}`, "ranges.weight"},
		"density twice":           {`"method": "ties", "shared_density": true, "ranges": {"density": [0.5, 1]}`, "ranges.density"},
		"density without need":    {`"ranges": {"density": [0.5, 1]}`, "ranges.density"},
		"a density of zero":       {`"method": "ties", "ranges": {"density": [0, 1]}`, "ranges.density.range"},
		"a lambda of zero":        {`"ranges": {"lambda": [0, 1]}`, "ranges.lambda.range"},
		"a lambda by group":       {`"ranges": {"lambda": {"range": [0.5, 1], "over": "groups"}}`, "ranges.lambda.over"},
		"upside down":             {`"ranges": {"weight": [1, 0]}`, "ranges.weight.range"},
		"three numbers":           {`"ranges": {"weight": [1, 0, 2]}`, "ranges.weight"},
		"three numbers, longer":   {`"ranges": {"weight": {"range": [1, 0, 2]}}`, "ranges.weight.range"},
		"no numbers":              {`"ranges": {"weight": {"over": "groups"}}`, "ranges.weight.range"},
		"no range":                {`"ranges": {"weight": "all"}`, "ranges.weight"},
		"null in a range":         {`"ranges": {"weight": [null, 1]}`, "ranges.weight"},
		"an unknown key":          {`"ranges": {"weight": {"range": [0, 1], "log": true}}`, "ranges.weight.log"},
		"an unknown variation":    {`"ranges": {"weight": {"range": [0, 1], "over": "time"}}`, "ranges.weight.over"},
		"anchors of groups":       {`"ranges": {"weight": {"range": [0, 1], "anchors": 3}}`, "ranges.weight.anchors"},
		"one anchor":              {`"ranges": {"weight": {"range": [0, 1], "over": "gradient", "anchors": 1}}`, "ranges.weight.anchors"},
		"too many anchors":        {`"ranges": {"weight": {"range": [0, 1], "over": "gradient", "anchors": 65}}`, "ranges.weight.anchors"},
		"every of groups":         {`"ranges": {"weight": {"range": [0, 1], "every": 3}}`, "ranges.weight.every"},
		"every and anchors":       {`"ranges": {"weight": {"range": [0, 1], "over": "gradient", "every": 3, "anchors": 3}}`, "ranges.weight.every"},
		"every less than nothing": {`"ranges": {"weight": {"range": [0, 1], "over": "gradient", "every": -3}}`, "ranges.weight.every"},
		"shared by the whole":     {`"ranges": {"lambda": {"range": [0.5, 1], "shared": true}}`, "ranges.lambda.shared"},
		"half an iteration":       {`"method": "karcher", "ranges": {"max_iter": [1.5, 3]}`, "ranges.max_iter.range"},
		"what the method needs":   {`"method": "nearswap", "ranges": {}`, "method"},
		"what slerp needs":        {`"method": "slerp", "ranges": {"lambda": [1, 2]}`, "ranges.lambda"},
		"weights of none":         {`"method": "slerp", "weight_range": [0, 1], "ranges": {"t": [0, 1]}`, "weight_range"},
		"in a path":               {`"path": {}, "ranges": {"weight": [0, 1]}`, "ranges"},
		"filters of a path":       {`"path": {}, "filters": ["mlp"]`, "filters"},
		"a filter of all":         {`"filters": ["*"]`, "filters"},
		"an empty filter":         {`"filters": [""]`, "filters"},
		"a filter after its part": {`"filters": ["mlp", "mlp.gate"]`, "filters"},
		"a list":                  {`"ranges": [1]`, "ranges"},
	} {
		_, err := ParseSpec([]byte(`{"task": "sums", "base": "base", "sources": ["ja"], ` + c.fields + `}`))
		var e *fault.Error
		require.ErrorAs(t, err, &e, name)
		assert.Equal(t, fault.Invalid, e.Code, name)
		assert.Equal(t, c.param, e.Param, "%s: %v", name, err)
	}
	many := make([]string, MaxFilters+1)
	for i := range many {
		many[i] = string(rune('a' + i))
	}
	assert.ErrorContains(t, Spec{Task: "t", Base: "b", Sources: []string{"s"}, Filters: many}.Validate(), "at most 16")
}

func TestASearchOfRangesRunsAndIsTheSameAgain(t *testing.T) {
	spec := small(func(s *Spec) {
		s.Ranges = Ranges{"lambda": {Range: Range{0.5, 1.5}}}
	})
	first := reference(t, spec)
	require.Len(t, first.Trials[0].Genome, 3)
	require.NotEqual(t, first.Trials[0].Recipe.Lambda, first.Trials[1].Recipe.Lambda)
	sameJSON(t, first, reference(t, spec))
}
