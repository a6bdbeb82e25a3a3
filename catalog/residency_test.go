package catalog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

func TestAPinnedModelStaysWhenMemoryIsShort(t *testing.T) {
	w := newWorld(t, room(2))
	e, err := w.Load(t.Context(), "base", true)
	require.NoError(t, err)
	require.True(t, e.Pinned)
	require.Equal(t, catalog.Ready, e.State)
	w.touch("a", "b", "a", "b")
	require.Equal(t, catalog.Ready, w.states()["base"])
	_, err = w.Load(t.Context(), "a", true)
	require.NoError(t, err)
	_, err = w.Acquire(t.Context(), "b")
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))

	e, err = w.Load(t.Context(), "base", false)
	require.NoError(t, err)
	require.False(t, e.Pinned)
	w.touch("b")
	require.Equal(t, catalog.Unloaded, w.states()["base"])
}

func TestAnUnloadedModelDrains(t *testing.T) {
	w := newWorld(t)
	w.alias("production", "a")
	held := w.acquire("production")
	e, err := w.Unload(t.Context(), "production")
	require.NoError(t, err)
	require.Equal(t, catalog.Draining, e.State)
	require.Equal(t, catalog.Draining, w.states()["a"])
	require.NotEmpty(t, held.Model.Weights.Tensors()[0].Shape().Dimensions)
	again := w.acquire("a") // beside the one that drains
	require.Equal(t, catalog.Ready, w.states()["a"])
	require.NotSame(t, held.Model, again.Model)
	again.Release()
	_, err = w.Unload(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, catalog.Draining, w.states()["a"], "the first is still held")
	held.Release()
	require.Equal(t, catalog.Unloaded, w.states()["a"])
	_, used := w.Budget()
	require.Zero(t, used)
	_, err = w.Unload(t.Context(), "a")
	require.NoError(t, err, "again does nothing")
	_, err = w.Unload(t.Context(), "ghost")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func TestAModelThatNobodyAsksForGoes(t *testing.T) {
	w := newWorld(t, func(w *world) { w.ttl = 40 * time.Millisecond })
	held := w.acquire("base")
	_, err := w.Load(t.Context(), "b", true)
	require.NoError(t, err)
	w.touch("a")
	w.advance(time.Hour)
	require.Eventually(t, func() bool { return w.states()["a"] == catalog.Unloaded }, waitTime, pollTime)
	require.Equal(t, catalog.Ready, w.states()["base"], "somebody holds it")
	require.Equal(t, catalog.Ready, w.states()["b"], "it is pinned")
	held.Release()
	w.advance(time.Hour)
	require.Eventually(t, func() bool { return w.states()["base"] == catalog.Unloaded }, waitTime, pollTime)
}
