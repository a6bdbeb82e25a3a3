package catalog_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

func TestTheSameRecipeIsStoredOnce(t *testing.T) {
	w := newWorld(t)
	first, err := w.PutRecipe(t.Context(), "first", blend(0.5, 0.25))
	require.NoError(t, err)
	require.Regexp(t, `^recipe-[0-9a-f]{16}$`, first.ID)
	w.clock = w.clock.Add(time.Hour)
	turned := blend(0.5, 0.25)
	turned.Sources[0], turned.Sources[1] = turned.Sources[1], turned.Sources[0]
	again, err := w.PutRecipe(t.Context(), "second", turned)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NotEqual(t, first.ID, w.keep("", blend(0.25, 0.5)))
	all, err := w.ListRecipes(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
}

func TestARecipeIsCheckedBeforeItIsStored(t *testing.T) {
	w := newWorld(t)
	with := func(change func(*merge.Recipe)) merge.Recipe {
		r := blend(1, 1)
		change(&r)
		return r
	}
	for _, c := range []struct {
		name   string
		recipe merge.Recipe
		label  string
		code   fault.Code
		param  string
		says   []string
	}{
		{"a missing source", with(func(r *merge.Recipe) { r.Sources[1].Model = "ghost" }), "", fault.NotFound, "sources", []string{"ghost"}},
		{"a missing base", with(func(r *merge.Recipe) { r.Base = "ghost" }), "", fault.NotFound, "base_model", []string{"ghost"}},
		{"another shape", with(func(r *merge.Recipe) { r.Sources[1].Model = "other" }), "", fault.Unfit, "", []string{"num_hidden_layers", "vocab_size", "other"}},
		{"an unknown method", with(func(r *merge.Recipe) { r.Method = "alchemy" }), "", fault.Invalid, "method", []string{"alchemy"}},
		{"a name that is none", blend(1, 1), "../up", fault.Invalid, "name", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.PutRecipe(t.Context(), c.label, c.recipe)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			var f *fault.Error
			require.True(t, errors.As(err, &f))
			require.Equal(t, c.param, f.Param)
			for _, s := range c.says {
				require.Contains(t, err.Error(), s)
			}
		})
	}
	all, err := w.ListRecipes(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	require.Zero(t, w.merger.merges.Load(), "nothing is merged before it is asked for")
}

func TestAMergedModelIsTheSameByAnyWay(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.75, -0.5))
	stored, candidate := w.acquire(id), func() *catalog.Lease {
		lease, err := w.Merge(t.Context(), blend(0.75, -0.5))
		require.NoError(t, err)
		return lease
	}()
	defer stored.Release()
	defer candidate.Release()
	base, a, b := w.acquire("base"), w.acquire("a"), w.acquire("b")
	defer base.Release()
	defer a.Release()
	defer b.Release()
	read := func(l *catalog.Lease, i int) []float32 {
		return tensors.MustCopyFlatData[float32](l.Model.Weights.Tensors()[i])
	}
	for i := range stored.Model.Weights.Tensors() {
		require.Equal(t, read(stored, i), read(candidate, i))
		x, y, z := read(base, i), read(a, i), read(b, i)
		for j, got := range read(stored, i) {
			require.InDelta(t, x[j]+0.75*(y[j]-x[j])-0.5*(z[j]-x[j]), got, 1e-5)
		}
	}
	require.Same(t, base.Model.Tokenizer, stored.Model.Tokenizer)
	require.Same(t, base.Model.Template, stored.Model.Template)
}

func TestARecipeWhoseSourcesChangedIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	w.touch(id)
	w.close()
	writeModel(t, w.path("b"), tinyConfig(), 77)
	w.open()
	_, err := w.Acquire(t.Context(), id)
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, id)
	require.NotEqual(t, id, w.keep("", blend(0.5, 0.5)), "of other sources it is another recipe")
}

