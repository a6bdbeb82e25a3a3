package merge

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
)

// exporting is a merge of small models from their shelves to a folder.
type exporting struct {
	t       *testing.T
	x       *Executor
	recipe  Recipe
	shelves map[string]Model
	dir     string
	options ExportOptions
}

// newExporting writes many small files.
func newExporting(t *testing.T) *exporting {
	e := &exporting{
		t: t, x: sharedExecutor(t), recipe: toyRecipe(TIES), shelves: shelve(t, fourModels(t)), dir: filepath.Join(t.TempDir(), "merged"),
		options: ExportOptions{Parent: parentFolder(t), ShardBytes: 2500, Identity: "the four models"},
	}
	e.recipe.DType = "bfloat16"
	return e
}

func (e *exporting) run(ctx context.Context) error {
	return e.x.ExportFrom(ctx, e.dir, e.recipe, e.shelves, e.options)
}

// making is what is written to before it is whole.
func (e *exporting) making() string {
	return filepath.Join(filepath.Dir(e.dir), ".merged.mergeway-export")
}

// failAt lets the tensor of this number be no longer readable; -1: all are.
func (e *exporting) failAt(tensor int) { e.shelves["a"].(*shelf).fail = tensor }

// uploads counts the tensors that were read of a model since the last call.
func (e *exporting) uploads() int {
	s := e.shelves["a"].(*shelf)
	n := len(s.given)
	s.given = nil
	return n
}

// undisturbed are the files that an export from resident models writes.
func (e *exporting) undisturbed() map[string]string {
	e.t.Helper()
	resident := map[string]*infer.Weights{}
	for name, m := range e.shelves {
		var all []*tensors.Tensor
		for i, p := range arch.Params(m.Config()) {
			all = append(all, tensors.FromFlatDataAndDimensions(m.(*shelf).values[i], p.Shape...))
		}
		w, err := infer.NewWeights(m.Config(), e.x.dev, all)
		require.NoError(e.t, err)
		defer w.Free()
		resident[name] = w
	}
	merged, err := e.x.Merge(e.t.Context(), e.recipe, resident)
	require.NoError(e.t, err)
	defer merged.Free()
	dir := filepath.Join(e.t.TempDir(), "merged")
	o := e.options
	o.Identity = ""
	require.NoError(e.t, e.x.Export(e.t.Context(), dir, e.recipe, merged, o))
	return filesOf(e.t, dir)
}

func TestAStreamedExportIsTheResidentOneToTheLastByte(t *testing.T) {
	for _, dtype := range []string{"bfloat16", "float16", "float32"} {
		for _, shard := range []int64{0, 2500} {
			for _, sequential := range []bool{false, true} {
				e := newExporting(t)
				e.recipe.DType, e.options.ShardBytes, e.options.Sequential = dtype, shard, sequential
				var told [][2]int64
				e.options.Progress = func(written, total int64) { told = append(told, [2]int64{written, total}) }
				require.NoError(t, e.run(t.Context()))
				e.options.Progress = nil
				require.Equal(t, e.undisturbed(), filesOf(t, e.dir))
				require.NoDirExists(t, e.making())
				require.Equal(t, len(arch.Params(small())), e.uploads(), "each tensor is read once")
				require.Zero(t, told[0][0])
				require.Equal(t, told[len(told)-1][0], told[len(told)-1][1])
			}
		}
	}
}

func TestAStackedModelIsWrittenAsItIsMerged(t *testing.T) {
	e := newExporting(t)
	blocks := func(model string, from, to int) Source {
		return Source{Model: model, Weight: Numbers(0.5), LayerRange: Range{from, to}}
	}
	e.recipe = NewRecipe(Linear)
	e.recipe.DType = "bfloat16"
	e.recipe.Slices = []Slice{
		{Sources: []Source{blocks("a", 0, 2), blocks("b", 1, 3)}},
		{Sources: []Source{blocks("c", 0, 3), blocks("a", 0, 3)}},
	}
	unit := map[string]int64{"a": 1, "b": 10, "c": 100}
	require.Equal(t, int64(101), e.recipe.Fed(unit), "the widest slice")
	require.Equal(t, int64(111), linear("a", 1, "b", 1).Fed(map[string]int64{"a": 11, "b": 100}))
	require.NoError(t, e.run(t.Context()))
	require.Equal(t, e.undisturbed(), filesOf(t, e.dir))
}

