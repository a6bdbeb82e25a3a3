package catalog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/merge"
)

// through is a path through base and a, of three hops.
func through() merge.Recipe {
	r := merge.NewRecipe(merge.Dataflow)
	r.Base = "base"
	r.Path = []merge.Hop{{Model: "base", Layer: 0}, {Model: "a", Layer: 1, Scale: 0.5}, {Model: "base", Layer: 1}}
	return r
}

// throughBytes is what it takes besides its models: a number for each hop.
const throughBytes = 3 * 4

// The models of a path are in memory once, and stay as long as it does.
func TestAPathHoldsItsModels(t *testing.T) {
	w := newWorld(t, func(w *world) { w.budget = 2*tinyBytes() + throughBytes })
	id := w.keep("walk", through())
	lease := w.acquire("walk")
	_, used := w.Budget()
	require.Equal(t, 2*tinyBytes()+throughBytes, used)
	require.Equal(t, int64(throughBytes), lease.Entry.Bytes)
	require.Same(t, w.acquireWeights("base").Tensor("model.embed_tokens.weight"), lease.Model.Weights.Tensor("model.embed_tokens.weight"))

	_, err := w.Acquire(t.Context(), "b")
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err), "its models are in use")
	lease.Release()
	require.Equal(t, catalog.Ready, w.states()[id])
	w.touch("b")
	states := w.states()
	require.Equal(t, catalog.Unloaded, states[id], "what nobody uses makes room, and its models with it")
	require.Equal(t, catalog.Ready, states["b"])
	_, used = w.Budget()
	require.LessOrEqual(t, used, 2*tinyBytes())
}

// acquireWeights gives the weights of a model that is held elsewhere.
func (w *world) acquireWeights(name string) *infer.Weights {
	lease := w.acquire(name)
	defer lease.Release()
	return lease.Model.Weights
}

func TestAModelThatIsUnloadedStaysForItsPaths(t *testing.T) {
	w := newWorld(t, room(8))
	w.keep("walk", through())
	lease := w.acquire("walk")
	_, err := w.Unload(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, catalog.Draining, w.states()["a"])
	for _, tensor := range lease.Model.Weights.Tensors() {
		require.True(t, tensor.Ok())
	}
	lease.Release()
	_, err = w.Unload(t.Context(), "walk")
	require.NoError(t, err)
	require.Equal(t, catalog.Unloaded, w.states()["a"])
	_, used := w.Budget()
	require.Equal(t, tinyBytes(), used, "base is left")
}

func TestACandidateOfAPathHoldsItsModelsUntilItIsReleased(t *testing.T) {
	w := newWorld(t, func(w *world) { w.budget = 2*tinyBytes() + throughBytes })
	lease, err := w.Merge(t.Context(), through())
	require.NoError(t, err)
	require.Equal(t, 3, lease.Model.Weights.Config().NumHiddenLayers)
	_, err = w.Acquire(t.Context(), "b")
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	lease.Release()
	w.touch("b")
}

func TestAPathThatFailsHoldsNothing(t *testing.T) {
	w := newWorld(t, room(2))
	id := w.keep("", through()) // there is no room for its scales
	_, err := w.Acquire(t.Context(), id)
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	w.touch("b", "other")

	r := through()
	r.Path[1].Layer = 2
	_, err = w.PutRecipe(t.Context(), "", r)
	require.Equal(t, fault.Unfit, fault.CodeOf(err))
	require.ErrorContains(t, err, `path[1] is block 2 of "a", which has 2`)
	r.Path[1] = merge.Hop{Model: "ghost"}
	_, err = w.PutRecipe(t.Context(), "", r)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
}

// A stack takes the memory of its own blocks.
func TestAStackTakesAsMuchAsItHasBlocks(t *testing.T) {
	w := newWorld(t)
	r := merge.NewRecipe(merge.Passthrough)
	r.DType = "float32"
	for range 3 {
		r.Slices = append(r.Slices, merge.Slice{Sources: []merge.Source{{Model: "base", LayerRange: merge.Range{0, 2}}}})
	}
	lease := w.acquire(w.keep("", r))
	defer lease.Release()
	require.Equal(t, 6, lease.Model.Weights.Config().NumHiddenLayers)
	_, used := w.Budget()
	require.Equal(t, tinyBytes()+lease.Model.Weights.Bytes(), used)

	whole := blend(0.5, 0.25)
	sliced := whole
	sliced.Sources = nil
	sliced.Slices = []merge.Slice{{Sources: append([]merge.Source{{Model: "base"}}, whole.Sources...)}}
	for i := range sliced.Slices[0].Sources {
		sliced.Slices[0].Sources[i].LayerRange = merge.Range{0, 2}
	}
	require.Equal(t, w.keep("", whole), w.keep("", sliced), "which are the same model")
}
