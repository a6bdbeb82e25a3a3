package catalog_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

// on is a recipe that puts half of a model on another.
func on(base, model string, inputs map[string]merge.Recipe) merge.Recipe {
	r := merge.NewRecipe(merge.TaskArithmetic)
	r.Base, r.DType, r.Inputs = base, "float32", inputs
	r.Sources = []merge.Source{{Model: model, Weight: merge.Numbers(0.5)}}
	return r
}

// nested is a recipe of b on what a on base makes.
func nested() merge.Recipe {
	return on("x", "b", map[string]merge.Recipe{"x": blend(0.5, 0.25)})
}

func TestARecipeOfRecipesIsMadeOfTheirModels(t *testing.T) {
	w := newWorld(t)
	inner, outer := w.keep("", blend(0.5, 0.25)), w.keep("", nested())
	lease := w.acquire(outer)
	defer lease.Release()
	require.EqualValues(t, 2, w.merger.merges.Load())
	require.Equal(t, catalog.Ready, w.states()[inner], "what is within is a model like any other")
	part := w.acquire(inner)
	defer part.Release()
	require.EqualValues(t, 2, w.merger.merges.Load(), "and made once")

	b := w.acquire("b")
	defer b.Release()
	want, err := w.merger.Executor.Merge(t.Context(), on("x", "b", nil), map[string]*infer.Weights{"x": part.Model.Weights, "b": b.Model.Weights})
	require.NoError(t, err)
	defer want.Free()
	requireSameWeights(t, want, lease.Model.Weights)

	candidate, err := w.Merge(t.Context(), nested())
	require.NoError(t, err)
	defer candidate.Release()
	require.EqualValues(t, 3, w.merger.merges.Load(), "nor is it made again for a candidate")
	requireSameWeights(t, want, candidate.Model.Weights)
}

func requireSameWeights(t *testing.T, want, got *infer.Weights) {
	t.Helper()
	a, b := want.Tensors(), got.Tensors()
	require.Len(t, b, len(a))
	for i := range a {
		require.True(t, a[i].Equal(b[i]), "tensor %d", i)
	}
}

func TestManyWhoNeedAnInputMakeItOnce(t *testing.T) {
	w := newWorld(t)
	var ids []string
	for i := range 8 {
		r := nested()
		r.Sources[0].Weight = merge.Numbers(float64(i) + 1)
		ids = append(ids, w.keep("", r))
	}
	together(len(ids), func(i int) {
		lease, err := w.Acquire(t.Context(), ids[i])
		if assert.NoError(t, err) {
			lease.Release()
		}
	})
	require.EqualValues(t, len(ids)+1, w.merger.merges.Load())
}

func TestInputsAreMadeWithTheRoomThatThereIs(t *testing.T) {
	// The merge within takes base, a, b and itself; the other one itself, b and
	// what is made.
	w := newWorld(t, func(w *world) { w.budget = 4*tinyBytes() + 100 })
	id := w.keep("", nested())
	w.touch(id)
	require.Equal(t, catalog.Ready, w.states()[id])

	// With less, sources are read as they are merged; what is made has to be there.
	short := newWorld(t, func(w *world) { w.budget = 3*tinyBytes() + 100 })
	id = short.keep("", nested())
	short.touch(id)
	card, err := short.Card(t.Context(), short.keep("", blend(0.5, 0.25)))
	require.NoError(t, err)
	require.True(t, card.Made.Streamed)

	// With still less there is no way, and nobody waits for what will not be.
	short = newWorld(t, func(w *world) { w.budget = 2 * tinyBytes() })
	id = short.keep("", nested())
	_, err = short.Acquire(t.Context(), id)
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err), "%v", err)

	// Many at once find room or are told that there is none; they all end.
	var ids []string
	for i := range 6 {
		r := nested()
		inner := blend(0.5, float64(i))
		r.Inputs = map[string]merge.Recipe{"x": inner}
		ids = append(ids, w.keep("", r))
	}
	together(24, func(i int) {
		lease, err := w.Acquire(t.Context(), ids[i%len(ids)])
		if err != nil {
			assert.Equal(t, fault.OutOfMemory, fault.CodeOf(err), "%v", err)
			return
		}
		lease.Release()
	})
	w.touch(ids[0])
}

