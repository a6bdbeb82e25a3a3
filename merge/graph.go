package merge

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// program is all that is compiled into an executable. Everything that differs
// between the candidates of a search (weights, densities, seeds) is an argument,
// so that thousands of recipes share one executable.
type program struct {
	base      bool
	sparsify  sparsify
	consensus consensus
	normalize bool         // divide by the weights that had a say in the entry
	l1        bool         // rescale by norms, which only the device knows
	sources   int          // how many are merged
	round     dtypes.DType // what the result is rounded to
}

// The arguments of a program come in this order. The tensors are those of one
// unit. Each comes as its base (if the program has one) and then every source.
const (
	argFloats   = iota // float32 [1 + tensors * sources * 2]: lambda; of each tensor the weights, the scales
	argIntegers        // uint32 [tensors * sources * 4]: see maskArguments
	argTensors
)

// perMask is how many integers a mask takes in argIntegers. The last is always
// zero, but the compiler can't know that: see roundTo.
const perMask = 4

// build is the graph: the merged tensors, in the shapes and the dtype in which
// the sources came, and one more scalar, for waiting until it has run.
func (p program) build(in []*graph.Node) []*graph.Node {
	args := arguments{in[argFloats], in[argIntegers], p.sources}
	rest := in[argTensors:]
	width := p.sources
	if p.base {
		width++
	}
	merged := make([]*graph.Node, 0, len(rest)/width+1)
	for t := 0; len(rest) > 0; t++ {
		shape := rest[0].Shape()
		flat := make([]*graph.Node, width) // each float32 [size]
		for i := range flat {
			flat[i] = graph.ConvertDType(graph.Reshape(rest[i], shape.Size()), dtypes.Float32)
		}
		rest = rest[width:]
		sum := p.merge(flat, args, t)
		sum = roundTo(sum, p.round, args.zero())
		merged = append(merged, graph.Reshape(graph.ConvertDType(sum, shape.DType), shape.Dimensions...))
	}
	return append(merged, args.zero())
}

// merge is the one core of every method: tensor t of the unit, given and
// returned as float32 [size].
func (p program) merge(flat []*graph.Node, args arguments, t int) *graph.Node {
	var sum twoFloat
	parts := make([]twoFloat, p.sources) // what each source has to say in each entry
	if p.base {
		sum = twoFloat{hi: flat[0]}
		for i, source := range flat[1:] {
			parts[i] = difference(source, flat[0])
		}
	} else {
		sum = twoFloat{hi: graph.ZerosLike(flat[0])}
		for i, source := range flat {
			parts[i] = twoFloat{hi: source}
		}
	}
	for i := range parts {
		parts[i] = p.thin(parts[i], args, t, i)
	}
	shares := p.shares(parts, args, t)
	for i, part := range parts {
		sum = sum.plus(part, graph.Mul(shares[i], args.lambda()))
	}
	return sum.value()
}

// thin drops the entries of a difference that the method does not keep, and
// rescales the others.
func (p program) thin(d twoFloat, args arguments, t, source int) twoFloat {
	var keep *graph.Node // bool [size]
	switch p.sparsify {
	case magnitude:
		keep = largest(d.hi, args.integer(t, source, 0))
	case bernoulli:
		keep = drawn(d.hi, args.integer(t, source, 0), args.integer(t, source, 1), args.integer(t, source, 2))
	default:
		return d
	}
	scale := args.scale(t, source)
	if p.l1 {
		scale = l1Ratio(d.hi, keep)
	}
	return d.where(keep).times(scale)
}

// l1Ratio is the L1 norm before dropping over the norm after it, and 1 where
// either is next to nothing. The sums are carried in float64.
func l1Ratio(d, keep *graph.Node) *graph.Node {
	abs := graph.ConvertDType(graph.Abs(d), dtypes.Float64)
	before := graph.ReduceAllSum(abs)
	after := graph.ReduceAllSum(graph.Where(keep, abs, graph.ZerosLike(abs)))
	tiny := graph.Const(d.Graph(), 1e-7)
	defined := graph.And(graph.GreaterOrEqual(before, tiny), graph.GreaterOrEqual(after, tiny))
	ratio := graph.Where(defined, graph.Div(before, graph.Max(after, tiny)), graph.OnesLike(before))
	return graph.ConvertDType(ratio, dtypes.Float32)
}

// shares are the factors that the sources' entries are summed with: float32
// scalars, or [size] where the sources are not all heard.
func (p program) shares(parts []twoFloat, args arguments, t int) []*graph.Node {
	shares := make([]*graph.Node, p.sources)
	for i := range shares {
		shares[i] = args.weight(t, i)
	}
	if p.consensus == everyone {
		return shares // normalised beforehand: the divisor is the same in every entry
	}
	votes := make([]*graph.Node, p.sources)
	var total *graph.Node
	for i, part := range parts {
		votes[i] = graph.Mul(part.hi, shares[i])
		if total == nil {
			total = votes[i]
		} else {
			total = graph.Add(total, votes[i])
		}
	}
	zero := graph.ZerosLike(total)
	positive := graph.GreaterOrEqual(total, zero) // a tie elects plus, as in mergekit
	var divisor *graph.Node
	for i, vote := range votes {
		agrees := graph.Where(positive, graph.GreaterThan(vote, zero), graph.LessThan(vote, zero))
		shares[i] = graph.Where(agrees, graph.BroadcastToDims(shares[i], zero.Shape().Dimensions...), zero)
		if divisor == nil {
			divisor = shares[i]
		} else {
			divisor = graph.Add(divisor, shares[i])
		}
	}
	if p.normalize {
		divisor = graph.Where(graph.Equal(divisor, zero), graph.OnesLike(zero), divisor)
		for i := range shares {
			shares[i] = graph.Div(shares[i], divisor)
		}
	}
	return shares
}

// arguments gives names to the numbers in a program's first two arguments.
type arguments struct {
	floats, integers *graph.Node
	sources          int
}

func (a arguments) lambda() *graph.Node         { return pick(a.floats, 0) }
func (a arguments) weight(t, i int) *graph.Node { return pick(a.floats, 1+t*2*a.sources+i) }
func (a arguments) scale(t, i int) *graph.Node  { return pick(a.floats, 1+(t*2+1)*a.sources+i) }
func (a arguments) zero() *graph.Node           { return pick(a.integers, perMask-1) }

func (a arguments) integer(t, source, i int) *graph.Node {
	return pick(a.integers, (t*a.sources+source)*perMask+i)
}

// pick is one entry of a vector, as a scalar.
func pick(x *graph.Node, i int) *graph.Node {
	return graph.Reshape(graph.Slice(x, graph.AxisElem(i)))
}
