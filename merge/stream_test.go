package merge

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// shelf is a Stored model that knows of each tensor that it has given away, so
// that those that nobody frees are seen.
type shelf struct {
	config checkpoint.Config
	values [][]float32
	fail   int // the tensor that can't be read; -1: all can

	mu    sync.Mutex
	given []*tensors.Tensor
	most  int64 // bytes that were on the device at once
}

// Config implements Model.
func (s *shelf) Config() checkpoint.Config { return s.config }

// DType implements Model.
func (s *shelf) DType() dtypes.DType { return dtypes.Float32 }

// Upload implements Stored.
func (s *shelf) Upload(ctx context.Context, i int) (*tensors.Tensor, error) {
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	if i == s.fail {
		return nil, fault.New(fault.Damaged, "a bad sector")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := tensors.FromFlatDataAndDimensions(s.values[i], arch.Params(s.config)[i].Shape...)
	s.given = append(s.given, t)
	s.most = max(s.most, s.there())
	return t, nil
}

// there is how many bytes are on the device.
func (s *shelf) there() int64 {
	var bytes int64
	for _, t := range s.given {
		// It may be freed meanwhile, which this looks at under the tensor's lock.
		_ = t.ConstBytes(func(data []byte) { bytes += int64(len(data)) })
	}
	return bytes
}

// shelve gives models that are not on the device, with the weights of those.
func shelve(t *testing.T, models map[string]*infer.Weights) map[string]Model {
	shelves := map[string]Model{}
	for name, w := range models {
		s := &shelf{config: w.Config(), values: read(t, w), fail: -1}
		t.Cleanup(func() { assert.Zero(t, s.there(), "%s: tensors that nobody has freed", name) })
		shelves[name] = s
	}
	return shelves
}

// fourModels are a base and three sources, by the names of toyRecipe.
func fourModels(t *testing.T) map[string]*infer.Weights {
	rng := rand.New(rand.NewPCG(31, 0))
	models := map[string]*infer.Weights{}
	for _, name := range []string{"base", "a", "b", "c"} {
		models[name] = randomWeights(t, rng, small())
	}
	return models
}

// Where a model is must not change a bit of what is merged, by any method.
func TestStreamedEqualsResident(t *testing.T) {
	x := sharedExecutor(t)
	models := fourModels(t)
	for _, m := range Methods() {
		t.Run(string(m), func(t *testing.T) {
			r := toyRecipe(m)
			want, err := x.Merge(t.Context(), r, models)
			require.NoError(t, err)
			defer want.Free()
			shelves := shelve(t, models)
			mixed := shelve(t, models)
			mixed["base"], mixed["b"] = models["base"], models["b"]
			for how, models := range map[string]map[string]Model{"all": shelves, "some": mixed} {
				for _, sequential := range []bool{false, true} {
					var told []int
					got, err := x.MergeFrom(t.Context(), r, models, StreamOptions{Sequential: sequential, Progress: func(merged, total int) {
						require.Equal(t, 5, total, "embedding, three blocks, head")
						told = append(told, merged)
					}})
					require.NoError(t, err, how)
					require.Equal(t, read(t, want), read(t, got), "%s streamed", how)
					require.Equal(t, want.Config(), got.Config())
					got.Free()
					require.Equal(t, []int{1, 2, 3, 4, 5}, told)
				}
			}
		})
	}
}

// The device has to hold no more of a source than two units, or one.
func TestOfASourceAUnitOrTwoAreOnTheDevice(t *testing.T) {
	x := newExecutor(t)
	models := fourModels(t)
	unit := UnitBytes(small(), dtypes.Float32)
	require.Less(t, 2*unit, models["a"].Bytes())
	for sequential, limit := range map[bool]int64{true: unit, false: 2 * unit} {
		shelves := shelve(t, models)
		w, err := x.MergeFrom(t.Context(), toyRecipe(TIES), shelves, StreamOptions{Sequential: sequential})
		require.NoError(t, err)
		w.Free()
		for name, s := range shelves {
			require.Positive(t, s.(*shelf).most, name)
			require.LessOrEqual(t, s.(*shelf).most, limit, name)
		}
	}
	require.Empty(t, x.rankings.known, "what is read once is not remembered")
}

func TestAStreamThatFailsLeavesNothingOnTheDevice(t *testing.T) {
	x := newExecutor(t)
	models := fourModels(t)
	for i := range arch.Params(small()) {
		for _, sequential := range []bool{false, true} {
			shelves := shelve(t, models) // checks at the end of the test
			shelves["b"].(*shelf).fail = i
			_, err := x.MergeFrom(t.Context(), toyRecipe(Linear), shelves, StreamOptions{Sequential: sequential})
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "tensor %d: %v", i, err)
		}
	}
}

func TestAStreamStopsWhenItIsCancelled(t *testing.T) {
	x := newExecutor(t)
	models := fourModels(t)
	for units := range 4 {
		for _, sequential := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			left := units
			_, err := x.MergeFrom(ctx, toyRecipe(Linear), shelve(t, models), StreamOptions{Sequential: sequential, Progress: func(int, int) {
				if left--; left <= 0 {
					cancel()
				}
			}})
			cancel()
			require.Equal(t, fault.Cancelled, fault.CodeOf(err), "after %d units", units)
		}
	}
	cancelledBefore, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := x.MergeFrom(cancelledBefore, toyRecipe(Linear), shelve(t, models), StreamOptions{})
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
}
