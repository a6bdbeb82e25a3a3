package merge

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
)

// kernel merges one tensor by a method that is no weighted sum of differences:
// float32, in the shape of the operands.
type kernel func(operands) *graph.Node

// operands are what a kernel works on. All tensors are float32 [vectors, length]:
// what is one vector, the recipe's span says.
type operands struct {
	arguments
	t       int         // which tensor of the unit it is
	base    *graph.Node // nil if there is none
	sources []*graph.Node
	turned  bool     // rows are columns here
	names   []string // of the parameters that the merge has besides
}

// newOperands lays tensors of a unit out as vectors.
func newOperands(tensors []*graph.Node, args arguments, t int, names []string) operands {
	dims := tensors[0].Shape().Dimensions
	length := 1
	if len(dims) > 0 {
		length = dims[len(dims)-1]
	}
	o := operands{arguments: args, t: t, names: names, turned: args.span == SpanColumns && len(dims) > 1}
	switch {
	case o.turned:
		length = tensors[0].Shape().Size() / length
	case args.span == SpanTensor || args.span == "":
		length = tensors[0].Shape().Size()
	}
	for i, x := range tensors {
		if o.turned {
			x = graph.Reshape(x, length, -1)
			x = graph.Transpose(x, 0, 1)
		}
		x = graph.ConvertDType(graph.Reshape(x, -1, length), dtypes.Float32)
		if i == 0 && args.base {
			o.base = x
		} else {
			o.sources = append(o.sources, x)
		}
	}
	return o
}

// restore is the way back to how the tensors lie in memory.
func (o operands) restore(x *graph.Node) *graph.Node {
	if o.turned {
		return graph.Transpose(x, 0, 1)
	}
	return x
}

// parameter is one of the merge's own numbers, as a float64 scalar.
func (o operands) parameter(name string) *graph.Node {
	return o.number(o.t, slices.Index(o.names, name))
}

// parts are what the sources differ by from the base, or all of them without one:
// float32, for what is compared and measured. Sums are made of the sources.
func (o operands) parts() []*graph.Node {
	parts := make([]*graph.Node, len(o.sources))
	for i, x := range o.sources {
		if parts[i] = x; o.base != nil {
			parts[i] = graph.Sub(x, o.base)
		}
	}
	return parts
}

// sum adds what the sources differ by from the base, each with its factor, to the
// base if there is one: float32, carried in float64, as base·(1 − Σ fₖ) + Σ fₖ·xₖ. A
// factor is float64, of a shape that fits.
func (o operands) sum(factors []*graph.Node) *graph.Node {
	var sum, all *graph.Node
	for i, x := range o.sources {
		sum, all = plus(sum, graph.Mul(wide(x), factors[i])), plus(all, factors[i])
	}
	if o.base != nil {
		sum = graph.Add(graph.Mul(wide(o.base), graph.OneMinus(all)), sum)
	}
	return narrow(sum)
}

// nearSwap takes over what the source has where it is close to the base: an
// entry moves by its difference, but by no more than about t.
func nearSwap(o operands) *graph.Node {
	size := graph.MaxScalar(graph.Abs(o.exact()[0]), 1e-6)
	share := graph.ClipScalar(graph.Div(o.parameter("t"), size), 0, 1)
	return o.sum([]*graph.Node{share})
}

// sce weighs each source by the energy of its difference from the base, and hears
// in each entry those whose sign is that of the sum. With select_topk below 1
// only the entries in which the sources vary most are touched.
func sce(o operands) *graph.Node {
	parts := o.parts()
	if o.selects {
		keep := o.varied(parts)
		for i := range parts {
			parts[i] = where(keep, parts[i])
		}
	}
	energies := make([]*graph.Node, len(parts))
	var total, energy *graph.Node
	for i, part := range parts {
		energies[i] = graph.ReduceAllMean(graph.Square(wide(part)))
		total, energy = plus(total, part), plus(energy, energies[i])
	}
	zero := graph.ZerosLike(total)
	positive := graph.GreaterOrEqual(total, zero)
	shares := make([]*graph.Node, len(parts))
	var divisor *graph.Node
	for i, part := range parts {
		weight := graph.Where(graph.LessThan(energy, graph.Const(o.floats.Graph(), 1e-6)),
			graph.Const(o.floats.Graph(), 1/float64(len(parts))), graph.Div(energies[i], energy))
		agrees := graph.Where(positive, graph.GreaterThan(part, zero), graph.LessThan(part, zero))
		shares[i] = where(agrees, weight)
		divisor = plus(divisor, shares[i])
	}
	divisor = graph.MaxScalar(divisor, 1e-6)
	for i := range shares {
		shares[i] = graph.Div(shares[i], divisor)
	}
	return o.sum(shares)
}

