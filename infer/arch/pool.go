package arch

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Pool is [Extend] for who wants a text's meaning and not its next token: of the
// hidden states after the final norm it gives the sum over each row's tokens,
// padding left out, and those of the last token, both float32 [B, D].
func Pool(c checkpoint.Config, w Weights, cache Cache, tokens, start, column *graph.Node, kernels Kernels, options ...Option) (sum, last *graph.Node, extended Cache) {
	d, written := extending(c, w, cache, tokens, start, column, kernels, options)
	x := graph.ConvertDType(d.run(tokens), dtypes.Float32)
	b, t := tokens.Shape().Dim(0), tokens.Shape().Dim(1)
	at := graph.Add(graph.Iota(x.Graph(), shapes.Make(dtypes.Int32, 1, t, 1), 1), column)
	begun := graph.GreaterOrEqual(
		graph.BroadcastToDims(at, b, t, 1),
		graph.BroadcastToDims(graph.Reshape(start, b, 1, 1), b, t, 1))
	begun = graph.BroadcastToDims(begun, x.Shape().Dimensions...)
	sum = graph.ReduceSum(graph.Where(begun, x, graph.ZerosLike(x)), 1)
	last = graph.Squeeze(graph.Slice(x, graph.AxisRange(), graph.AxisRange(-1)), 1)
	return sum, last, written
}
