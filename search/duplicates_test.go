package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

// coarse leaves so few recipes that many candidates are the same.
func coarse(s *Spec) {
	s.WeightRange = Range{0.5, 0.5003}
	s.Trials = 40
}

func TestADuplicateTakesOverTheScoreOfItsTwin(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(coarse)))
	require.Positive(t, s.Progress.Duplicates)

	originals := map[string]Trial{}
	for _, x := range w.tried(t, s.ID) {
		key, err := x.Recipe.Canonical()
		require.NoError(t, err)
		twin, there := originals[string(key)]
		if !there {
			require.Nil(t, x.DuplicateOf)
			originals[string(key)] = x
			continue
		}
		require.Equal(t, twin.Number, *x.DuplicateOf)
		require.Equal(t, []any{twin.Score, twin.Fitness, twin.Outcomes}, []any{x.Score, x.Fitness, x.Outcomes})
		require.Zero(t, x.AnswerSeconds)
	}
	require.Len(t, w.lab.questions(task.Search), len(originals))
	require.Equal(t, s.Progress.Trials, s.Progress.Duplicates+len(originals))
	requireAskedOnce(t, w.lab.questions(""), 0)
}

func TestDuplicatesAreKnownAfterAnInterruption(t *testing.T) {
	want := reference(t, small(coarse))
	w := newWorld(t)
	id := w.launchUntil(t, small(coarse), task.Search, 5)
	w = w.reopen(t)
	w.done(t, id)
	sameJSON(t, want, w.found(t, id))
	requireAskedOnce(t, w.lab.questions(""), 1)
}

func TestWithSamplesATwinOfAnotherGenerationIsNoDuplicate(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(coarse, func(s *Spec) { s.SampleSize = 5 })))
	trials := w.tried(t, s.ID)
	for _, x := range trials {
		if x.DuplicateOf != nil {
			require.Equal(t, x.Generation, trials[*x.DuplicateOf].Generation)
		}
	}
	requireAskedOnce(t, w.lab.questions(""), 0)
}

func TestNoRecipeIsAFinalistTwice(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small(coarse, func(s *Spec) { s.ValidateTop = MaxValidateTop })))
	seen := map[string]bool{}
	for _, f := range s.Finalists {
		key, err := f.Recipe.Canonical()
		require.NoError(t, err)
		require.NotContains(t, seen, string(key))
		seen[string(key)] = true
	}
}
