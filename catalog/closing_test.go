package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

func TestCloseEndsMergesAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name string
		ask  func(w *world, id string) error
	}{
		{"of a stored recipe", func(w *world, id string) error { _, err := w.Acquire(w.t.Context(), id); return err }},
		{"of a candidate", func(w *world, _ string) error { _, err := w.Merge(w.t.Context(), blend(1, 1)); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.merger.gate, w.merger.heard = make(chan struct{}), make(chan struct{}) })
			id := w.keep("", blend(0.5, 0.5))
			answer := make(chan error, 1)
			go func() { answer <- c.ask(w, id) }()
			require.Eventually(t, func() bool { return w.merger.merges.Load() == 1 }, waitTime, pollTime)
			closed := make(chan struct{})
			go func() { defer close(closed); w.Close() }()
			<-w.merger.heard
			_, err := w.Merge(t.Context(), blend(1, 0))
			require.Equal(t, fault.Unavailable, fault.CodeOf(err), "nothing new begins")
			select {
			case <-closed:
				t.Fatal("closed while a merge was on the device")
			default:
			}
			close(w.merger.gate)
			require.Equal(t, fault.Unavailable, fault.CodeOf(<-answer))
			<-closed
			_, used := w.Budget()
			require.Zero(t, used)
		})
	}
}

func TestCloseWhileManyAsk(t *testing.T) {
	w := newWorld(t, room(4))
	id := w.keep("", blend(0.5, 0.5))
	begun := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(8, func(i int) {
			for n := range 50 {
				name := []string{"base", "a", "b", id}[(i+n)%4]
				lease, err := w.Acquire(t.Context(), name)
				if n%2 == 1 && err == nil {
					lease.Release()
					lease, err = w.Merge(t.Context(), blend(1, float64(n)))
				}
				if err == nil {
					lease.Release()
					select {
					case begun <- struct{}{}:
					default:
					}
					continue
				}
				assert.Contains(t, []fault.Code{fault.Unavailable, fault.OutOfMemory}, fault.CodeOf(err), "%v", err)
			}
		})
	}()
	<-begun
	w.Close()
	<-done // w's clean-up finds every byte back
}
