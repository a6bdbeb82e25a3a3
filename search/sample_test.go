package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

func TestEachGenerationIsScoredOnASampleOfItsOwn(t *testing.T) {
	w := newWorld(t)
	sampled := func(s *Spec) { s.SampleSize = 5 }
	s := w.done(t, w.launch(t, small(sampled)))
	asked := w.lab.questions(task.Search)
	require.Len(t, asked, s.Progress.Trials)
	samples := map[string]int{}
	for i, x := range w.tried(t, s.ID) {
		require.Equal(t, asked[x.Generation*4].problems, asked[i].problems)
		require.Equal(t, 5, x.Score.Problems)
		samples[asked[i].problems]++
	}
	require.Len(t, samples, 5, "five generations, five samples")

	other := newWorld(t)
	other.done(t, other.launch(t, small(sampled)))
	require.Equal(t, asked, other.lab.questions(task.Search))
	for _, q := range append(w.lab.questions(task.Validation), w.lab.questions(task.Test)...) {
		require.NotContains(t, samples, q.problems)
	}
	require.Equal(t, validationProblems, s.Winner.Validation.Problems)
	require.Equal(t, testProblems, s.Winner.Test.Problems)
}

func TestASampleIsDrawnAgainAfterAnInterruption(t *testing.T) {
	sampled := func(s *Spec) { s.SampleSize = 7 }
	want := reference(t, small(sampled))
	w := newWorld(t)
	id := w.launchUntil(t, small(sampled), task.Search, 7)
	w = w.reopen(t)
	w.done(t, id)
	sameJSON(t, want, w.found(t, id))
}

func TestSamplesKeepTheOrderAndDrawEveryProblem(t *testing.T) {
	problems := make([]task.Problem, 50)
	for i := range problems {
		problems[i].ID = string(rune('A' + i))
	}
	drawn := map[string]int{}
	for generation := range 100 {
		s := sample(problems, 10, 1, generation)
		require.Len(t, s, 10)
		require.Equal(t, s, sample(problems, 10, 1, generation))
		for i, p := range s {
			drawn[p.ID]++
			require.True(t, i == 0 || s[i-1].ID < p.ID)
		}
	}
	require.Len(t, drawn, 50)
	require.NotEqual(t, sample(problems, 10, 1, 0), sample(problems, 10, 2, 0))
	for _, n := range []int{-1, 0, 50, 51} {
		require.Equal(t, problems, sample(problems, n, 1, 0))
	}
}
