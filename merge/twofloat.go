package merge

import "github.com/gomlx/gomlx/core/graph"

// twoFloat is a sum carried in two float32 numbers, the second of which holds
// what rounding took from the first. It is what makes base + 1·(source − base)
// the source to the last bit, and the order of the sources all but irrelevant.
type twoFloat struct {
	hi *graph.Node
	lo *graph.Node // nil for nothing
}

// difference is a − b without error, short of underflow.
func difference(a, b *graph.Node) twoFloat {
	return twoSum(a, graph.Neg(b))
}

// twoSum is a + b without error (Knuth's TwoSum).
func twoSum(a, b *graph.Node) twoFloat {
	sum := graph.Add(a, b)
	bRounded := graph.Sub(sum, a)
	aRounded := graph.Sub(sum, bRounded)
	return twoFloat{
		hi: sum,
		lo: graph.Add(graph.Sub(a, aRounded), graph.Sub(b, bRounded)),
	}
}

// plus adds x·factor.
func (s twoFloat) plus(x twoFloat, factor *graph.Node) twoFloat {
	out := twoSum(s.hi, graph.Mul(x.hi, factor))
	if s.lo != nil {
		out.lo = graph.Add(out.lo, s.lo)
	}
	if x.lo != nil {
		out.lo = graph.Add(out.lo, graph.Mul(x.lo, factor))
	}
	return out
}

// where keeps some entries and makes the others zero.
func (s twoFloat) where(keep *graph.Node) twoFloat {
	s.hi = graph.Where(keep, s.hi, graph.ZerosLike(s.hi))
	if s.lo != nil {
		s.lo = graph.Where(keep, s.lo, graph.ZerosLike(s.lo))
	}
	return s
}

// times scales by a scalar.
func (s twoFloat) times(factor *graph.Node) twoFloat {
	s.hi = graph.Mul(s.hi, factor)
	if s.lo != nil {
		s.lo = graph.Mul(s.lo, factor)
	}
	return s
}

// value is the sum rounded to one float32.
func (s twoFloat) value() *graph.Node {
	if s.lo == nil {
		return s.hi
	}
	return graph.Add(s.hi, s.lo)
}
