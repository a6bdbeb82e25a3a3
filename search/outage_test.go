package search

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

func TestAStoreThatIsOutOfReachForAWhileLosesNothing(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		for kind, disturb := range map[string]func(*flakyStore, int) <-chan struct{}{
			"does nothing": (*flakyStore).Sleep, "writes but denies it": (*flakyStore).Lie,
		} {
			if kind != "does nothing" && at.split != task.Search {
				continue // there are no trials to write
			}
			t.Run(name+" it "+kind, func(t *testing.T) {
				w := newWorld(t)
				g := blockAt(at.split, at.n)
				refused := make(chan (<-chan struct{}), 1)
				w.lab.hook(func(_ context.Context, q question) error {
					g.mu.Lock()
					defer g.mu.Unlock()
					if g.count[q.split]++; q.split == at.split && g.count[q.split] == at.n {
						refused <- disturb(w.store, 3)
					}
					return nil
				})
				id := w.launch(t, small())
				stream, err := w.Events(patient(t), id, 0)
				require.NoError(t, err)
				await(t, <-refused)
				w.store.Wakeup()
				var live []Event
				for e := range stream {
					live = append(live, e)
				}
				w.done(t, id)
				sameJSON(t, want, w.found(t, id))
				requireGapless(t, live, 1)
				sameJSON(t, live, w.listen(t, id, 0))
				requireAskedOnce(t, w.lab.questions(""), 0)
			})
		}
	}
}

func TestATrialWhoseWriteWasDeniedIsMadeAgain(t *testing.T) {
	want := reference(t, small())
	for name, n := range map[string]int{"inside a generation": 6, "the last of a generation": 8} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			refused := make(chan (<-chan struct{}), 1)
			w.lab.hook(numbered(task.Search, func(i int64) error {
				if int(i) == n {
					refused <- w.store.Lie(1)
				}
				return nil
			}))
			id := w.launch(t, small())
			await(t, <-refused)
			require.NoError(t, w.Stop(patient(t)))
			told := w.listen(t, id, 0)
			require.Equal(t, Interrupted, told[len(told)-1].State)
			require.Len(t, w.tried(t, id), n-1, "nobody was told of it")

			w = w.reopen(t)
			w.done(t, id)
			sameJSON(t, want, w.found(t, id))
			events := w.listen(t, id, 0)
			requireGapless(t, events, 1)
			sameJSON(t, told, events[:len(told)])
		})
	}
}

func TestWithoutAStoreCallersAreToldAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.launch(t, small())
	w.done(t, id)
	// A search that has just ended is for a moment still known without the store.
	require.Eventually(t, func() bool { return w.find(id) == nil }, 30*time.Second, time.Millisecond)
	w.store.Sleep(0)
	for name, call := range map[string]func() error{
		"launch": func() error { _, err := w.Launch(t.Context(), small()); return err },
		"list":   func() error { _, err := w.List(t.Context()); return err },
		"get":    func() error { _, err := w.Get(t.Context(), id); return err },
		"trials": func() error { _, err := w.Trials(t.Context(), id); return err },
		"events": func() error { _, err := w.Events(t.Context(), id, 0); return err },
		"cancel": func() error { return w.Cancel(t.Context(), id) },
		"start":  func() error { return w.Start(t.Context()) },
	} {
		require.Equal(t, fault.Unavailable, fault.CodeOf(call()), name)
	}
	w.store.Wakeup()
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1, "a search that couldn't be stored isn't there")
	w.done(t, w.launch(t, small()))
}

func TestASearchCanBeCancelledWhileTheStoreIsOutOfReach(t *testing.T) {
	w := newWorld(t)
	refused := make(chan (<-chan struct{}), 1)
	w.lab.hook(numbered(task.Search, func(n int64) error {
		if n == 6 {
			refused <- w.store.Sleep(2)
		}
		return nil
	}))
	id := w.launch(t, small())
	await(t, <-refused)
	answer := make(chan error, 1)
	more := w.store.Sleep(2)
	go func() { answer <- w.Cancel(patient(t), id) }()
	await(t, more)
	w.store.Wakeup()
	require.NoError(t, <-answer)
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, Cancelled, s.State)
	require.Len(t, w.tried(t, id), s.Progress.Trials)
	requireGapless(t, w.listen(t, id, 0), 1)
}