func TestStoredNamesBecomeInputs(t *testing.T) {
	w := newWorld(t)
	inner := w.keep("half-half", blend(0.5, 0.25))
	w.alias("live", inner)
	w.alias("plain", "b")
	want := w.keep("", nested())
	for _, name := range []string{inner, "half-half", "live"} {
		require.Equal(t, want, w.keep("", on(name, "b", nil)), name)
		require.Equal(t, want, w.keep("", on(name, "plain", nil)), name)
	}
	used, err := w.UseRecipe(t.Context(), on("live", "b", nil))
	require.NoError(t, err)
	require.Equal(t, want, used.ID)

	deep := w.keep("", on("base", "y", map[string]merge.Recipe{"y": on("live", "b", nil)}))
	stored, err := w.GetRecipe(t.Context(), deep)
	require.NoError(t, err)
	r, err := catalog.ReadRecipe(stored)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "base"}, r.Leaves())

	// What is stored does not follow the name.
	w.alias("live", "a")
	require.NoError(t, w.DeleteRecipe(t.Context(), inner))
	w.touch(want, deep)
	require.NotEqual(t, want, w.keep("", on("live", "b", nil)))

	// One thing under two names is one source too many.
	again := w.keep("half-half", blend(0.5, 0.25))
	twice := on("base", "half-half", nil)
	twice.Sources = append(twice.Sources, merge.Source{Model: again, Weight: merge.Numbers(1)})
	_, err = w.PutRecipe(t.Context(), "", twice)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.Contains(t, err.Error(), "already sources[0]")
}

func TestAStoredNameWhoseSourcesHaveChangedIsNoInput(t *testing.T) {
	w := newWorld(t)
	inner := w.keep("", blend(0.5, 0.25))
	outer := w.keep("", nested())
	w.touch(outer)
	writeModel(t, w.path("a"), tinyConfig(), 77)
	w.restart()
	_, err := w.PutRecipe(t.Context(), "", on(inner, "b", nil))
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	_, err = w.Acquire(t.Context(), outer)
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "nor is what is made of it")
	card, err := w.Card(t.Context(), outer)
	require.NoError(t, err)
	require.True(t, card.Changed)
}

func TestInputsHaveToFit(t *testing.T) {
	w := newWorld(t)
	r := on("base", "x", map[string]merge.Recipe{"x": on("base", "other", nil)})
	_, err := w.PutRecipe(t.Context(), "", r)
	require.Equal(t, fault.Unfit, fault.CodeOf(err))
	var misfit *merge.Misfit
	require.ErrorAs(t, err, &misfit)
	require.Contains(t, misfit.Problems[0].Message, `in the input "x": num_hidden_layers of "other" is 1, of "base" 2`)

	r = on("other", "x", map[string]merge.Recipe{"x": blend(1, 1)})
	_, err = w.PutRecipe(t.Context(), "", r)
	require.ErrorAs(t, err, &misfit)
	require.Contains(t, misfit.Error(), `num_hidden_layers of "x" is 2, of "other" 1`)

	_, err = w.PutRecipe(t.Context(), "", on("base", "x", map[string]merge.Recipe{"x": on("gone", "nowhere", nil)}))
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	require.Contains(t, err.Error(), `"gone", "nowhere"`)
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "inputs", f.Param)
}

func TestARecipeOfRecipesHasTheWordsOfItsOrigin(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", nested())
	words, err := w.Words(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, words.Tokenizer)
	card, err := w.Card(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, card.Parts, 2)
	at := slices.IndexFunc(card.Parts, func(p catalog.Part) bool { return p.Recipe != "" })
	require.Equal(t, w.keep("", blend(0.5, 0.25)), card.Parts[at].Recipe)
	require.True(t, card.Parts[at].Base)
	require.False(t, card.Changed)
}

func TestARecipeOfRecipesIsExported(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", nested())
	dir := filepath.Join(t.TempDir(), "out")
	require.NoError(t, w.Export(t.Context(), id, catalog.ExportOptions{Dir: dir}))
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer folder.Close()
	require.FileExists(t, filepath.Join(dir, "tokenizer.json"))
}
