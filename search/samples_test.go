package search

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

func TestEachTrialHasASampleForEachProblem(t *testing.T) {
	w := newWorld(t)
	id := w.launch(t, small(func(s *Spec) { s.SampleSize = 7 }))
	w.done(t, id)
	whole := 0
	for _, x := range w.tried(t, id) {
		samples, err := w.Samples(t.Context(), id, x.Number)
		require.NoError(t, err)
		require.Len(t, samples, 7)
		outcomes := make([]task.Outcome, len(samples))
		for i, s := range samples {
			outcomes[i] = s.Outcome
		}
		require.Equal(t, x.Outcomes, letters(outcomes))
		require.Equal(t, *x.Score, task.Summarize(outcomes))
		require.Equal(t, "s", samples[0].ID[:1], "the id of a search problem")
		whole += x.Score.Correct
	}
	require.Positive(t, whole)

	_, err := w.Samples(t.Context(), id, 99)
	var f *fault.Error
	require.True(t, errors.As(err, &f))
	require.Equal(t, fault.NotFound, f.Code)
	require.Equal(t, "trial", f.Param)
	_, err = w.Samples(t.Context(), "none", 0)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestADuplicateHasTheSamplesOfItsOriginalAndAFailureHasNone(t *testing.T) {
	w := newWorld(t)
	w.lab.hook(func(_ context.Context, q question) error {
		if q.split == task.Search && len(w.lab.questions(task.Search)) == 2 {
			return errors.New("bad luck")
		}
		return nil
	})
	s := w.done(t, w.launch(t, small(coarse)))
	duplicates, failures := 0, 0
	for _, x := range w.tried(t, s.ID) {
		samples, err := w.Samples(t.Context(), s.ID, x.Number)
		require.NoError(t, err)
		switch {
		case x.DuplicateOf != nil:
			want, err := w.Samples(t.Context(), s.ID, *x.DuplicateOf)
			require.NoError(t, err)
			require.Equal(t, want, samples)
			duplicates++
		case x.Failure != "":
			require.Empty(t, samples)
			failures++
		}
	}
	require.Positive(t, duplicates)
	require.Positive(t, failures)
}

func TestOfRepliesAsMuchIsKeptAsMayBe(t *testing.T) {
	for bound, kept := range map[int]int{0: 20, -1: 0, 40: 10} { // the fake's replies have four bytes
		w := newWorld(t, func(o *Options) { o.ReplyBytes = bound })
		id := w.launch(t, small(func(s *Spec) { s.Trials = 4 }))
		w.done(t, id)
		samples, err := w.Samples(t.Context(), id, 0)
		require.NoError(t, err)
		replies := 0
		for _, s := range samples {
			replies += len(s.Reply) / 4
		}
		require.Equal(t, kept, replies, "of %d bytes", bound)
	}
}
