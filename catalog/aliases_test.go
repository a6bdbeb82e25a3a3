package catalog_test

import (
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

func TestAnAliasStandsForAModel(t *testing.T) {
	w := newWorld(t)
	id := w.keep("half", blend(0.5, 0.5))
	for alias, target := range map[string]string{"by-id": id, "by-name": "half", "of-source": "a"} {
		w.alias(alias, target)
	}
	w.alias("of-alias", "by-id")
	for alias, want := range map[string]string{"by-id": id, "by-name": id, "of-source": "a", "of-alias": id} {
		e, err := w.Get(t.Context(), alias)
		require.NoError(t, err)
		require.Equal(t, catalog.Entry{ID: alias, Kind: catalog.Alias, Target: want, Created: w.clock, State: catalog.Unloaded}, e)
	}
	// An alias of an alias means what that one stood for: it does not follow it.
	w.alias("by-id", "base")
	e, err := w.Get(t.Context(), "of-alias")
	require.NoError(t, err)
	require.Equal(t, id, e.Target)

	w.touch("by-name")
	require.Equal(t, catalog.Ready, w.states()["of-alias"], "one model, whatever it is called")
	require.EqualValues(t, 1, w.merger.merges.Load())
}

func TestAnAliasTakesNobodysName(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	for _, c := range []struct {
		alias, target string
		code          fault.Code
	}{
		{"a", "base", fault.Conflict},
		{id, "base", fault.Conflict},
		{"recipe-0123456789abcdef", "base", fault.Conflict},
		{"../a", "base", fault.Invalid},
		{"", "base", fault.Invalid},
		{"new", "ghost", fault.NotFound},
		{"new", "new", fault.NotFound},
	} {
		_, err := w.SetAlias(t.Context(), c.alias, c.target)
		require.Equal(t, c.code, fault.CodeOf(err), "%q -> %q", c.alias, c.target)
	}
	all, err := w.ListAliases(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestMovingAnAliasLeavesThoseWhoHoldItsModel(t *testing.T) {
	w := newWorld(t)
	w.alias("production", "a")
	old := w.acquire("production")
	before := tensors.MustCopyFlatData[float32](old.Model.Weights.Tensors()[0])
	w.alias("production", "b")
	latest := w.acquire("production")
	require.Equal(t, "b", latest.Model.Name)
	require.Equal(t, "b", latest.Entry.Target)
	require.Equal(t, before, tensors.MustCopyFlatData[float32](old.Model.Weights.Tensors()[0]))
	old.Release()
	latest.Release()

	a, err := w.GetAlias(t.Context(), "production")
	require.NoError(t, err)
	previous, ok := a.Previous()
	require.True(t, ok)
	require.Equal(t, "a", previous)
	w.restart()
	again, err := w.GetAlias(t.Context(), "production")
	require.NoError(t, err)
	require.Equal(t, a, again)
	require.NoError(t, w.DeleteAlias(t.Context(), "production"))
	_, err = w.Acquire(t.Context(), "production")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}
