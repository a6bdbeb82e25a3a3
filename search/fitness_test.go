package search

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

func TestFitnessOfAScore(t *testing.T) {
	s := task.Score{Accuracy: 0.5, NumberRight: 0.75, LanguageRight: 1}
	require.InDelta(t, 0.5, Accuracy.of(s), 0)
	require.InDelta(t, 0.5+0.1875+0.25, Shaped.of(s), 1e-15)
}

func TestShapedFitnessTellsCandidatesApartThatGetNothingWhollyRight(t *testing.T) {
	w := newWorld(t)
	w.lab.solves = func([]float64, task.Split, int) bool { return false } // the language is right in every second reply
	s := w.done(t, w.launch(t, small(func(s *Spec) { s.Fitness, s.Trials = Shaped, 4 })))
	for _, x := range w.tried(t, s.ID) {
		require.Zero(t, x.Score.Accuracy)
		require.InDelta(t, 0.25*0.5, x.Fitness, 1e-15)
		require.Equal(t, "l0l0l0l0l0l0l0l0l0l0", x.Outcomes)
	}
	require.InDelta(t, 0.25*0.5, s.Progress.Best.Fitness, 1e-15)
}

func TestOutcomesAreOneLetterEach(t *testing.T) {
	require.Equal(t, "1npl0", letters([]task.Outcome{
		{Correct: true, NumberRight: true, LanguageRight: true}, {NumberRight: true}, {Score: 0.5, LanguageRight: true}, {LanguageRight: true}, {},
	}))
}

func TestEveryScoreCarriesItsStandardError(t *testing.T) {
	w := newWorld(t)
	s := w.done(t, w.launch(t, small()))
	scores := []*task.Score{s.Winner.Search, s.Winner.Validation, s.Winner.Test}
	for _, r := range s.Scores {
		scores = append(scores, r.Score)
	}
	for _, f := range s.Finalists {
		scores = append(scores, f.Validation)
	}
	uncertain := 0
	for _, x := range scores {
		if x == nil { // the mean of the final distribution was no trial
			continue
		}
		require.InDelta(t, math.Sqrt(x.Accuracy*(1-x.Accuracy)/float64(x.Problems)), x.StdErr, 1e-12)
		require.True(t, x.Low <= x.Accuracy && x.Accuracy <= x.High && x.Low < x.High)
		if x.StdErr > 0 {
			uncertain++
		}
	}
	require.Positive(t, uncertain)
}
