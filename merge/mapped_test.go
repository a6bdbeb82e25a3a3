package merge

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
)

// book is a shelf whose tensors can be read where they lie, but for some.
type book struct {
	*shelf
	shut   []int // tensors that have to be uploaded
	mapped int   // tensors that nobody has let go of
}

// Map implements Mapped.
func (b *book) Map(ctx context.Context, i int) (infer.Mapped, bool, error) {
	if err := cancelled(ctx); err != nil {
		return infer.Mapped{}, false, err
	}
	if i == b.fail {
		return infer.Mapped{}, false, fault.New(fault.Damaged, "a bad sector")
	}
	if slices.Contains(b.shut, i) {
		return infer.Mapped{}, false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mapped++
	shape := shapes.Make(dtypes.Float32, arch.Params(b.config)[i].Shape...)
	return infer.Mapped{Shape: shape, Data: dtypes.UnsafeByteSliceFromAny(b.values[i])}, true, nil
}

// Unmap implements Mapped.
func (b *book) Unmap(int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mapped--
}

// opened makes books of shelves.
func opened(t *testing.T, shelves map[string]Model, shut ...int) map[string]Model {
	books := map[string]Model{}
	var pinned runtime.Pinner // files are not Go's memory, these are
	t.Cleanup(pinned.Unpin)
	for name, s := range shelves {
		for _, values := range s.(*shelf).values {
			pinned.Pin(&values[0])
		}
		b := &book{shelf: s.(*shelf), shut: shut}
		t.Cleanup(func() { assert.Zero(t, b.mapped, "%s: tensors that nobody has let go of", name) })
		books[name] = b
	}
	return books
}

// rounded is toyRecipe with a result that the kernel writes, if it can write any.
func rounded(m Method) Recipe {
	r := toyRecipe(m)
	r.DType = "bfloat16"
	return r
}

func TestWhatIsReadWhereItLiesIsMergedAlike(t *testing.T) {
	x := sharedExecutor(t)
	models := fourModels(t)
	for _, m := range Methods() {
		t.Run(string(m), func(t *testing.T) {
			r := rounded(m)
			want, err := x.Merge(t.Context(), r, models)
			require.NoError(t, err)
			defer want.Free()
			for how, books := range map[string]map[string]Model{
				"all":       opened(t, shelve(t, models)),
				"all but 3": opened(t, shelve(t, models), 3),
			} {
				got, err := x.MergeFrom(t.Context(), r, books, StreamOptions{})
				require.NoError(t, err, how)
				require.Equal(t, read(t, want), read(t, got), how)
				got.Free()
				j, _, err := prepare(r, books)
				require.NoError(t, err)
				if how == "all" && len(j.parts) == 1 && x.passes(j.parts[0].program) {
					for name, b := range books {
						require.Empty(t, b.(*book).given, "%s was uploaded", name)
					}
				}
			}
		})
	}
}

func TestWhatFailsOrIsCancelledLetsGoOfWhatItReads(t *testing.T) {
	x := newExecutor(t)
	models := fourModels(t)
	for i := range arch.Params(small()) {
		books := opened(t, shelve(t, models)) // checks at the end of the test
		books["b"].(*book).fail = i
		_, err := x.MergeFrom(t.Context(), rounded(TaskArithmetic), books, StreamOptions{})
		require.Equal(t, fault.Damaged, fault.CodeOf(err), "tensor %d: %v", i, err)

		ctx, cancel := context.WithCancel(t.Context())
		left := i
		_, err = x.MergeFrom(ctx, rounded(TIES), opened(t, shelve(t, models)), StreamOptions{Progress: func(int, int) {
			if left--; left <= 0 {
				cancel()
			}
		}})
		cancel()
		if err != nil {
			require.Equal(t, fault.Cancelled, fault.CodeOf(err))
		}
	}
}

// What an export has written is written over by what it merges next.
func TestMemoryOfWhatIsWrittenIsUsedAgain(t *testing.T) {
	x := newExecutor(t)
	if !x.onePass {
		t.Skip("this processor has no kernel that could write there")
	}
	made := randomWeights(t, rand.New(rand.NewPCG(5, 0)), small())
	r := &reused{}
	first := made.Tensors()[1]
	r.put(first)
	_, ok := r.take(shapes.Make(dtypes.Float32, 1))
	require.False(t, ok, "of another shape")
	again, ok := r.take(first.Shape())
	require.True(t, ok)
	require.Same(t, first, again)
	_, ok = r.take(first.Shape())
	require.False(t, ok, "there was one")
	r.put(again)
	r.close()
	require.False(t, first.Ok(), "it is freed with the others")
}
