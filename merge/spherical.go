package merge

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// Everything here that turns vectors gives a combination of them, with factors
// that depend on their products only. So the vectors are read once for their
// products, in float64, and once for the sum; what is between works on a few
// numbers for each vector, whatever the method.

// products are those of each two parts (float64), vector by vector: float64
// [vectors, parts, parts].
func products(parts []*graph.Node) *graph.Node {
	n := len(parts)
	all := make([]*graph.Node, n*n) // each [vectors]
	for i := range n {
		for j := range i + 1 {
			all[i*n+j] = graph.ReduceSum(graph.Mul(parts[i], parts[j]), -1)
			all[j*n+i] = all[i*n+j]
		}
	}
	return graph.Reshape(graph.Stack(all, -1), -1, n, n)
}

// exact are the parts in float64, where next to nothing is lost of a difference.
func (o operands) exact() []*graph.Node {
	parts := make([]*graph.Node, len(o.sources))
	for i, x := range o.sources {
		if parts[i] = wide(x); o.base != nil {
			parts[i] = graph.Sub(parts[i], wide(o.base))
		}
	}
	return parts
}

// lengths are those of the vectors: float64 [vectors, parts].
func lengths(products *graph.Node) *graph.Node {
	n := products.Shape().Dimensions[1]
	squares := make([]*graph.Node, n)
	for i := range n {
		squares[i] = column(column(products, i), i)
	}
	return graph.Sqrt(graph.Concatenate(squares, 1))
}

// column is one of the last axis, which goes: [vectors, parts] of products,
// [vectors, 1] of a matrix.
func column(x *graph.Node, i int) *graph.Node {
	if x.Rank() == 3 {
		return graph.Squeeze(graph.Slice(x, graph.AxisRange(), graph.AxisRange(), graph.AxisElem(i)), 2)
	}
	return graph.Slice(x, graph.AxisRange(), graph.AxisElem(i))
}

// outer multiplies each number of a row with each: [vectors, parts, parts].
func outer(x *graph.Node) *graph.Node {
	return graph.Mul(graph.InsertAxes(x, 1), graph.InsertAxes(x, 2))
}

// along are the products of a combination of vectors with each: [vectors, parts].
func along(products, factors *graph.Node) *graph.Node {
	return graph.ReduceSum(graph.Mul(products, graph.InsertAxes(factors, 1)), -1)
}

// total sums a row up: [vectors, 1].
func total(x *graph.Node) *graph.Node {
	return graph.ReduceAndKeep(x, graph.ReduceSum, -1)
}

// length is that of a combination of vectors: [vectors, 1].
func length(products, factors *graph.Node) *graph.Node {
	square := total(graph.Mul(factors, along(products, factors)))
	return graph.Sqrt(graph.MaxScalar(square, 0))
}

// angle is the one with this cosine.
func angle(cosine *graph.Node) *graph.Node {
	return graph.Atan2(graph.Sqrt(graph.MaxScalar(graph.OneMinus(graph.Square(cosine)), 0)), cosine)
}

// arc gives the two factors of the point at t between two vectors: along the
// circle, or on the straight line where they are as good as parallel.
func arc(t, cosine, straight *graph.Node) *graph.Node {
	t = graph.BroadcastToDims(t, cosine.Shape().Dimensions...)
	theta := angle(graph.Where(straight, graph.ZerosLike(cosine), cosine))
	sine := graph.Sin(theta)
	from := graph.Div(graph.Sin(graph.Mul(graph.OneMinus(t), theta)), sine)
	to := graph.Div(graph.Sin(graph.Mul(t, theta)), sine)
	return graph.Concatenate([]*graph.Node{graph.Where(straight, graph.OneMinus(t), from), graph.Where(straight, t, to)}, 1)
}

// combine is the sum of the parts with the factors of each vector: [vectors, parts].
func (o operands) combine(factors *graph.Node) *graph.Node {
	each := make([]*graph.Node, len(o.sources))
	for i := range each {
		each[i] = column(factors, i)
	}
	return o.sum(each)
}

// slerp goes from the base to the source along the circle through both.
func slerp(o operands) *graph.Node {
	o.base, o.sources = nil, []*graph.Node{o.base, o.sources[0]}
	p := products(o.exact())
	long := lengths(p)
	long = graph.Where(graph.GreaterThan(long, graph.Const(p.Graph(), 1e-8)), long, graph.OnesLike(long))
	cosine := graph.ClipScalar(graph.Div(column(column(p, 1), 0), graph.Mul(column(long, 0), column(long, 1))), -1, 1)
	straight := graph.GreaterThan(graph.Abs(cosine), graph.Const(p.Graph(), 0.9995))
	return o.combine(arc(o.parameter("t"), cosine, straight))
}

// nuslerp goes from the one source to the other, as far as their weights say;
// with a base between their differences from it.
func nuslerp(o operands) *graph.Node {
	p := products(o.exact())
	one := o.weight(o.t, 1)
	sum := graph.Add(o.weight(o.t, 0), one)
	t := graph.Where(graph.LessThan(graph.Abs(sum), graph.Const(p.Graph(), 1e-6)), graph.Const(p.Graph(), 0.5), graph.Div(one, sum))
	long := graph.MaxScalar(lengths(p), 1e-7)
	cosine := graph.ClipScalar(graph.Div(column(column(p, 1), 0), graph.Mul(column(long, 0), column(long, 1))), -1, 1)
	straight := graph.LessOrEqual(graph.OneMinus(graph.Square(cosine)), graph.Const(p.Graph(), 1e-16))
	return o.combine(arc(t, cosine, straight))
}

