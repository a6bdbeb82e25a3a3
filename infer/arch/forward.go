package arch

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Forward is the whole causal pass without a cache: tokens int32 [B, T] to
// logits float32 [B, T, V]. It computes in the weights' dtype and can be
// differentiated.
func Forward(c checkpoint.Config, w Weights, tokens *graph.Node) *graph.Node {
	return forward(c, w, tokens)
}

// ForwardSeeing is Forward of tokens some of which are pictures, as [Seeing] has it.
func ForwardSeeing(c checkpoint.Config, w Weights, tokens, features, mask *graph.Node) *graph.Node {
	return forward(c, w, tokens, Seeing(features, mask))
}

func forward(c checkpoint.Config, w Weights, tokens *graph.Node, options ...Option) *graph.Node {
	g := tokens.Graph()
	t := tokens.Shape().Dim(1)
	positions := graph.Iota(g, shapes.Make(dtypes.Float32, 1, t), 1)
	query := graph.Iota(g, shapes.Make(dtypes.Int32, 1, 1, 1, t, t), 3)
	column := graph.Iota(g, shapes.Make(dtypes.Int32, 1, 1, 1, t, t), 4)
	d := newDecoder(c, w, justThese{}, positions, func(window int) *graph.Node { return causal(window, query, column) })
	d.apply(options)
	return d.head(d.run(tokens))
}

// causal tells which columns a query sees: itself, those before it, and with a
// sliding window only the last ones.
func causal(window int, query, column *graph.Node) *graph.Node {
	visible := graph.LessOrEqual(column, query)
	if window > 0 {
		near := graph.LessThan(graph.Sub(query, column), graph.Const(query.Graph(), int32(window)))
		visible = graph.LogicalAnd(visible, near)
	}
	return visible
}

// justThese is attention among the tokens of the pass themselves.
type justThese struct{}

func (justThese) look(_ int, k, v *graph.Node) (*graph.Node, *graph.Node) {
	return graph.TransposeAllAxes(k, 0, 2, 1, 3), graph.TransposeAllAxes(v, 0, 2, 1, 3)
}
