package catalog_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

// Bounds of waiting in these tests, generous because a busy machine is no failure.
const (
	waitTime = time.Minute
	pollTime = time.Millisecond
)

// room gives a world a budget for so many models.
func room(models int64) func(*world) {
	return func(w *world) { w.budget = models * tinyBytes() }
}

func TestTheLeastRecentlyUsedModelMakesRoom(t *testing.T) {
	w := newWorld(t, room(2))
	w.touch("base", "a", "base", "b")
	require.Equal(t, map[string]catalog.State{
		"base": catalog.Ready, "a": catalog.Unloaded, "b": catalog.Ready, "other": catalog.Unloaded,
	}, w.states())
	_, used := w.Budget()
	require.Equal(t, 2*tinyBytes(), used)
}

func TestAModelThatIsHeldStays(t *testing.T) {
	w := newWorld(t, room(2))
	held := w.acquire("base")
	w.touch("a", "b", "a", "b")
	require.Equal(t, catalog.Ready, w.states()["base"])
	second := w.acquire("a")
	_, err := w.Acquire(t.Context(), "b")
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	require.Equal(t, catalog.Failed, w.states()["b"])
	second.Release()
	w.touch("b")
	held.Release()
}

func TestWhatCanNeverFitIsToldWithBothNumbers(t *testing.T) {
	w := newWorld(t, func(w *world) { w.budget = tinyBytes() - 1 })
	_, err := w.Acquire(t.Context(), "base")
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	var f *fault.Error
	require.True(t, errors.As(err, &f))
	require.Contains(t, f.Message, fmt.Sprint(tinyBytes()))
	require.Contains(t, f.Message, fmt.Sprint(tinyBytes()-1))
	_, used := w.Budget()
	require.Zero(t, used)
}

func TestACandidateCountsUntilItIsReleased(t *testing.T) {
	w := newWorld(t, room(5))
	first, err := w.Merge(t.Context(), blend(1, 0.5))
	require.NoError(t, err)
	second, err := w.Merge(t.Context(), blend(0.5, 1))
	require.NoError(t, err)
	_, used := w.Budget()
	require.Equal(t, 5*tinyBytes(), used)
	_, err = w.Merge(t.Context(), blend(0.5, 0.5))
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	first.Release()
	first.Release()
	third, err := w.Merge(t.Context(), blend(0.5, 0.5))
	require.NoError(t, err)
	second.Release()
	third.Release()
	_, used = w.Budget()
	require.Equal(t, 3*tinyBytes(), used, "the sources stay")
}

// Many callers, little room: whoever gets a model gets the right one, and every
// byte comes back.
func TestTheBudgetHoldsUnderLoad(t *testing.T) {
	w := newWorld(t, room(4))
	id := w.keep("", blend(0.5, 0.5))
	together(8, func(i int) {
		for n := range 30 {
			name := []string{"base", "a", "b", "other", id}[(i+n)%5]
			lease, err := w.Acquire(t.Context(), name)
			if err != nil {
				assert.Equal(t, fault.OutOfMemory, fault.CodeOf(err), "%v", err)
				continue
			}
			if lease.Model.Name != name {
				t.Errorf("asked for %s, got %s", name, lease.Model.Name)
			}
			if total, used := w.Budget(); used > total {
				t.Errorf("%d bytes in use of %d", used, total)
			}
			lease.Release()
		}
	})
}
