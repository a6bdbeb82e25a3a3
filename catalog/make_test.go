package catalog_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// The recipe is deleted, and all who waited have left, while it is being merged:
// nobody will ever ask for the model again.
func TestAModelThatNobodyWaitsForAnyMoreIsFreed(t *testing.T) {
	w := newWorld(t, func(w *world) { w.merger.gate = make(chan struct{}) })
	id := w.keep("", blend(0.5, 0.5))
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := w.Acquire(ctx, id); left <- err }()
	require.Eventually(t, func() bool { return w.merger.merges.Load() == 1 }, waitTime, pollTime)
	leave()
	require.Equal(t, fault.Cancelled, fault.CodeOf(<-left))
	require.NoError(t, w.DeleteRecipe(t.Context(), id))
	close(w.merger.gate)
	require.Eventually(t, func() bool { _, used := w.Budget(); return used == 3*tinyBytes() }, waitTime, pollTime)
}

// What can't be merged gives its bytes back, and is tried again when it is asked
// for again.
func TestAMergeThatFailsIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("the device is gone") },
		"a panic":  func() error { panic("out of bounds") },
	} {
		w.merger.fail = fail
		_, err := w.Acquire(t.Context(), id)
		require.Equal(t, fault.Internal, fault.CodeOf(err), name)
		_, used := w.Budget()
		require.Equal(t, 3*tinyBytes(), used, name)
		w.touch("base")
	}
	w.merger.fail = nil
	w.touch(id)
}
