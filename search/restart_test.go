package search

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// interruptions are where a search is stopped: before evaluation n of a split.
var interruptions = map[string]struct {
	split task.Split
	n     int
}{
	"before the first trial":        {task.Search, 1},
	"inside the first generation":   {task.Search, 3},
	"between generations":           {task.Search, 5},
	"inside a later generation":     {task.Search, 11},
	"before the first finalist":     {task.Validation, 1},
	"between finalists":             {task.Validation, 3},
	"before the first test":         {task.Test, 1},
	"between tests":                 {task.Test, 3},
	"before the test of the winner": {task.Test, 5},
}

func TestAStoppedSearchGoesOnAsIfNothingHadHappened(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.launchUntil(t, small(), at.split, at.n)
			require.NoError(t, w.Stop(patient(t)))
			events := w.listen(t, id, 0)
			require.Equal(t, Interrupted, events[len(events)-1].State)
			s, err := w.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, Interrupted, s.State)
			require.NotEmpty(t, s.Reason)

			w = w.reopen(t)
			s = w.done(t, id)
			require.Empty(t, s.Reason)
			sameJSON(t, want, w.found(t, id))
			requireAskedOnce(t, w.lab.questions(""), 1)
			require.Len(t, w.lab.publications(), 1)
			again := w.listen(t, id, 0)
			requireGapless(t, again, 1)
			sameJSON(t, events, again[:len(events)])
		})
	}
}

func TestASearchStoppedAgainAndAgainFindsTheSame(t *testing.T) {
	want := reference(t, small())
	dir := t.TempDir()
	w := idleWorld(t, filepath.Join(dir, "state.db"), writeTask(t, dir), newFakeLab())
	id, stops := "", 0
	for ended := false; !ended; stops++ {
		g := blockAfter(2)
		w.lab.hook(g.before)
		if require.NoError(t, w.Start(t.Context())); id == "" {
			id = w.launch(t, small())
		}
		stream, err := w.Events(patient(t), id, 0)
		require.NoError(t, err)
		select {
		case <-g.reached:
		case <-drained(stream):
		}
		w.shut(t)
		w = idleWorld(t, w.path, w.tasks, w.lab)
		s, err := w.Get(t.Context(), id)
		require.NoError(t, err)
		ended = s.State == Done
		require.True(t, ended || s.State == Interrupted, "%s: %s", s.State, s.Reason)
	}
	require.Greater(t, stops, 5)
	sameJSON(t, want, w.found(t, id))
	requireGapless(t, w.listen(t, id, 0), 1)
}

func TestASearchGoesOnAfterAnAbruptEnd(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.launchUntil(t, small(), at.split, at.n)
			before := w.lab.questions("")

			later := w.afterKill(t)
			later.done(t, id)
			sameJSON(t, want, later.found(t, id))
			requireGapless(t, later.listen(t, id, 0), 1)

			finished := before[:len(before)-1]
			for _, q := range later.lab.questions("") {
				require.NotContains(t, finished, q, "it was finished before the end")
			}
			requireAskedOnce(t, later.lab.questions(""), 0)
			require.Len(t, later.lab.publications(), 1)
		})
	}
}

func TestQueuedSearchesBeginAfterARestart(t *testing.T) {
	w := newWorld(t)
	running := w.launchUntil(t, small(), task.Search, 2)
	waiting := w.launch(t, small())
	require.NoError(t, w.Stop(patient(t)))
	require.Len(t, w.listen(t, waiting, 0), 1)

	_, err := w.Launch(t.Context(), small())
	require.ErrorIs(t, err, errStopping)
	require.ErrorIs(t, w.Cancel(t.Context(), waiting), errStopping)
	require.ErrorIs(t, w.Start(t.Context()), errStopping)

	w = w.reopen(t)
	first, second := w.done(t, running), w.done(t, waiting)
	require.False(t, second.StartedAt.Before(*first.EndedAt), "what had begun goes first")
	require.Equal(t, []State{Queued, Running, Validating, Testing, Done}, states(w.listen(t, waiting, 0)))
}

// A task that is no longer what it was keeps a search from going on, and takes
// nothing from it.
func TestASearchPausesWhileItsTaskIsNotWhatItWas(t *testing.T) {
	want := reference(t, small())
	for name, c := range map[string]struct{ text, reason string }{
		"another content": {`{"id":"t","question":"other","answer":"1"}`, "has changed"},
		"malformed":       {`{"id":"t","ques`, "test.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.launchUntil(t, small(), task.Search, 6)
			require.NoError(t, w.Stop(patient(t)))
			file := filepath.Join(w.tasks, "sums", "test.jsonl")
			before, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))

			w = w.reopen(t)
			s := w.eventually(t, id, Paused)
			require.Contains(t, s.Reason, c.reason)
			require.Equal(t, 5, s.Progress.Trials)
			require.Nil(t, s.EndedAt)

			require.NoError(t, w.Resume(patient(t), id))
			w.eventually(t, id, Paused)
			require.Eventually(t, func() bool { return w.find(id) == nil }, 30*time.Second, time.Millisecond)
			require.NoError(t, os.WriteFile(file, before, 0o600))
			require.NoError(t, w.Resume(patient(t), id))
			s = w.eventually(t, id, Done)
			require.Empty(t, s.Reason)
			sameJSON(t, want, w.found(t, id))
		})
	}
}

// So does a source that is gone, wherever the search is.
func TestASearchPausesWhileASourceIsGone(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var gone atomic.Bool
			w.lab.gone = func(name string) bool { return gone.Load() && name == "ja" }
			var mu sync.Mutex
			count := 0
			w.lab.hook(func(_ context.Context, q question) error {
				mu.Lock()
				defer mu.Unlock()
				if q.split == at.split {
					if count++; count == at.n {
						gone.Store(true)
					}
				}
				if gone.Load() {
					return fault.New(fault.NotFound, "there is no model %q", "ja")
				}
				return nil
			})
			id := w.launch(t, small())
			s := w.eventually(t, id, Paused)
			require.Contains(t, s.Reason, `"ja"`)
			require.Zero(t, s.Progress.Failures, "no candidate is to blame")
			require.Eventually(t, func() bool { return w.find(id) == nil }, 30*time.Second, time.Millisecond)

			gone.Store(false)
			w.lab.hook(nil)
			require.NoError(t, w.Resume(patient(t), id))
			w.eventually(t, id, Done)
			sameJSON(t, want, w.found(t, id))
		})
	}
}

// requireAskedOnce requires that nothing was asked twice, but for so many
// questions that were in flight when the search was interrupted.
func requireAskedOnce(t *testing.T, asked []question, inFlight int) {
	t.Helper()
	var seen, twice []question
	for _, q := range asked {
		if slices.Contains(seen, q) {
			twice = append(twice, q)
		}
		seen = append(seen, q)
	}
	require.LessOrEqual(t, len(twice), inFlight, "%v", twice)
}
