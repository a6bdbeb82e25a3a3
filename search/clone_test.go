package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/cmaes"
)

func TestASpecWithChanges(t *testing.T) {
	original := Spec{
		Task: "sums", Base: "base", Sources: []string{"ja", "math"}, Method: merge.DARETIES,
		Groups: merge.Halves, Trials: 20, Seed: 7, Alias: "best", WeightRange: Range{0, 1},
	}.WithDefaults()
	original.Population = cmaes.DefaultPopulation(8)
	s := Search{ID: "search-1", Spec: original, Parameters: make([]Parameter, 8)}
	cases := []struct {
		name, changes string
		want          func(*Spec)
	}{
		{"nothing", ``, func(*Spec) {}},
		{"an empty object", `{}`, func(*Spec) {}},
		{"fields", `{"seed": 8, "weight_range": [0, 2], "sources": ["ja"]}`, func(s *Spec) {
			s.Seed, s.WeightRange, s.Sources = 8, Range{0, 2}, []string{"ja"}
		}},
		{"a population", `{"population": 30}`, func(s *Spec) { s.Population = 30 }},
		{"back to a default", `{"alias": null, "trials": null}`, func(s *Spec) { s.Alias, s.Trials = "", DefaultTrials }},
		{"a task, whose name the search has", `{"task": "words"}`, func(s *Spec) { s.Task, s.Name = "words", "words" }},
		{"a method without densities", `{"method": "task_arithmetic"}`, func(s *Spec) { s.Method, s.DensityRange = merge.TaskArithmetic, Range{} }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			want := original
			want.Population = 0 // by default, for however many parameters
			c.want(&want)
			got, err := s.With([]byte(c.changes))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
	s.Spec.Population = 30
	got, err := s.With(nil)
	require.NoError(t, err)
	require.Equal(t, 30, got.Population, "it was asked for")

	for changes, param := range map[string]string{
		`{"trails": 5}`:  "trails",
		`{"trials": -5}`: "trials",
		`{"seed": "x"}`:  "seed",
		`[]`:             "",
		`{"seed"`:        "",
	} {
		_, err := s.With([]byte(changes))
		require.Equal(t, fault.Invalid, fault.CodeOf(err), changes)
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, param, f.Param, changes)
	}
}
