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
	chosen    bool         // some tensors are rescaled and others not: a number of each says which
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
	argFloats   = iota // float64 [tensors * perTensor]: of each tensor the factors, the votes, the weights, the shared parameters, whether it is rescaled: see floatArguments
	argIntegers        // uint32 [tensors * sources * perMask]: see maskArguments
	argTensors
)

// perMask is how many integers a mask takes in argIntegers. The last is always
// zero, but the compiler can't know that: see roundTo.
const perMask = 5

// perTensor is how many numbers a tensor takes in argFloats.
func (p program) perTensor() int {
	if p.chosen {
		return 3*p.sources + p.shared + 1
	}
	return 3*p.sources + p.shared
}

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
// returned as float32 [size]. The sum of θ₀ and its differences is computed as
// θ₀ − θ₀·Σ fₖ + Σ fₖ·θₖ, in which a source is not lost where it is much smaller than
// the base. Package onepass computes the same, in the same order.
func (p program) merge(flat []*graph.Node, args arguments, t int, dims []int) *graph.Node {
	var base *graph.Node
	differences, sources := flat, flat // without a base they are what the sources have to say
	if p.base {
		base, sources = flat[0], flat[1:]
		differences = make([]*graph.Node, p.sources)
		for i, source := range sources {
			differences[i] = graph.Sub(source, base)
		}
	}
	heard := make([]*graph.Node, p.sources)  // bool [size], nil where all entries are
	scales := make([]*graph.Node, p.sources) // float64, nil for 1
	for i, d := range differences {
		heard[i], scales[i] = p.thin(d, args, t, i, dims)
	}
	if p.consensus != everyone {
		p.elect(differences, heard, scales, args, t)
	}
	var all, sum *graph.Node
	shares := p.shares(heard, scales, args, t)
	for _, share := range shares {
		all = plus(all, share)
	}
	if p.base {
		base = p.carried(base)
		sum = graph.Sub(base, graph.Mul(base, all))
	}
	for i, source := range sources {
		sum = plus(sum, graph.Mul(p.carried(source), shares[i]))
	}
	return narrow(sum)
}

// thin says which entries of a difference the method keeps, bool [size] or nil for
// all of them, and how it rescales these beside what the factors hold: float64
// [size], a scalar, or nil.
func (p program) thin(d *graph.Node, args arguments, t, source int, dims []int) (keep, scale *graph.Node) {
	integer := func(i int) *graph.Node { return args.integer(t, source, i) }
	switch p.sparsify {
	case magnitude:
		keep = largest(d, integer(0))
	case outliers:
		keep = between(d, integer(0), integer(1), integer(2))
	case bernoulli:
		keep = drawn(d, integer(0), integer(1), integer(2))
	case rankBernoulli:
		limits := rankLimits(args.ranks[t*p.sources+source], dims, integer(2), integer(3))
		keep = drawn(d, integer(0), integer(1), limits)
		if p.rescale == RescaleDensity {
			scale = inverse(limits)
		}
	default:
		return nil, nil
	}
	switch p.rescale {
	case RescaleL1:
		scale = ratio(d, keep, graph.Abs, func(sum *graph.Node) *graph.Node { return sum })
	case RescaleL2:
		scale = ratio(d, keep, graph.Square, graph.Sqrt)
	}
	if p.chosen && scale != nil {
		yes := graph.NotEqual(args.rescaled(t), graph.Const(d.Graph(), 0.0))
		scale = graph.Where(graph.BroadcastToDims(yes, scale.Shape().Dimensions...), scale, graph.OnesLike(scale))
	}
	return keep, scale
}

