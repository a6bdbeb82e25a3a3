package merge

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// small is a model that merges fast.
func small() checkpoint.Config {
	c := miniature()
	c.VocabSize, c.HiddenSize, c.IntermediateSize, c.NumHiddenLayers = 24, 16, 32, 3
	c.NumAttentionHeads, c.NumKeyValueHeads, c.HeadDim = 2, 1, 8
	return c
}

// randomWeights is a model of random float32 numbers that bfloat16 can hold.
func randomWeights(t testing.TB, rng *rand.Rand, c checkpoint.Config) *infer.Weights {
	var all []*tensors.Tensor
	for _, p := range arch.Params(c) {
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		values := make([]float32, n)
		for e := range values {
			values[e] = bfloat16.FromFloat32(float32(rng.NormFloat64())).Float32()
		}
		all = append(all, tensors.FromFlatDataAndDimensions(values, p.Shape...))
	}
	w, err := infer.NewWeights(c, devicetest.Open(t), all)
	require.NoError(t, err)
	t.Cleanup(w.Free)
	return w
}

// smallModels are a base and two sources.
func smallModels(t testing.TB, seed uint64) map[string]*infer.Weights {
	rng := rand.New(rand.NewPCG(seed, 0))
	return map[string]*infer.Weights{
		"base": randomWeights(t, rng, small()), "ja": randomWeights(t, rng, small()), "math": randomWeights(t, rng, small()),
	}
}

// read copies all tensors of a model.
func read(t testing.TB, w *infer.Weights) [][]float32 {
	var out [][]float32
	for _, tensor := range w.Tensors() {
		values, err := tensors.CopyFlatData[float32](tensor)
		require.NoError(t, err)
		out = append(out, values)
	}
	return out
}

func TestLayerGroupsGetTheirOwnWeights(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 1)
	values := map[string][][]float32{}
	for name, w := range models {
		values[name] = read(t, w)
	}
	for _, groups := range append(Groupings(), BlocksOf(2)) {
		n := groups.Count(3)
		r := NewRecipe(TaskArithmetic)
		r.Base, r.Groups = "base", groups
		r.Sources = []Source{{Model: "ja", Weight: Numbers(make([]float64, n)...)}, {Model: "math", Weight: Numbers(make([]float64, n)...)}}
		for g := range n { // each group is one source, by turns
			r.Sources[g%2].Weight.Values[g] = 1
		}
		w, err := x.Merge(context.Background(), r, models)
		require.NoError(t, err)
		got := read(t, w)
		w.Free()
		for i, p := range arch.Params(small()) {
			name := r.Sources[groups.Index(p.Group, 3)%2].Model
			assert.Equal(t, values[name][i], got[i], "%s: %s", groups, p.Name)
		}
	}
}

func TestMergedModelTakesAfterItsParent(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 2)
	longer := small()
	longer.MaxPositionEmbeddings = 1 << 20
	models["math"] = randomWeights(t, rand.New(rand.NewPCG(2, 2)), longer)

	r := linear("math", 1, "ja", 1)
	w, err := x.Merge(context.Background(), r, models)
	require.NoError(t, err)
	defer w.Free()
	assert.Equal(t, 1<<20, w.Config().MaxPositionEmbeddings)
	assert.Equal(t, dtypes.BFloat16, w.Config().DType, "what it is rounded to")
	assert.Equal(t, dtypes.Float32, w.DType(), "what it is held in")
	assert.Equal(t, models["ja"].Bytes(), w.Bytes())
}

func TestMergeRefusesWhatDoesNotFit(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 3)
	r := paper()
	r.Groups = Blocks
	_, err := x.Merge(context.Background(), r, models)
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
	delete(models, "ja")
	_, err = x.Merge(context.Background(), paper(), models)
	assert.Equal(t, fault.Unfit, fault.CodeOf(err))
	_, err = x.Merge(context.Background(), Recipe{}, models)
	assert.Equal(t, fault.Invalid, fault.CodeOf(err))
	assert.Zero(t, x.Compilations())
}

// countdown is a context that is cancelled after it was looked at so many times.
type countdown struct {
	context.Context
	mu   sync.Mutex
	left int
}

// Err implements context.Context.
func (c *countdown) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestMergeStopsBetweenLayers(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 4)
	for layers := range 5 { // embedding, three blocks, head
		ctx := &countdown{Context: context.Background(), left: layers}
		_, err := x.Merge(ctx, paper(), models)
		assert.Equal(t, fault.Cancelled, fault.CodeOf(err), "after %d layers", layers)
		assert.ErrorIs(t, err, context.Canceled)
	}
	w, err := x.Merge(context.Background(), paper(), models)
	require.NoError(t, err, "the executor lives on")
	w.Free()
}

func TestMergesRunConcurrently(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 5)
	r := paper()
	r.Method, r.Rescale = TIES, ""
	w, err := x.Merge(context.Background(), r, models)
	require.NoError(t, err)
	want := read(t, w)
	w.Free()
	x.Forget(models["base"])
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			w, err := x.Merge(context.Background(), r, models)
			if assert.NoError(t, err) {
				assert.Equal(t, want, read(t, w))
				w.Free()
			}
		})
	}
	all.Wait()
}

func TestSourcesMayGoOnceMergeReturns(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 6)
	ja := read(t, models["ja"])
	r := NewRecipe(TaskArithmetic)
	r.Base, r.Sources = "base", []Source{{Model: "ja", Weight: Numbers(1)}}
	w, err := x.Merge(context.Background(), r, models)
	require.NoError(t, err)
	defer w.Free()
	for _, source := range models {
		x.Forget(source)
		source.Free()
	}
	assert.Equal(t, ja, read(t, w))
	_, err = x.Merge(context.Background(), r, models)
	assert.Error(t, err, "what is freed can't be merged, and is no panic")
}

// Sources held in bfloat16, as on a GPU, merge to the same numbers as the same
// sources held in float32.
func TestWhatSourcesAreHeldInDoesNotMatter(t *testing.T) {
	x := newExecutor(t)
	wide := smallModels(t, 7)
	narrow := map[string]*infer.Weights{}
	for name, w := range wide {
		var all []*tensors.Tensor
		for i, values := range read(t, w) {
			half := make([]bfloat16.BFloat16, len(values))
			for e, v := range values {
				half[e] = bfloat16.FromFloat32(v)
			}
			all = append(all, tensors.FromFlatDataAndDimensions(half, w.Tensors()[i].Shape().Dimensions...))
		}
		var err error
		narrow[name], err = infer.NewWeights(w.Config(), devicetest.Open(t), all)
		require.NoError(t, err)
		t.Cleanup(narrow[name].Free)
	}
	for _, m := range []Method{TaskArithmetic, TIES, DARETIES} {
		r := paper()
		r.Method, r.Rescale = m, ""
		if !m.Sparsifies() {
			r.Sources[0].Density, r.Sources[1].Density = Setting{}, Setting{}
		}
		a, err := x.Merge(context.Background(), r, wide)
		require.NoError(t, err)
		defer a.Free()
		b, err := x.Merge(context.Background(), r, narrow)
		require.NoError(t, err)
		defer b.Free()
		assert.Equal(t, dtypes.BFloat16, b.DType())
		for i, want := range read(t, a) {
			got, err := tensors.CopyFlatData[bfloat16.BFloat16](b.Tensors()[i])
			require.NoError(t, err)
			for e := range want {
				require.Equal(t, want[e], got[e].Float32(), "%s: tensor %d, entry %d", m, i, e)
			}
		}
	}
}
