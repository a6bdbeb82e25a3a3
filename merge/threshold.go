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

// between says which entries of x [size] are kept if those up to another pivot
// are too large to be: bool [size]. skips is not zero if there are any of them.
func between(x, pivot, skips, skipped *graph.Node) *graph.Node {
	some := graph.NotEqual(skips, graph.ZerosLike(skips))
	return graph.And(largest(x, pivot), graph.Not(graph.And(largest(x, skipped), some)))
}

// ranking orders the positions of source − base by falling magnitude, equal ones
// by rising position: uint32 [size]. It is made once for each tensor of each
// source; then the pivot of any density is one look-up, and no candidate of a
// search ever sorts.
func ranking(base, source *graph.Node) *graph.Node {
	operands := flat([]*graph.Node{base, source})
	return descending(graph.Abs(graph.Sub(operands[1], operands[0])))
}

// descending orders the positions of values [size] that are not negative: the
// largest first, equal ones by rising position.
func descending(values *graph.Node) *graph.Node {
	// A float32 that is not negative has the order of its bits. One integer that
	// holds the flipped bits above the position sorts as wanted, in one operand.
	falling := graph.ConvertDType(graph.BitwiseNot(graph.Bitcast(values, dtypes.Uint32)), dtypes.Uint64)
	position := graph.Iota(values.Graph(), shapes.Make(dtypes.Uint64, values.Shape().Size()), 0)
	key := graph.BitwiseOr(graph.BitwiseShiftLeftScalar(falling, uint64(32)), position)
	return graph.ConvertDType(graph.Sort(key, 0, true), dtypes.Uint32)
}

// rowRanking orders the positions within each row of source − base by rising
// magnitude, equal ones by rising position: uint32 [rows * columns].
func rowRanking(base, source *graph.Node) *graph.Node {
	dims := base.Shape().Dimensions
	columns := 1
	if len(dims) > 0 {
		columns = dims[len(dims)-1]
	}
	rows := base.Shape().Size() / columns
	inRows := func(x *graph.Node) *graph.Node { return narrow(graph.Reshape(x, rows, columns)) }
	bits := graph.Bitcast(graph.Abs(graph.Sub(inRows(source), inRows(base))), dtypes.Uint32)
	position := graph.Iota(base.Graph(), shapes.Make(dtypes.Uint64, rows, columns), 1)
	key := graph.BitwiseOr(graph.BitwiseShiftLeftScalar(graph.ConvertDType(bits, dtypes.Uint64), uint64(32)), position)
	return graph.Reshape(graph.ConvertDType(graph.Sort(key, 1, true), dtypes.Uint32), rows*columns)
}

// ranksInRows turns the order of each row into the rank of each entry.
func ranksInRows(order []uint32, columns int) []uint32 {
	ranks := make([]uint32, len(order))
	for row := 0; row < len(order); row += columns {
		for rank, position := range order[row : row+columns] {
			ranks[row+int(position)] = uint32(rank)
		}
	}
	return ranks
}
