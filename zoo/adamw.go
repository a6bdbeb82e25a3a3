package zoo

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// adamW is the optimizer: Adam with decoupled weight decay, on gradients whose
// common norm is clipped.
type adamW struct {
	beta1, beta2 float64
	epsilon      float64
	decay        float64 // of matrices; the norms' scales are left alone
	clip         float64
}

// newAdamW gives the optimizer the whole cast is trained with.
func newAdamW() adamW {
	return adamW{beta1: 0.9, beta2: 0.98, epsilon: 1e-8, decay: 0.01, clip: 1}
}

// slot is one parameter with its two moments, all of one shape.
type slot struct {
	value, first, second *graph.Node
	pace                 float64 // what its rate is multiplied by
}

// update moves every slot one step against its gradient. rate and step are f32
// scalars; step counts from one.
func (o adamW) update(slots []slot, gradients []*graph.Node, rate, step *graph.Node) []slot {
	g := rate.Graph()
	shrink := o.shrink(gradients)
	unbias1 := graph.OneMinus(graph.Pow(graph.Const(g, float32(o.beta1)), step))
	unbias2 := graph.OneMinus(graph.Pow(graph.Const(g, float32(o.beta2)), step))

	moved := make([]slot, len(slots))
	for i, s := range slots {
		d := graph.Mul(gradients[i], shrink)
		first := blend(s.first, d, o.beta1)
		second := blend(s.second, graph.Mul(d, d), o.beta2)
		direction := graph.Div(
			graph.Div(first, unbias1),
			graph.AddScalar(graph.Sqrt(graph.Div(second, unbias2)), o.epsilon))
		if s.value.Rank() > 1 {
			direction = graph.Add(direction, graph.MulScalar(s.value, o.decay))
		}
		pace := rate
		if s.pace != 1 {
			pace = graph.MulScalar(rate, s.pace)
		}
		moved[i] = slot{graph.Sub(s.value, graph.Mul(pace, direction)), first, second, s.pace}
	}
	return moved
}

// shrink is the factor that brings the gradients' common norm down to the clip.
func (o adamW) shrink(gradients []*graph.Node) *graph.Node {
	g := gradients[0].Graph()
	squares := graph.ScalarZero(g, dtypes.Float32)
	for _, d := range gradients {
		squares = graph.Add(squares, graph.ReduceAllSum(graph.Mul(d, d)))
	}
	limit := graph.Const(g, float32(o.clip))
	return graph.Div(limit, graph.Max(graph.Sqrt(squares), limit))
}

// blend is an exponential moving average: keep of the old, the rest of the new.
func blend(old, latest *graph.Node, keep float64) *graph.Node {
	return graph.Add(graph.MulScalar(old, keep), graph.MulScalar(latest, 1-keep))
}
