package catalog_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/store"
)

// replica is another catalog on the store of a world, as another process has one.
func (w *world) replica(change ...func(*catalog.Options)) *catalog.Catalog {
	w.t.Helper()
	o := catalog.Options{
		Device: devicetest.Open(w.t), Executor: w.merger, Store: w.store, ModelsDir: w.dir,
		Memory: device.NewMemory(w.budget), Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	c, err := catalog.Open(w.t.Context(), o)
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

// becomes waits until a model is in a state without anybody asking for it.
func (w *world) becomes(name string, want catalog.State) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.states()[name] == want }, waitTime, pollTime, "%s is %s", name, w.states()[name])
}

func TestAnAliasInUseHandsOverToItsNewModel(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	w.alias("production", "a")
	w.touch("production")
	w.alias("production", id)
	w.becomes(id, catalog.Ready)

	// The same if another process moved it.
	next := w.keep("", blend(0.25, 0.5))
	w.Changed(store.Change{Alias: "production", From: id, To: next})
	w.becomes(next, catalog.Ready)
	require.Equal(t, catalog.Ready, w.states()[id], "whoever has it keeps it")
}

func TestAnAliasThatNobodyUsesHereMakesNothing(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	w.alias("production", "a")
	w.alias("production", id)
	w.Changed(store.Change{Alias: "production", From: "b", To: id})
	w.Changed(store.Change{Alias: "production", To: id})
	w.Changed(store.Change{Alias: "production", From: "a"})
	w.Close() // waits for what was begun
	require.Zero(t, w.merger.merges.Load())
}

func TestWhatCantBeMadeAheadIsMadeWhenSomebodyAsks(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	w.alias("production", "a")
	w.touch("production")
	w.merger.fail = func() error { return fault.New(fault.OutOfMemory, "no luck") }
	w.alias("production", id)
	w.becomes(id, catalog.Failed)
	w.merger.fail = nil
	w.touch("production")
	require.Equal(t, catalog.Ready, w.states()[id])
	w.Changed(store.Change{Alias: "production", From: id, To: "ghost"}) // is nowhere here
}

// readOnly is a store that takes no recipes, as a mirror of a Redis that is away.
type readOnly struct{ catalog.Store }

func (readOnly) PutRecipe(context.Context, store.Recipe) (store.Recipe, error) {
	return store.Recipe{}, fault.New(fault.Unavailable, "Redis is away")
}

func TestARecipeThatIsKnownCanBeUsedWhileNothingCanBeStored(t *testing.T) {
	w := newWorld(t)
	id := w.keep("half", blend(0.5, 0.5))
	away := w.replica(func(o *catalog.Options) { o.Store = readOnly{w.store} })
	known, err := away.UseRecipe(t.Context(), blend(0.5, 0.5))
	require.NoError(t, err)
	require.Equal(t, id, known.ID)
	require.Equal(t, "half", known.Name)
	_, err = away.UseRecipe(t.Context(), blend(0.5, 0.25))
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	_, err = away.PutRecipe(t.Context(), "", blend(0.5, 0.5))
	require.Equal(t, fault.Unavailable, fault.CodeOf(err), "who keeps it wants to be sure")
	fresh, err := w.UseRecipe(t.Context(), blend(0.5, 0.25))
	require.NoError(t, err)
	w.touch(fresh.ID)
	unfit := blend(0.5, 0.5)
	unfit.Sources[0].Model = "other"
	_, err = away.UseRecipe(t.Context(), unfit)
	require.Equal(t, fault.Unfit, fault.CodeOf(err))
}

func TestARecipeThatAnotherDeletedIsDropped(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	lease := w.acquire(id)
	_, before := w.Budget()
	require.NoError(t, w.store.DeleteRecipe(t.Context(), id))
	w.Changed(store.Change{Recipe: id})
	_, during := w.Budget()
	require.Equal(t, before, during, "its reader reads to the end")
	lease.Release()
	_, after := w.Budget()
	require.Equal(t, before-tinyBytes(), after)
}

// Two catalogs on one store lock each other out of nothing.
func TestReplicasRaceForNames(t *testing.T) {
	w := newWorld(t)
	both := []*catalog.Catalog{w.Catalog, w.replica()}
	for round := range 20 {
		r := blend(0.5, float64(round))
		kept := make([]store.Recipe, 4)
		errs := make([]error, len(kept))
		together(len(kept), func(i int) {
			kept[i], errs[i] = both[i%2].PutRecipe(t.Context(), fmt.Sprint("name-", i), r)
		})
		for i := range kept {
			require.NoError(t, errs[i])
			require.Equal(t, kept[0], kept[i], "all are told of the one that is kept")
		}
		id := kept[0].ID
		var set, deleted error
		together(2, func(i int) {
			if i == 0 {
				_, set = both[round%2].SetAlias(t.Context(), "production", id)
			} else {
				deleted = both[1-round%2].DeleteRecipe(t.Context(), id)
			}
		})
		require.NotEqual(t, set == nil, deleted == nil, "%v, %v", set, deleted)
		for _, err := range []error{set, deleted} {
			require.Contains(t, []fault.Code{"", fault.NotFound, fault.Conflict}, fault.CodeOf(err))
		}
		if set == nil {
			w.touch("production")
			require.NoError(t, w.DeleteAlias(t.Context(), "production"))
		}
	}
}
