package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
)

// A result is in the record only together with its event. If it were saved by
// the interruption that kept its event from being told, nobody would ever hear
// of it: the search would skip what it has.
func TestAResultThatCouldNotBeToldIsFoundAndToldLater(t *testing.T) {
	want := reference(t, small())
	for name, at := range map[string]struct {
		split task.Split
		n     int
	}{
		"of a trial":            {task.Search, 6},
		"of a whole generation": {task.Search, 8},
		"of a finalist":         {task.Validation, 2},
		"of a source":           {task.Test, 2},
		"of the winner":         {task.Test, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			refused := make(chan (<-chan struct{}), 1)
			w.lab.hook(numbered(at.split, func(n int64) error {
				if int(n) == at.n {
					refused <- w.store.Sleep(2)
				}
				return nil
			}))
			id := w.launch(t, small())
			await(t, <-refused)
			w.requireStoppedWhileAsleep(t)
			w = w.reopen(t)
			w.done(t, id)
			requireToldInFull(t, w, id, want)
		})
	}
	t.Run("of the publication", func(t *testing.T) {
		w := newWorld(t)
		var refused <-chan struct{}
		asleep := make(chan struct{})
		w.lab.publishing = func(context.Context) error {
			refused = w.store.Sleep(2)
			close(asleep)
			return nil
		}
		id := w.launch(t, small())
		await(t, asleep)
		await(t, refused)
		w.requireStoppedWhileAsleep(t)
		w.lab.publishing = nil
		w = w.reopen(t)
		w.done(t, id)
		requireToldInFull(t, w, id, want)
	})
}

// requireStoppedWhileAsleep stops a service whose store is out of reach until
// the service writes that it was interrupted.
func (w *world) requireStoppedWhileAsleep(t *testing.T) {
	t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(patient(t)) }()
	await(t, w.ctx.Done())
	w.store.Wakeup()
	require.NoError(t, <-stopped)
}

// requireToldInFull requires that the events tell all that a search has found.
func requireToldInFull(t *testing.T, w *world, id string, want result) {
	t.Helper()
	sameJSON(t, want, w.found(t, id))
	events := w.listen(t, id, 0)
	requireGapless(t, events, 1)
	var told result
	for _, e := range events {
		switch e.Type {
		case TrialEnded:
			told.Trials = append(told.Trials, *e.Trial)
		case Validated:
			told.Finalists = append(told.Finalists, *e.Finalist)
		case Tested:
			told.Scores = append(told.Scores, *e.Row)
		case Published:
			told.Winner = e.Winner
		}
	}
	told.Trials = timeless(told.Trials)
	sameJSON(t, want, told)
}