// Files may change under a running server. Weights that are there stay in use, and
// what is read next is of one version: no recipe is ever made of other sources
// than its id stands for.
func TestSourcesThatChangeWhileTheServerRuns(t *testing.T) {
	change := func(w *world) {
		c := tinyConfig()
		c.RMSNormEps = 1e-3 // of another length, in case the clock of the files is coarse
		writeModel(w.t, w.path("b"), c, 77)
	}
	refused := func(w *world, id string) {
		w.t.Helper()
		_, err := w.Acquire(w.t.Context(), id)
		require.Equal(w.t, fault.Conflict, fault.CodeOf(err), "%v", err)
		require.NotEqual(w.t, id, w.keep("", blend(0.5, 0.5)))
		require.NotEqual(w.t, catalog.Ready, w.states()[id])
	}
	t.Run("before they are loaded", func(t *testing.T) {
		w := newWorld(t)
		id := w.keep("", blend(0.5, 0.5))
		change(w)
		refused(w, id)
	})
	t.Run("after they made room for others", func(t *testing.T) {
		w := newWorld(t, room(4))
		id := w.keep("", blend(0.5, 0.5))
		for _, name := range []string{"c", "d"} {
			writeModel(t, w.path(name), tinyConfig(), 5)
		}
		w.touch("b", "base", "a", "c", "d")
		change(w)
		require.Equal(t, catalog.Unloaded, w.states()["b"])
		w.touch("b")
		refused(w, id)
	})
	t.Run("while they are resident", func(t *testing.T) {
		w := newWorld(t)
		id := w.keep("", blend(0.5, 0.5))
		w.touch("b")
		change(w)
		w.touch(id) // of the weights that are there
	})
	t.Run("before anyone has made a recipe of them", func(t *testing.T) {
		w := newWorld(t)
		old := w.acquire("b")
		change(w)
		id := w.keep("", blend(0, 1)) // of the files as they are now
		merged, b := w.acquire(id), w.acquire("b")
		require.NotSame(t, old.Model, b.Model)
		require.InDeltaSlice(t, tensors.MustCopyFlatData[float32](b.Model.Weights.Tensors()[0]),
			tensors.MustCopyFlatData[float32](merged.Model.Weights.Tensors()[0]), 1e-5)
		for _, l := range []*catalog.Lease{old, merged, b} {
			l.Release()
		}
	})
}

func TestNamesAreGivenAndTakenOneAtATime(t *testing.T) {
	w := newWorld(t)
	ids := make([]string, 8)
	names := make([]string, 8)
	together(len(ids), func(i int) {
		stored, err := w.PutRecipe(t.Context(), fmt.Sprint("name-", i), blend(0.5, 0.5))
		if assert.NoError(t, err) {
			ids[i], names[i] = stored.ID, stored.Name
		}
	})
	for i := range ids {
		require.Equal(t, ids[0], ids[i])
		require.Equal(t, names[0], names[i], "all are told the name that is kept")
	}
	// An alias and the deletion of its recipe: one of them is refused.
	for range 20 {
		id := w.keep("", blend(0.25, 0.75))
		var set, deleted error
		together(2, func(i int) {
			if i == 0 {
				_, set = w.SetAlias(t.Context(), "production", id)
			} else {
				deleted = w.DeleteRecipe(t.Context(), id)
			}
		})
		require.NotEqual(t, set == nil, deleted == nil, "%v, %v", set, deleted)
		if set == nil {
			w.touch("production")
			require.NoError(t, w.DeleteAlias(t.Context(), "production"))
			require.NoError(t, w.DeleteRecipe(t.Context(), id))
		}
	}
}

func TestARecipeOutlivesTheProcess(t *testing.T) {
	w := newWorld(t)
	id := w.keep("kept", blend(0.5, 0.5))
	w.touch(id)
	w.restart()
	require.Equal(t, catalog.Unloaded, w.states()[id])
	w.touch(id)
	require.Equal(t, catalog.Ready, w.states()[id])
}

func TestADeletedRecipeStaysForThoseWhoHoldIt(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.5))
	w.alias("production", id)
	require.Equal(t, fault.Conflict, fault.CodeOf(w.DeleteRecipe(t.Context(), id)))
	require.NoError(t, w.DeleteAlias(t.Context(), "production"))

	lease := w.acquire(id)
	_, before := w.Budget()
	require.NoError(t, w.DeleteRecipe(t.Context(), id))
	_, err := w.Get(t.Context(), id)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	require.NotPanics(t, func() { tensors.MustCopyFlatData[float32](lease.Model.Weights.Tensors()[0]) })
	_, during := w.Budget()
	require.Equal(t, before, during)
	lease.Release()
	lease.Release() // again does nothing
	_, after := w.Budget()
	require.Equal(t, before-tinyBytes(), after)
	require.Equal(t, fault.NotFound, fault.CodeOf(w.DeleteRecipe(t.Context(), id)))
	require.Equal(t, fault.NotFound, fault.CodeOf(w.DeleteRecipe(t.Context(), "base")), "a source is no recipe")
}

func TestSourcesAreReadFromTheModelsFolderOnly(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.Rename(w.path("b"), filepath.Join(w.data, "b")))
	require.NoError(t, os.Mkdir(w.path("b"), 0o755))
	for _, file := range []string{"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"} {
		require.NoError(t, os.Symlink(filepath.Join(w.data, "b", file), w.path("b", file)))
	}
	_, err := w.Acquire(t.Context(), "b")
	require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
	require.NotContains(t, err.Error(), w.data, "where things lie is nobody's business")
}
