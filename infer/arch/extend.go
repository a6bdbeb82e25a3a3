package arch

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Cache is the KV cache of a batch: for each block keys, then values, each
// [B, K, C, E]. All rows write the same column at the same time: sequences are
// aligned at their newest token, and each row knows at which column it starts.
// One scalar update then writes a whole batch, and nothing is ever scattered.
type Cache []*graph.Node

// CacheShapes gives the shapes of a cache for rows sequences of up to columns
// tokens, in the order of [Cache].
func CacheShapes(c checkpoint.Config, dtype dtypes.DType, rows, columns int) []shapes.Shape {
	all := make([]shapes.Shape, 2*c.NumHiddenLayers)
	for i := range all {
		all[i] = shapes.Make(dtype, rows, c.NumKeyValueHeads, columns, c.HeadDim)
	}
	return all
}

// Extend passes T new tokens of each row through the model: tokens int32
// [B, T] are written to columns column..column+T-1 (int32 scalar), row b sees
// the columns from start[b] on (int32 [B]). It returns the logits float32
// [B, V] after the last token, and the extended cache.
//
// A prompt shorter than T is padded on the left; start then lies behind the
// padding, which nothing looks at. Kernels say what the device
// knows faster ways to, options what else there is.
func Extend(c checkpoint.Config, w Weights, cache Cache, tokens, start, column *graph.Node, kernels Kernels, options ...Option) (*graph.Node, Cache) {
	d, written := extending(c, w, cache, tokens, start, column, kernels, options)
	// With XLA's products the last token alone would cost more than beside the others.
	d.lastOnly = kernels.HasKernels(cache[0].DType())
	return d.head(graph.Squeeze(lastOf(d.run(tokens), 1, 1), 1)), written
}

// Score is Extend with the logits after each of the tokens, float32 [B, T, V].
func Score(c checkpoint.Config, w Weights, cache Cache, tokens, start, column *graph.Node, kernels Kernels, options ...Option) (*graph.Node, Cache) {
	d, written := extending(c, w, cache, tokens, start, column, kernels, options)
	return d.head(d.run(tokens)), written
}

// extending gives the decoder of a pass that extends a cache, and the cache that
// it will have filled once it has run.
func extending(c checkpoint.Config, w Weights, cache Cache, tokens, start, column *graph.Node, kernels Kernels, options []Option) (decoder, Cache) {
	g := tokens.Graph()
	b, t := tokens.Shape().Dim(0), tokens.Shape().Dim(1)
	columns := cache[0].Shape().Dim(2)

	query := graph.Add(graph.Iota(g, shapes.Make(dtypes.Int32, 1, 1, 1, t, columns), 3), column)
	key := graph.Iota(g, shapes.Make(dtypes.Int32, 1, 1, 1, t, columns), 4)
	begun := graph.GreaterOrEqual(
		graph.BroadcastToDims(key, b, 1, 1, t, columns),
		graph.BroadcastToDims(graph.Reshape(start, b, 1, 1, 1, 1), b, 1, 1, t, columns))
	visible := func(window int) *graph.Node {
		return graph.LogicalAnd(begun, graph.BroadcastToDims(causal(window, query, key), b, 1, 1, t, columns))
	}

	positions := graph.Sub(
		graph.BroadcastToDims(graph.Add(graph.Iota(g, shapes.Make(dtypes.Int32, 1, t), 1), column), b, t),
		graph.BroadcastToDims(graph.Reshape(start, b, 1), b, t)) // negative in the padding
	written := append(Cache(nil), cache...)
	d := newDecoder(c, w, writing{written, column}, graph.ConvertDType(positions, dtypes.Float32), visible)
	d.kernels, d.start, d.column = kernels, start, column
	d.one = graph.AddScalar(graph.MulScalar(graph.ConvertDType(column, dtypes.Float32), 0), 1)
	d.apply(options)
	return d, written
}

// writing is attention through the cache, after adding the tokens of the pass
// to it at the given column.
type writing struct {
	cache  Cache
	column *graph.Node
}

func (w writing) look(block int, k, v *graph.Node) (*graph.Node, *graph.Node) {
	for i, now := range []*graph.Node{k, v} {
		zero := graph.Const(now.Graph(), int32(0))
		update := graph.TransposeAllAxes(now, 0, 2, 1, 3) // [B, K, T, E]
		at := 2*block + i
		w.cache[at] = graph.DynamicUpdateSlice(w.cache[at], update, []*graph.Node{zero, zero, w.column, zero})
	}
	return w.cache[2*block], w.cache[2*block+1]
}
