package arch

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// activations are the functions that hidden_act, hidden_activation and
// projector_hidden_act name. Which of them a config may have, package checkpoint says.
var activations = map[string]func(*graph.Node) *graph.Node{
	"silu":              silu,
	"swish":             silu,
	"gelu_pytorch_tanh": geluTanh,
	"gelu":              gelu,
	"quick_gelu":        quickGelu,
}

// silu is x·σ(x).
func silu(x *graph.Node) *graph.Node { return graph.Mul(x, graph.Sigmoid(x)) }

// gelu is x·Φ(x).
func gelu(x *graph.Node) *graph.Node {
	share := graph.MulScalar(graph.AddScalar(graph.Erf(graph.MulScalar(x, math.Sqrt2/2)), 1), 0.5)
	return graph.Mul(x, share)
}

// quickGelu is x·σ(1.702·x), CLIP's approximation of gelu.
func quickGelu(x *graph.Node) *graph.Node {
	return graph.Mul(x, graph.Sigmoid(graph.MulScalar(x, 1.702)))
}

// geluTanh is x·Φ(x) with the approximation of Φ that PyTorch calls "tanh":
// (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2.
func geluTanh(x *graph.Node) *graph.Node {
	inner := graph.Add(x, graph.MulScalar(graph.Mul(x, graph.Mul(x, x)), 0.044715))
	share := graph.MulScalar(graph.AddScalar(graph.Tanh(graph.MulScalar(inner, math.Sqrt(2/math.Pi))), 1), 0.5)
	return graph.Mul(x, share)
}

// softCap bounds x to ± limit, nearly leaving small values alone; 0 leaves all.
func softCap(x *graph.Node, limit float64) *graph.Node {
	if limit == 0 {
		return x
	}
	return graph.MulScalar(graph.Tanh(graph.DivScalar(x, limit)), limit)
}
