package catalog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/merge"
)

// halves is the plain average of two of the world's models.
func halves() merge.Recipe {
	r := merge.NewRecipe(merge.Linear)
	r.DType = "float32"
	r.Sources = []merge.Source{{Model: "a", Weight: merge.Numbers(0.5)}, {Model: "b", Weight: merge.Numbers(0.5)}}
	return r
}

// numbers copies a model's weights.
func numbers(t *testing.T, m *infer.Model) [][]float32 {
	t.Helper()
	var all [][]float32
	for _, tensor := range m.Weights.Tensors() {
		values, err := tensors.CopyFlatData[float32](tensor)
		require.NoError(t, err)
		all = append(all, values)
	}
	return all
}

func TestAnExportIsASourceOfTheSameNumbers(t *testing.T) {
	w := newWorld(t)
	stored, err := w.PutRecipe(t.Context(), "halves", halves())
	require.NoError(t, err)
	var last [2]int64
	require.NoError(t, w.Export(t.Context(), "halves", catalog.ExportOptions{
		Dir: w.path("exported"), Scores: []merge.CardScore{{Task: "sums", Split: "test", Problems: 10, Accuracy: 0.5}},
		Progress: func(written, total int64) { last = [2]int64{written, total} },
	}))
	require.Equal(t, [2]int64{tinyBytes(), tinyBytes()}, last)
	served, err := w.Acquire(t.Context(), stored.ID)
	require.NoError(t, err)
	defer served.Release()
	loaded, err := w.Acquire(t.Context(), "exported")
	require.NoError(t, err)
	defer loaded.Release()
	require.Equal(t, numbers(t, served.Model), numbers(t, loaded.Model), "to the last bit")
	require.Equal(t, served.Model.Template.Source(), loaded.Model.Template.Source())

	card, err := os.ReadFile(filepath.Join(w.path("exported"), "README.md"))
	require.NoError(t, err)
	described, err := w.Card(t.Context(), stored.ID)
	require.NoError(t, err)
	for _, part := range described.Parts {
		require.Contains(t, string(card), part.Digest)
	}
	require.Contains(t, string(card), "| sums | 10, test |")
}

// An export takes neither the room of the model nor that of its sources, and
// evicts nobody who is not in its way.
func TestAnExportNeedsRoomForAUnit(t *testing.T) {
	unit := feedBytes(4) // three sources and what is merged of them
	want := resident(t, blend(0.5, 0.25))
	for _, c := range []struct {
		name   string
		budget int64
		loaded []string // before
		stay   int64    // of them
	}{
		{"nothing is there", unit, nil, 0},
		{"what is there is used there", 3*tinyBytes() + feedBytes(1), []string{"base", "a", "b"}, 3},
		{"what is there leaves no room", 2*tinyBytes() + tinyBytes()/2, []string{"base", "a"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.budget = c.budget })
			id := w.keep("", blend(0.5, 0.25))
			w.touch(c.loaded...)
			require.NoError(t, w.Export(t.Context(), id, catalog.ExportOptions{Dir: w.path("exported")}))
			_, used := w.Budget()
			require.Equal(t, c.stay*tinyBytes(), used)
			require.Equal(t, catalog.Unloaded, w.states()[id])
			w.close()
			w.budget = 1 << 30
			w.open()
			lease := w.acquire("exported")
			defer lease.Release()
			require.Equal(t, want, numbers(t, lease.Model))
		})
	}
	w := newWorld(t, func(w *world) { w.budget = unit - 1 })
	err := w.Export(t.Context(), w.keep("", blend(0.5, 0.25)), catalog.ExportOptions{Dir: w.path("exported")})
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	require.ErrorContains(t, err, fmt.Sprint(unit))
	require.ErrorContains(t, err, fmt.Sprint(unit-1))
	require.NoDirExists(t, w.path("exported"))
}

func TestAnExportThatWasSuspendedIsGoneOnWith(t *testing.T) {
	w := newWorld(t)
	id := w.keep("", blend(0.5, 0.25))
	ctx, cancel := context.WithCancelCause(t.Context())
	o := catalog.ExportOptions{Dir: w.path("exported"), Note: json.RawMessage(`{"id":"export-1"}`), Progress: func(written, _ int64) {
		if written > 0 {
			cancel(merge.ErrSuspended)
		}
	}}
	require.Equal(t, fault.Cancelled, fault.CodeOf(w.Export(ctx, id, o)))
	_, used := w.Budget()
	require.Zero(t, used)
	left, err := merge.LeftExports(w.dir)
	require.NoError(t, err)
	require.Equal(t, []merge.Left{{Dir: o.Dir, Note: o.Note}}, left)
	require.NotContains(t, w.states(), ".exported.mergeway-export", "it is no model")
	o.Progress = nil
	require.NoError(t, w.Export(t.Context(), id, o))
	w.touch("exported")
}

func TestExportsThatCanNotBe(t *testing.T) {
	w := newWorld(t)
	stored, err := w.PutRecipe(t.Context(), "halves", halves())
	require.NoError(t, err)
	to := catalog.ExportOptions{Dir: filepath.Join(t.TempDir(), "x")}
	export := func(ctx context.Context, id string) fault.Code { return fault.CodeOf(w.Export(ctx, id, to)) }
	require.Equal(t, fault.NotFound, export(t.Context(), "none"))
	require.Equal(t, fault.NotFound, export(t.Context(), "base"), "it is no recipe")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	lease, err := w.Acquire(t.Context(), stored.ID)
	require.NoError(t, err)
	defer lease.Release()
	require.Equal(t, fault.Cancelled, export(stopped, stored.ID))

	writeModel(t, w.path("b"), tinyConfig(), 77) // another time, and so another version
	require.Equal(t, fault.Conflict, export(t.Context(), stored.ID), "the model is here, but its sources are others now")
	require.NoDirExists(t, to.Dir)
	w.Close()
	require.Equal(t, fault.Unavailable, export(t.Context(), stored.ID))
}