func TestAnExportThatFailedIsGoneOnWith(t *testing.T) {
	whole := len(arch.Params(small()))
	last := whole - 4 // in the third block
	for _, sequential := range []bool{false, true} {
		e := newExporting(t)
		e.options.Sequential, e.options.Note = sequential, json.RawMessage(`{"id": 7}`)
		e.failAt(last)
		err := e.run(t.Context())
		require.Equal(t, fault.Damaged, fault.CodeOf(err))
		require.ErrorContains(t, err, "a bad sector")
		require.ErrorContains(t, err, "the files that are complete are kept in .merged.mergeway-export, and the same export goes on from there")
		require.NoDirExists(t, e.dir)
		shards, err := filepath.Glob(filepath.Join(e.making(), "model-*.safetensors"))
		require.NoError(t, err)
		require.NotEmpty(t, shards)
		left, err := LeftExports(filepath.Dir(e.dir))
		require.NoError(t, err)
		require.Empty(t, left, "it has failed, and is gone on with when it is asked for")
		e.uploads()

		e.failAt(0) // what is written is not needed
		var first int64 = -1
		e.options.Progress = func(written, _ int64) {
			if first < 0 {
				first = written
			}
		}
		require.NoError(t, e.run(t.Context()))
		require.Positive(t, first, "of what was there")
		require.Less(t, e.uploads(), whole)
		require.Equal(t, e.undisturbed(), filesOf(t, e.dir))
		require.NoDirExists(t, e.making())
	}
}

func TestWhatIsLeftIsOnlyTakenOverIfItIsTheSame(t *testing.T) {
	for name, change := range map[string]func(e *exporting){
		"another recipe":                  func(e *exporting) { e.recipe.Sources[0].Weight = Numbers(0.25) },
		"other models":                    func(e *exporting) { e.options.Identity = "mended" },
		"models that nothing is known of": func(e *exporting) { e.options.Identity = "" },
		"other files":                     func(e *exporting) { e.options.ShardBytes = 3000 },
		"files that have been damaged": func(e *exporting) {
			shards, err := filepath.Glob(filepath.Join(e.making(), "*.safetensors"))
			require.NoError(e.t, err)
			require.NotEmpty(e.t, shards)
			for _, path := range shards {
				data, err := os.ReadFile(path)
				require.NoError(e.t, err)
				data[len(data)-1]++
				require.NoError(e.t, os.WriteFile(path, data, 0o644))
			}
		},
		"a state that is cut short": func(e *exporting) { require.NoError(e.t, os.Truncate(filepath.Join(e.making(), stateFile), 20)) },
	} {
		t.Run(name, func(t *testing.T) {
			e := newExporting(t)
			e.failAt(len(arch.Params(small())) - 4)
			require.Error(t, e.run(t.Context()))
			e.uploads()
			e.failAt(-1)
			change(e)
			require.NoError(t, e.run(t.Context()))
			require.Equal(t, len(arch.Params(small())), e.uploads(), "all is read again")
			require.Equal(t, e.undisturbed(), filesOf(t, e.dir))
		})
	}
}

// cut runs an export whose context ends when a part of it is written.
func (e *exporting) cut(cause error) error {
	ctx, cancel := context.WithCancelCause(e.t.Context())
	defer cancel(nil)
	e.options.Progress = func(written, total int64) {
		if 2*written > total {
			cancel(cause)
		}
	}
	defer func() { e.options.Progress = nil }()
	return e.run(ctx)
}

func TestACancelledExportLeavesNothingASuspendedOneWhatItHas(t *testing.T) {
	e := newExporting(t)
	e.options.Note = json.RawMessage(`{"id":7}`)
	require.Equal(t, fault.Cancelled, fault.CodeOf(e.cut(nil)))
	entries, err := os.ReadDir(filepath.Dir(e.dir))
	require.NoError(t, err)
	require.Empty(t, entries)

	require.Equal(t, fault.Cancelled, fault.CodeOf(e.cut(ErrSuspended)))
	require.NoDirExists(t, e.dir)
	put(t, filepath.Dir(e.dir), "a file", "")
	put(t, filepath.Join(filepath.Dir(e.dir), ".other.mergeway-export"), "nothing of ours", "")
	want := []Left{{Dir: e.dir, Note: e.options.Note}}
	left, err := LeftExports(filepath.Dir(e.dir))
	require.NoError(t, err)
	require.Equal(t, want, left)
	p, err := openPlace(e.dir, false)
	require.NoError(t, err)
	left, err = LeftExports(filepath.Dir(e.dir))
	require.NoError(t, err)
	require.Empty(t, left, "somebody is at work on it")
	p.unlock()
	left, err = LeftExports(filepath.Dir(e.dir))
	require.NoError(t, err)
	require.Equal(t, want, left, "to look changes nothing")

	e.uploads()
	require.NoError(t, e.run(t.Context()))
	require.Less(t, e.uploads(), len(arch.Params(small())))
	require.Equal(t, e.undisturbed(), filesOf(t, e.dir))
	left, err = LeftExports(filepath.Join(e.dir, "none"))
	require.NoError(t, err)
	require.Empty(t, left)
}