// multislerp is the weighted mean of the directions, found in the plane that
// touches the sphere at their straight mean, with the weighted mean of the
// lengths. Where directions cancel out it is the straight mean.
func multislerp(o operands) *graph.Node {
	if len(o.sources) == 1 {
		return o.sources[0]
	}
	p := products(o.exact())
	long := lengths(p)
	weights := o.weights(p)
	eps := o.parameter("eps")
	shrink := graph.Inverse(graph.Add(long, eps)) // to about unit length
	p = graph.Mul(p, outer(shrink))
	size := length(p, weights)
	lost := graph.LessThan(size, eps)
	mean := graph.Div(weights, graph.Where(lost, graph.OnesLike(size), size))
	tangent := graph.Sub(weights, graph.Mul(total(graph.Mul(weights, along(p, mean))), mean))
	turn := graph.Add(length(p, tangent), eps)
	factors := graph.Add(graph.Mul(mean, graph.Cos(turn)), graph.Mul(tangent, graph.Div(graph.Sin(turn), turn)))
	factors = graph.Mul(graph.Mul(factors, shrink), total(graph.Mul(weights, long)))
	return o.combine(graph.Where(graph.BroadcastToDims(lost, weights.Shape().Dimensions...), weights, factors))
}

// weights are those of the sources, as often as there are vectors: float64
// [vectors, sources].
func (o operands) weights(products *graph.Node) *graph.Node {
	all := make([]*graph.Node, len(o.sources))
	for i := range all {
		all[i] = o.weight(o.t, i)
	}
	return graph.BroadcastToDims(graph.InsertAxes(graph.Stack(all, 0), 0), products.Shape().Dimensions[:2]...)
}

// karcher is the mean of the directions on the sphere, the point from which all
// of them together lie nowhere, found step by step; with the mean length. Its
// models weigh alike.
func karcher(o operands) *graph.Node {
	n := len(o.sources)
	if n == 1 {
		return o.sources[0]
	}
	p := products(o.exact())
	g := p.Graph()
	tol := o.parameter("tol")
	long := lengths(p)
	there := graph.GreaterThan(long, tol)
	shrink := graph.Where(there, graph.Inverse(graph.Where(there, long, graph.OnesLike(long))), graph.ZerosLike(long))
	p = graph.Mul(p, outer(shrink))
	counted := graph.ConvertDType(there, dtypes.Float64)
	weights := graph.Div(counted, graph.MaxScalar(total(counted), 1))

	size := length(p, weights)
	before := graph.Sub(graph.CumSum(counted, -1), counted)
	first := graph.Mul(counted, graph.ConvertDType(graph.Equal(before, graph.ZerosLike(before)), dtypes.Float64))
	small := graph.LessThan(size, tol)
	mean := choose(small, first, graph.Div(weights, graph.Where(small, graph.OnesLike(size), size)))
	done := graph.LessThan(size, graph.Const(g, -1.0)) // not yet, anywhere
	for range o.program.steps {
		cosines := graph.ClipScalar(along(p, mean), -1, 1)
		theta := angle(cosines)
		sine := graph.Sin(theta)
		still := graph.Or(graph.LessThan(theta, tol), graph.LessThan(sine, graph.Const(g, 1e-6))) // there, or opposite: pulled nowhere
		pull := graph.Div(graph.Mul(weights, theta), graph.Where(still, graph.OnesLike(sine), sine))
		pull = graph.Where(still, graph.ZerosLike(pull), pull)
		tangent := graph.Sub(pull, graph.Mul(total(graph.Mul(pull, cosines)), mean))
		turn := length(p, tangent)
		done = graph.Or(done, graph.LessThan(turn, tol))
		safe := graph.Where(done, graph.OnesLike(turn), turn)
		next := graph.Add(graph.Mul(mean, graph.Cos(turn)), graph.Mul(tangent, graph.Div(graph.Sin(turn), safe)))
		size := length(p, next)
		next = graph.Div(next, graph.Where(graph.GreaterThan(size, tol), size, graph.OnesLike(size)))
		mean = choose(done, mean, next)
	}
	scale := graph.DivScalar(total(long), float64(n))
	return o.combine(graph.Mul(graph.Mul(mean, shrink), scale))
}

// choose is Where with one condition for each row: [vectors, 1].
func choose(condition, yes, no *graph.Node) *graph.Node {
	return graph.Where(graph.BroadcastToDims(condition, yes.Shape().Dimensions...), yes, no)
}

// modelStock goes from the base towards the mean of the sources, the further the
// more their differences from the base point the same way.
func modelStock(o operands) *graph.Node {
	n := len(o.sources)
	p := products(o.exact())
	long := lengths(p)
	cosines := graph.ClipScalar(graph.Div(p, graph.MaxScalar(outer(long), 1e-6)), -1, 1)
	var sum *graph.Node
	for i := range n {
		for j := range i {
			sum = plus(sum, column(column(cosines, i), j))
		}
	}
	cosine := graph.DivScalar(sum, float64(n*(n-1)/2))
	divisor := graph.OnePlus(graph.MulScalar(cosine, float64(n-1)))
	singular := graph.LessThan(graph.Abs(divisor), graph.Const(p.Graph(), 1e-6))
	share := graph.Div(cosine, graph.Where(singular, graph.OnesLike(divisor), divisor)) // n·cos/(…), of the mean: 1/n each
	share = graph.Where(singular, graph.ZerosLike(share), share)
	return o.combine(graph.BroadcastToDims(share, long.Shape().Dimensions...))
}