// elect leaves of the entries that are kept those whose source is heard: whose sign
// is that of the sum of all votes. Votes are float32.
func (p program) elect(differences, heard, scales []*graph.Node, args arguments, t int) {
	votes := make([]*graph.Node, p.sources)
	var total *graph.Node
	for i, d := range differences {
		vote := narrow(args.vote(t, i))
		if scales[i] != nil {
			vote = graph.Mul(vote, narrow(scales[i]))
		}
		votes[i] = graph.Mul(d, vote)
		if heard[i] != nil {
			votes[i] = graph.Where(heard[i], votes[i], graph.ZerosLike(votes[i]))
		}
		counted := votes[i]
		if p.consensus == signOfCount {
			counted = graph.Sign(counted)
		}
		total = plus(total, counted)
	}
	zero := graph.ZerosLike(total)
	positive := graph.GreaterOrEqual(total, zero) // a tie elects plus, as in mergekit
	for i, vote := range votes {
		heard[i] = graph.Where(positive, graph.GreaterThan(vote, zero), graph.LessThan(vote, zero))
	}
}

// shares are what the sources are multiplied with: scalars, or [size] where not all
// are heard.
func (p program) shares(heard, scales []*graph.Node, args arguments, t int) []*graph.Node {
	shares := make([]*graph.Node, p.sources)
	var divisor *graph.Node
	for i := range shares {
		share, weight := p.carried(args.factor(t, i)), p.carried(args.weight(t, i))
		if scales[i] != nil {
			share = graph.Mul(share, p.carried(scales[i]))
		}
		if heard[i] != nil {
			share, weight = where(heard[i], share), where(heard[i], weight)
		}
		shares[i], divisor = share, plus(divisor, weight)
	}
	if p.normalize {
		divisor = graph.Where(graph.Equal(divisor, graph.ZerosLike(divisor)), graph.OnesLike(divisor), divisor)
		for i := range shares {
			shares[i] = graph.Div(shares[i], divisor)
		}
	}
	return shares
}

// carried gives numbers the dtype in which sums are carried, which has at least 13
// bits more than the result.
func (p program) carried(x *graph.Node) *graph.Node {
	if p.round == dtypes.Float32 {
		return wide(x)
	}
	return narrow(x)
}

// where gives x, a scalar or [size], in some entries and zero in the others.
func where(condition, x *graph.Node) *graph.Node {
	x = graph.BroadcastToDims(x, condition.Shape().Dimensions...)
	return graph.Where(condition, x, graph.ZerosLike(x))
}

// tinyNorm is what a norm has to be at least to be divided by, as in mergekit.
const tinyNorm = 1e-7

// ratio is a norm before dropping over the norm after it, and 1 where either is
// next to nothing: float64.
func ratio(d, keep *graph.Node, of, norm func(*graph.Node) *graph.Node) *graph.Node {
	size := of(graph.ConvertDType(d, dtypes.Float64))
	before := norm(graph.ReduceAllSum(size))
	after := norm(graph.ReduceAllSum(graph.Where(keep, size, graph.ZerosLike(size))))
	tiny := graph.Const(d.Graph(), tinyNorm)
	defined := graph.And(graph.GreaterOrEqual(before, tiny), graph.GreaterOrEqual(after, tiny))
	quotient := graph.Where(defined, graph.Div(before, graph.Max(after, tiny)), graph.OnesLike(before))
	return quotient
}

// arguments gives names to the numbers in a program's first two arguments.
type arguments struct {
	program
	floats, integers *graph.Node
	ranks            []*graph.Node
}

func (a arguments) factor(t, i int) *graph.Node { return pick(a.floats, t*a.perTensor()+i) }
func (a arguments) vote(t, i int) *graph.Node   { return pick(a.floats, t*a.perTensor()+a.sources+i) }
func (a arguments) weight(t, i int) *graph.Node { return pick(a.floats, t*a.perTensor()+2*a.sources+i) }
func (a arguments) number(t, i int) *graph.Node { return pick(a.floats, t*a.perTensor()+3*a.sources+i) }
func (a arguments) rescaled(t int) *graph.Node  { return a.number(t, a.shared) }
func (a arguments) zero() *graph.Node           { return pick(a.integers, perMask-1) }

func (a arguments) integer(t, source, i int) *graph.Node {
	return pick(a.integers, (t*a.sources+source)*perMask+i)
}

// pick is one entry of a vector, as a scalar.
func pick(x *graph.Node, i int) *graph.Node {
	return graph.Reshape(graph.Slice(x, graph.AxisElem(i)))
}
