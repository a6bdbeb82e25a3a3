package catalog_test

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

func TestAnAliasIsMovedOnlyUnderItsConditions(t *testing.T) {
	w := newWorld(t)
	w.alias("production", "a")
	refused := fault.New(fault.Conflict, "not from there")
	only := func(target string) catalog.Condition {
		return func(now store.Alias) error {
			if now.Target != target {
				return refused
			}
			return nil
		}
	}
	_, err := w.SetAlias(t.Context(), "production", "b", only("base"))
	require.ErrorIs(t, err, refused)
	_, err = w.RollbackAlias(t.Context(), "production", catalog.Rollback{}, only("base"))
	require.ErrorIs(t, err, refused)
	a, err := w.SetAlias(t.Context(), "production", "b", only("a"), only("a"))
	require.NoError(t, err)
	require.Equal(t, "b", a.Target)
	_, err = w.SetAlias(t.Context(), "new", "b", only("a"))
	require.ErrorIs(t, err, refused)
	_, err = w.SetAlias(t.Context(), "new", "b", only(""))
	require.NoError(t, err, "an alias that isn't there has no target")
	a, err = w.RollbackAlias(t.Context(), "production", catalog.Rollback{}, only("b"))
	require.NoError(t, err)
	require.Equal(t, "a", a.Target)
}

func TestRollback(t *testing.T) {
	for _, c := range []struct {
		name    string
		targets []string
		to      catalog.Rollback
		want    string // empty: refused
		param   string
	}{
		{"to the one before", []string{"base", "a", "b"}, catalog.Rollback{}, "a", ""},
		{"by one step", []string{"base", "a", "b"}, catalog.Rollback{Steps: 1}, "a", ""},
		{"by two steps", []string{"base", "a", "b"}, catalog.Rollback{Steps: 2}, "base", ""},
		{"further than it remembers", []string{"base", "a"}, catalog.Rollback{Steps: 2}, "", "steps"},
		{"of one that never moved", []string{"base"}, catalog.Rollback{}, "", "steps"},
		{"to a target", []string{"base", "a", "b"}, catalog.Rollback{Target: "base"}, "base", ""},
		{"to where it is", []string{"base", "a"}, catalog.Rollback{Target: "a"}, "a", ""},
		{"to where it never was", []string{"base", "a"}, catalog.Rollback{Target: "b"}, "", "to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, target := range c.targets {
				w.alias("production", target)
			}
			before, err := w.GetAlias(t.Context(), "production")
			require.NoError(t, err)
			after, err := w.RollbackAlias(t.Context(), "production", c.to)
			if c.want == "" {
				requireConflict(t, c.param, err)
				after = before
			} else {
				require.NoError(t, err)
				require.Equal(t, c.want, after.Target)
			}
			stored, err := w.GetAlias(t.Context(), "production")
			require.NoError(t, err)
			require.Equal(t, after, stored)
		})
	}
}

func TestARollbackIsAMoveLikeAnyOther(t *testing.T) {
	w := newWorld(t)
	for _, target := range []string{"base", "a", "b"} {
		w.alias("production", target)
	}
	for _, want := range []string{"a", "b", "a"} {
		a, err := w.RollbackAlias(t.Context(), "production", catalog.Rollback{})
		require.NoError(t, err)
		require.Equal(t, want, a.Target)
	}
	a, err := w.GetAlias(t.Context(), "production")
	require.NoError(t, err)
	var history []string
	for _, was := range a.History {
		history = append(history, was.Target)
	}
	require.Equal(t, []string{"base", "a", "b", "a", "b"}, history)
}

func TestARollbackToWhatIsGoneIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	w.alias("production", id)
	w.alias("production", "a")
	require.NoError(t, w.DeleteRecipe(t.Context(), id), "it stood for it once")
	_, err := w.RollbackAlias(t.Context(), "production", catalog.Rollback{})
	requireConflict(t, "to", err)
	require.ErrorContains(t, err, id)

	writeModel(t, w.path("fleeting"), tinyConfig(), 3)
	w.alias("production", "fleeting")
	w.alias("production", "b")
	require.NoError(t, os.RemoveAll(w.path("fleeting")))
	_, err = w.RollbackAlias(t.Context(), "production", catalog.Rollback{})
	requireConflict(t, "to", err)
	require.ErrorContains(t, err, "fleeting")
	a, err := w.RollbackAlias(t.Context(), "production", catalog.Rollback{Steps: 2})
	require.NoError(t, err)
	require.Equal(t, "a", a.Target)

	_, err = w.RollbackAlias(t.Context(), "ghost", catalog.Rollback{})
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

func requireConflict(t *testing.T, param string, err error) {
	t.Helper()
	var f *fault.Error
	require.True(t, errors.As(err, &f), "%v", err)
	require.Equal(t, fault.Conflict, f.Code, "%v", err)
	require.Equal(t, param, f.Param)
}
