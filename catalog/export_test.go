package catalog_test

import (
	"context"
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
