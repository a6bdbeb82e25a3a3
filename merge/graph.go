package merge

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// program is all that is compiled into an executable. Everything that differs
// between the candidates of a search (weights, densities, seeds) is an argument,
// so that thousands of recipes share one executable.
type program struct {
	method    Method // looked up for its kernel, and nothing else
	base      bool
	sparsify  sparsify
	consensus consensus
	normalize bool         // divide by the weights that had a say in the entry
	rescale   string       // how to make up for what is dropped, where only the device knows
	span      string       // what is one vector
	steps     int          // how often an iteration is repeated
	selects   bool         // entries are selected by how much the sources vary
	sources   int          // how many are merged
	shared    int          // how many parameters the merge has besides
	round     dtypes.DType // what the result is rounded to
	held      dtypes.DType // what it is held in; dtypes.InvalidDType: what the sources are
}

// The arguments of a program come in this order. The tensors are those of one
// unit. Each comes as its base (if the program has one) and then every source.
// After them come, if a program draws by rank, the ranks: uint32 [size] of each
// source of each tensor.
const (
	argFloats   = iota // float32 [1 + tensors * perTensor]: lambda; of each tensor the weights, the scales, the shared parameters
	argIntegers        // uint32 [tensors * sources * perMask]: see maskArguments
	argTensors
)

// perMask is how many integers a mask takes in argIntegers. The last is always
// zero, but the compiler can't know that: see roundTo.
const perMask = 5

// perTensor is how many numbers a tensor takes in argFloats.
func (p program) perTensor() int { return 2*p.sources + p.shared }

// build is the graph: the merged tensors, in the shapes and the dtype in which
// the sources came, and one more scalar, for waiting until it has run.
func (p program) build(in []*graph.Node) []*graph.Node {
	args := arguments{program: p, floats: in[argFloats], integers: in[argIntegers]}
	rest := in[argTensors:]
	width := p.sources
	if p.base {
		width++
	}
	count := len(rest) / width
	if p.sparsify == rankBernoulli {
		count = len(rest) / (width + p.sources)
		args.ranks = rest[count*width:]
	}
	merged := make([]*graph.Node, 0, count+1)
	for t := range count {
		operands := rest[t*width : (t+1)*width]
		shape := operands[0].Shape()
		var sum *graph.Node // float32, of any shape
		if c := methods[p.method]; c.kernel != nil {
			o := newOperands(operands, args, t, namesOf(c.shared))
			sum = o.restore(c.kernel(o))
		} else {
			sum = p.merge(flat(operands), args, t, shape.Dimensions)
		}
		sum = roundTo(sum, p.round, args.zero())
		held := p.held
		if held == dtypes.InvalidDType {
			held = shape.DType
		}
		merged = append(merged, graph.Reshape(graph.ConvertDType(sum, held), shape.Dimensions...))
	}
	return append(merged, args.zero())
}

// flat widens tensors to float32 [size].
func flat(tensors []*graph.Node) []*graph.Node {
	out := make([]*graph.Node, len(tensors))
	for i, x := range tensors {
		out[i] = graph.ConvertDType(graph.Reshape(x, x.Shape().Size()), dtypes.Float32)
	}
	return out
}

// merge is the one core of all weighted sums: tensor t of the unit, given and
// returned as float32 [size].
func (p program) merge(flat []*graph.Node, args arguments, t int, dims []int) *graph.Node {
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
		parts[i] = p.thin(parts[i], args, t, i, dims)
	}
	shares := p.shares(parts, args, t)
	for i, part := range parts {
		sum = sum.plus(part, graph.Mul(shares[i], args.lambda()))
	}
	return sum.value()
}

// thin drops the entries of a difference that the method does not keep, and
// rescales the others.
func (p program) thin(d twoFloat, args arguments, t, source int, dims []int) twoFloat {
	var keep *graph.Node // bool [size]
	scale := args.scale(t, source)
	integer := func(i int) *graph.Node { return args.integer(t, source, i) }
	switch p.sparsify {
	case magnitude:
		keep = largest(d.hi, integer(0))
	case outliers:
		keep = between(d.hi, integer(0), integer(1), integer(2))
	case bernoulli:
		keep = drawn(d.hi, integer(0), integer(1), integer(2))
	case rankBernoulli:
		limits := rankLimits(args.ranks[t*p.sources+source], dims, integer(2), integer(3))
		keep = drawn(d.hi, integer(0), integer(1), limits)
		if p.rescale == RescaleDensity {
			scale = inverse(limits)
		}
	default:
		return d
	}
	switch p.rescale {
	case RescaleL1:
		scale = ratio(d.hi, keep, graph.Abs, func(sum *graph.Node) *graph.Node { return sum })
	case RescaleL2:
		scale = ratio(d.hi, keep, graph.Square, graph.Sqrt)
	}
	return d.where(keep).times(scale)
}

// ratio is a norm before dropping over the norm after it, and 1 where either is
// next to nothing. The sums are carried in float64.
func ratio(d, keep *graph.Node, of, norm func(*graph.Node) *graph.Node) *graph.Node {
	size := of(graph.ConvertDType(d, dtypes.Float64))
	before := norm(graph.ReduceAllSum(size))
	after := norm(graph.ReduceAllSum(graph.Where(keep, size, graph.ZerosLike(size))))
	tiny := graph.Const(d.Graph(), 1e-7)
	defined := graph.And(graph.GreaterOrEqual(before, tiny), graph.GreaterOrEqual(after, tiny))
	quotient := graph.Where(defined, graph.Div(before, graph.Max(after, tiny)), graph.OnesLike(before))
	return graph.ConvertDType(quotient, dtypes.Float32)
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
		vote := votes[i]
		if p.consensus == signOfCount {
			vote = graph.Sign(vote)
		}
		total = plus(total, vote)
	}
	zero := graph.ZerosLike(total)
	positive := graph.GreaterOrEqual(total, zero) // a tie elects plus, as in mergekit
	var divisor *graph.Node
	for i, vote := range votes {
		agrees := graph.Where(positive, graph.GreaterThan(vote, zero), graph.LessThan(vote, zero))
		shares[i] = graph.Where(agrees, graph.BroadcastToDims(shares[i], zero.Shape().Dimensions...), zero)
		divisor = plus(divisor, shares[i])
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
	program
	floats, integers *graph.Node
	ranks            []*graph.Node
}

func (a arguments) lambda() *graph.Node         { return pick(a.floats, 0) }
func (a arguments) weight(t, i int) *graph.Node { return pick(a.floats, 1+t*a.perTensor()+i) }
func (a arguments) scale(t, i int) *graph.Node  { return pick(a.floats, 1+t*a.perTensor()+a.sources+i) }
func (a arguments) number(t, i int) *graph.Node {
	return pick(a.floats, 1+t*a.perTensor()+2*a.sources+i)
}
func (a arguments) zero() *graph.Node { return pick(a.integers, perMask-1) }

func (a arguments) integer(t, source, i int) *graph.Node {
	return pick(a.integers, (t*a.sources+source)*perMask+i)
}

// pick is one entry of a vector, as a scalar.
func pick(x *graph.Node, i int) *graph.Node {
	return graph.Reshape(graph.Slice(x, graph.AxisElem(i)))
}
