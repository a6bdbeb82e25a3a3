package search

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

func TestCancellingARunningSearchKeepsItsTrials(t *testing.T) {
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.launchUntil(t, small(), at.split, at.n)
			stream, err := w.Events(patient(t), id, 0)
			require.NoError(t, err)
			trials := w.tried(t, id)

			require.NoError(t, w.Cancel(patient(t), id))
			await(t, drained(stream))
			s, err := w.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, Cancelled, s.State)
			require.Empty(t, s.Reason)
			require.NotNil(t, s.EndedAt)
			sameJSON(t, trials, w.tried(t, id))
			require.Equal(t, len(trials), s.Progress.Trials)

			require.NoError(t, w.Cancel(patient(t), id), "twice is fine")
			events := w.listen(t, id, 0)
			requireGapless(t, events, 1)
			require.Equal(t, Cancelled, events[len(events)-1].State)
			require.Empty(t, w.lab.publications())

			asked := len(w.lab.questions(""))
			w = w.reopen(t)
			s, err = w.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, Cancelled, s.State, "it doesn't go on")
			require.Len(t, w.lab.questions(""), asked)
		})
	}
}

func TestCancellingAQueuedSearchLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t)
	running := w.launchUntil(t, small(), task.Search, 3)
	second, third := w.launch(t, small()), w.launch(t, small())

	require.NoError(t, w.Cancel(patient(t), second))
	require.NoError(t, w.Cancel(patient(t), second))
	require.Equal(t, []State{Queued, Cancelled}, states(w.listen(t, second, 0)))
	require.Empty(t, w.tried(t, second))

	w.lab.hook(nil)
	require.NoError(t, w.Cancel(patient(t), running))
	w.done(t, third)
}

func TestManyMayCancelAtOnce(t *testing.T) {
	w := newWorld(t)
	running := w.launchUntil(t, small(), task.Search, 3)
	queued := w.launch(t, small())
	answers := make(chan error)
	for range 4 {
		for _, id := range []string{running, queued} {
			go func() { answers <- w.Cancel(patient(t), id) }()
		}
	}
	for range 8 {
		require.NoError(t, <-answers)
	}
	for _, id := range []string{running, queued} {
		events := w.listen(t, id, 0)
		require.Equal(t, Cancelled, events[len(events)-1].State)
		requireGapless(t, events, 1)
	}
}

func TestAFinishedSearchCanNotBeCancelled(t *testing.T) {
	w := newWorld(t)
	id := w.launch(t, small())
	w.done(t, id)
	require.Equal(t, fault.Conflict, fault.CodeOf(w.Cancel(patient(t), id)))
	require.Equal(t, fault.NotFound, fault.CodeOf(w.Cancel(patient(t), "search-0")))
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, Done, s.State)
}

func TestASearchThatNobodyRunsCanBeCancelled(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, small(), task.Search, 6)
	w.shut(t)

	w = idleWorld(t, w.path, w.tasks, newFakeLab()) // not started: it runs nothing
	require.NoError(t, w.Cancel(patient(t), id))
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, Cancelled, s.State)
	require.Equal(t, 5, s.Progress.Trials)
	requireGapless(t, w.listen(t, id, 0), 1)
	require.NoError(t, w.Start(t.Context()))
	require.Empty(t, w.lab.questions(""))
}
