package merge

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// everything is the pivot that keeps every entry.
const everything = ^uint32(0)

// keepCount is how many of n entries a density keeps: int(density·n), at least
// one, as in mergekit.
func keepCount(density float64, n int) int {
	return max(1, int(density*float64(n)))
}

// largest says which entries of x [size] are kept: bool [size]. The pivot is the
// position of the smallest entry to keep in the order of [ranking]. Entries as
// large as the pivot's are kept up to its position, so that ties, which are
// many among differences of bfloat16 numbers, never keep more than was asked.
func largest(x, pivot *graph.Node) *graph.Node {
	g := x.Graph()
	size := x.Shape().Size()
	abs := graph.Abs(x)
	position := graph.Iota(g, shapes.Make(dtypes.Uint32, size), 0)
	start := graph.Min(pivot, graph.Const(g, uint32(size-1)))
	threshold := graph.Reshape(graph.DynamicSlice(abs, []*graph.Node{graph.ConvertDType(start, dtypes.Int32)}, []int{1}))
	keep := graph.Or(
		graph.GreaterThan(abs, threshold),
		graph.And(graph.Equal(abs, threshold), graph.LessOrEqual(position, pivot)))
	return graph.Or(keep, graph.Equal(pivot, graph.Const(g, everything)))
}

// ranking orders the positions of source − base by falling magnitude, equal ones
// by rising position: uint32 [size]. It is made once for each tensor of each
// source; then the pivot of any density is one look-up, and no candidate of a
// search ever sorts.
func ranking(base, source *graph.Node) *graph.Node {
	g := base.Graph()
	size := base.Shape().Size()
	flat := func(x *graph.Node) *graph.Node {
		return graph.ConvertDType(graph.Reshape(x, size), dtypes.Float32)
	}
	// A float32 that is not negative has the order of its bits. One integer that
	// holds the flipped bits above the position sorts as wanted, in one operand.
	bits := graph.Bitcast(graph.Abs(difference(flat(source), flat(base)).hi), dtypes.Uint32)
	falling := graph.ConvertDType(graph.BitwiseNot(bits), dtypes.Uint64)
	position := graph.Iota(g, shapes.Make(dtypes.Uint64, size), 0)
	key := graph.BitwiseOr(graph.BitwiseShiftLeftScalar(falling, uint64(32)), position)
	return graph.ConvertDType(graph.Sort(key, 0, true), dtypes.Uint32)
}
