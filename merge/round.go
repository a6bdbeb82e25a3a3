package merge

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// roundTo rounds float32 values to what the dtype can hold, ties to even, and
// gives them back as float32. XLA may leave a plain conversion there and back out
// (its "excess precision", on by default), so the bits make a detour through an
// integer to which zero is added, an argument that the compiler can't foresee.
func roundTo(x *graph.Node, dtype dtypes.DType, zero *graph.Node) *graph.Node {
	if dtype == dtypes.Float32 {
		return x
	}
	bits := graph.Bitcast(graph.ConvertDType(x, dtype), dtypes.Uint16)
	bits = graph.Add(bits, graph.ConvertDType(zero, dtypes.Uint16))
	return graph.ConvertDType(graph.Bitcast(bits, dtype), dtypes.Float32)
}
