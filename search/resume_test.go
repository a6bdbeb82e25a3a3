package search

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

func TestAPausedSearchGoesOnAsIfNothingHadHappened(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.launchUntil(t, small(), at.split, at.n)
			require.NoError(t, w.Pause(patient(t), id))
			require.NoError(t, w.Pause(patient(t), id), "twice is fine")
			s, err := w.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, Paused, s.State)
			require.Empty(t, s.Reason)
			require.Nil(t, s.EndedAt)
			require.Eventually(t, func() bool { return w.find(id) == nil }, 30*time.Second, time.Millisecond)

			asked := len(w.lab.questions(""))
			w = w.reopen(t)
			other := w.launch(t, small())
			w.done(t, other) // its place is free
			s, err = w.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, Paused, s.State, "a process that starts doesn't end a pause")
			own := len(w.lab.questions("")) - asked

			require.NoError(t, w.Resume(patient(t), id))
			w.done(t, id)
			sameJSON(t, want, w.found(t, id))
			requireGapless(t, w.listen(t, id, 0), 1)
			require.Equal(t, 2*own+1, len(w.lab.questions("")), "each question once, but for the one that was interrupted")
		})
	}
}

func TestAQueuedSearchCanBePaused(t *testing.T) {
	w := newWorld(t)
	running := w.launchUntil(t, small(), task.Search, 3)
	waiting := w.launch(t, small())
	require.NoError(t, w.Pause(patient(t), waiting))
	w.lab.hook(nil)
	require.NoError(t, w.Cancel(patient(t), running))
	require.NoError(t, w.Resume(patient(t), waiting))
	require.NoError(t, w.Resume(patient(t), waiting), "what goes on is left alone")
	w.done(t, waiting)
	require.Equal(t, []State{Queued, Paused, Queued, Running, Validating, Testing, Done}, states(w.listen(t, waiting, 0)))
}

func TestAPausedSearchCanBeCancelled(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, small(), task.Search, 3)
	require.NoError(t, w.Pause(patient(t), id))
	require.NoError(t, w.Cancel(patient(t), id))
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, Cancelled, s.State)
	for what, act := range map[string]error{
		"pause":  w.Pause(patient(t), id),
		"resume": w.Resume(patient(t), id),
	} {
		require.Equal(t, fault.Conflict, fault.CodeOf(act), what)
	}
	require.Equal(t, fault.NotFound, fault.CodeOf(w.Resume(patient(t), "search-none")))
}

func TestResumingNeedsAPlaceInTheQueue(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.QueueLimit = 1 })
	id := w.launchUntil(t, small(), task.Search, 3)
	require.NoError(t, w.Pause(patient(t), id))
	running := w.launchUntil(t, small(), task.Search, 3)
	waiting := w.launch(t, small())
	require.Equal(t, fault.Busy, fault.CodeOf(w.Resume(patient(t), id)))
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, Paused, s.State)
	require.NoError(t, w.Cancel(patient(t), waiting))
	require.NoError(t, w.Resume(patient(t), id))
	w.lab.hook(nil)
	require.NoError(t, w.Cancel(patient(t), running))
	w.done(t, id)
}

func TestASearchIsPausedAndResumedFromAnotherProcess(t *testing.T) {
	want := reference(t, small())
	w := newWorld(t, claimsLast(shortClaim))
	id := w.launchUntil(t, small(), task.Search, 7)
	other := w.replica(t).started(t)
	require.NoError(t, other.Pause(patient(t), id))
	w.eventually(t, id, Paused)
	w.lab.hook(nil)
	require.NoError(t, other.Resume(patient(t), id))
	w.eventually(t, id, Done)
	sameJSON(t, want, other.found(t, id))
	require.NotEmpty(t, other.lab.questions(""), "who resumes it runs it")
}
