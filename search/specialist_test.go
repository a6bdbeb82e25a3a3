package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

func TestASpecialistIsBestAtItsObjective(t *testing.T) {
	s := Search{ID: "search-1", Spec: Spec{Objectives: []Objective{{Name: "ja"}, {Name: "en"}}}}
	scored := &task.Score{}
	trials := []Trial{
		{Number: 0, Score: scored, Values: []float64{0.4, 0.9}, Fitness: 0.65},
		{Number: 1, Score: scored, Values: []float64{0.8, 0.1}, Fitness: 0.45},
		{Number: 2, Score: scored, Values: []float64{0.8, 0.3}, Fitness: 0.55},
		{Number: 3, Values: []float64{1, 1}, Fitness: 1, Failure: "out of memory"},
	}
	for objective, want := range map[string]int{"ja": 2, "en": 0} {
		got, err := s.Specialist(objective, trials)
		require.NoError(t, err)
		require.Equal(t, want, got.Number, objective)
	}
	_, err := s.Specialist("fr", trials)
	requireBad(t, err, "objective")
	_, err = s.Specialist("ja", trials[3:])
	require.Equal(t, fault.Conflict, fault.CodeOf(err))

	alone := Search{Spec: Spec{Task: "sums"}}
	got, err := alone.Specialist("sums", []Trial{{Number: 0, Score: scored, Fitness: 0.3}, {Number: 1, Score: scored, Fitness: 0.2}})
	require.NoError(t, err)
	require.Zero(t, got.Number)
}