// varied says in which entries the variance between parts is among the largest:
// a share, select_topk, of the entries in which there is any.
func (o operands) varied(parts []*graph.Node) *graph.Node {
	g := o.floats.Graph()
	var mean, variance *graph.Node
	for _, part := range parts {
		mean = plus(mean, part)
	}
	mean = graph.DivScalar(mean, float64(len(parts)))
	for _, part := range parts {
		variance = plus(variance, graph.Square(graph.Sub(part, mean)))
	}
	variance = graph.DivScalar(variance, float64(len(parts)))
	flat := graph.Reshape(variance, variance.Shape().Size())
	some := graph.GreaterThan(flat, graph.ZerosLike(flat))
	count := narrow(graph.ReduceAllSum(graph.ConvertDType(some, dtypes.Float64)))
	keep := graph.ConvertDType(graph.Mul(count, narrow(o.parameter("select_topk"))), dtypes.Int32)
	none := graph.LessOrEqual(keep, graph.Const(g, int32(0)))
	last := graph.MaxScalar(graph.AddScalar(keep, -1), 0)
	pivot := graph.Reshape(graph.DynamicSlice(descending(flat), []*graph.Node{last}, []int{1}))
	kept := graph.And(largest(flat, pivot), graph.Not(none))
	return graph.Reshape(kept, variance.Shape().Dimensions...)
}

// arceeFusion takes over the entries of the source that matter most: by how far
// they are from the base, times how far the distributions are apart that the
// softmax makes of its row and the base's. What matters is above the median by
// one and a half times the distance of the quartiles.
func arceeFusion(o operands) *graph.Node {
	source, base := graph.Softmax(wide(o.sources[0]), -1), graph.Softmax(wide(o.base), -1)
	source, base = graph.AddScalar(source, 1e-8), graph.AddScalar(base, 1e-8)
	divergence := graph.ReduceAndKeep(graph.Mul(source, graph.Log(graph.Div(source, base))), graph.ReduceSum, -1)
	importance := narrow(graph.Mul(graph.Abs(wide(o.parts()[0])), divergence))
	size := importance.Shape().Size()
	sorted := graph.Sort(graph.Reshape(importance, size), 0, true)
	quartile := func(i int) *graph.Node { return pick(sorted, i*(size-1)/4) }
	threshold := graph.Add(quartile(2), graph.MulScalar(graph.Sub(quartile(3), quartile(1)), 1.5))
	return o.sum([]*graph.Node{wide(graph.GreaterOrEqual(importance, threshold))})
}

// ram averages what several sources have changed, and takes over what only one
// has.
func ram(o operands) *graph.Node {
	changed, counts := o.changed()
	return o.sum(ramShares(changed, counts, nil))
}

// ramPlus is ram that strengthens what only one source has changed, by how much
// of its changes it shares with others.
func ramPlus(o operands) *graph.Node {
	changed, counts := o.changed()
	one := graph.OnesLike(counts)
	strengths := make([]*graph.Node, len(changed))
	for i := range changed {
		number := func(of *graph.Node) *graph.Node {
			return graph.ReduceAllSum(graph.ConvertDType(graph.And(changed[i], of), dtypes.Float64))
		}
		shared, alone := number(graph.GreaterThan(counts, one)), number(graph.Equal(counts, one))
		overlap := graph.Div(shared, graph.Max(alone, o.parameter("epsilon")))
		overlap = graph.Min(overlap, o.parameter("alpha"))
		strengths[i] = graph.OnePlus(graph.Mul(o.parameter("r"), overlap))
	}
	return o.sum(ramShares(changed, counts, strengths))
}

// changed says which entries each source has changed, and counts in how many
// sources each is: float64.
func (o operands) changed() (changed []*graph.Node, counts *graph.Node) {
	epsilon := narrow(o.parameter("epsilon"))
	for _, part := range o.parts() {
		far := graph.GreaterThan(graph.Abs(part), epsilon)
		changed = append(changed, far)
		counts = plus(counts, wide(far))
	}
	return changed, counts
}

// ramShares are the factors of each source's changes. Strengths, if there are
// any, are for those that it alone has made.
func ramShares(changed []*graph.Node, counts *graph.Node, strengths []*graph.Node) []*graph.Node {
	mean := graph.Inverse(graph.MaxScalar(counts, 1))
	alone := graph.Equal(counts, graph.OnesLike(counts))
	shares := make([]*graph.Node, len(changed))
	for i := range changed {
		share := mean
		if strengths != nil {
			share = graph.Where(alone, graph.BroadcastToDims(strengths[i], counts.Shape().Dimensions...), mean)
		}
		shares[i] = graph.Where(changed[i], share, graph.ZerosLike(share))
	}
	return shares
}

// wide and narrow convert between the dtypes of sums and of entries.
func wide(x *graph.Node) *graph.Node   { return graph.ConvertDType(x, dtypes.Float64) }
func narrow(x *graph.Node) *graph.Node { return graph.ConvertDType(x, dtypes.Float32) }

// plus adds to a sum that may not have begun.
func plus(sum, x *graph.Node) *graph.Node {
	if sum == nil {
		return x
	}
	return graph.Add(sum, x)
}
