package merge

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/device"
)

// takeWords gives the operand that a model of the vocabulary is; one that is not
// merged is added, for the sake of its rows.
func (j *partJob) takeWords(name string, m Model) operand {
	if j.program.base && name == j.recipe.Base {
		return j.base
	}
	for i, s := range j.recipe.Sources {
		if s.Model == name {
			return j.sources[i]
		}
	}
	o := j.take(m, 0)
	for t, p := range j.params {
		if !p.ByToken() {
			o.numbers[t] = notFed
		}
	}
	return o
}

// order names the order in which a tensor's rows are merged; empty: their own.
func (j partJob) order(t int) string {
	if j.vocabulary == nil || !j.params[t].ByToken() {
		return ""
	}
	return j.vocabulary.digest
}

// aligns tells whether rows of a unit's tensors are brought into another order.
func (j partJob) aligns(u unit) bool {
	return j.vocabulary != nil && slices.ContainsFunc(j.params[u.from:u.to], arch.Param.ByToken)
}

// notFed is the number of a tensor that is not needed.
const notFed = -1

// align gives the job with a unit's embeddings and heads in the order of the
// recipe's vocabulary, in all models that take part. What was made for that is to
// be freed with free, also beside an error. A job without a vocabulary is given as
// it is.
func (x *Executor) align(j partJob, u unit) (_ partJob, free func(), err error) {
	var made []*tensors.Tensor
	free = func() { device.Free(made...) }
	if j.vocabulary == nil {
		return j, free, nil
	}
	for t := u.from; t < u.to; t++ {
		if !j.params[t].ByToken() {
			continue
		}
		theirs := make([]*tensors.Tensor, len(j.words))
		for i, w := range j.words {
			theirs[i] = w.tensors[t]
		}
		aligned, err := x.alignTensors(j.vocabulary, theirs)
		made = append(made, aligned...)
		if err != nil {
			return j, free, err
		}
		in := make(map[*tensors.Tensor]*tensors.Tensor, len(aligned))
		for i, tensor := range theirs {
			in[tensor] = aligned[i]
		}
		if j.program.base {
			j.base = j.base.with(u, t, in[j.base.tensors[t]])
		}
		sources := make([]operand, len(j.sources))
		for i, s := range j.sources {
			sources[i] = s.with(u, t, in[s.tensors[t]])
		}
		j.sources = sources
	}
	return j, free, nil
}

// with is the operand of a unit with another tensor in one place. Those of other
// units are left out: of an operand that is fed they come and go meanwhile.
func (o operand) with(u unit, t int, tensor *tensors.Tensor) operand {
	all := make([]*tensors.Tensor, len(o.tensors))
	copy(all[u.from:u.to], o.tensors[u.from:u.to])
	all[t] = tensor
	o.tensors = all
	return o
}

// alignTensors brings one tensor of each model of a vocabulary into its order.
func (x *Executor) alignTensors(v *Vocabulary, theirs []*tensors.Tensor) ([]*tensors.Tensor, error) {
	for i, tensor := range theirs {
		if rows := tensor.Shape().Dimensions[0]; rows != v.sizes[i] {
			return nil, fault.New(fault.Internal, "an embedding of %q has %d rows, and its vocabulary %d", v.models[i], rows, v.sizes[i])
		}
	}
	p := aligning{models: len(v.models), filled: len(v.filled) > 0, blank: v.blanks(), dtype: theirs[0].DType()}
	for _, tensor := range theirs {
		if tensor.DType() != p.dtype || v.means() {
			p.dtype = dtypes.Float32 // so that nothing is rounded before the merge
		}
	}
	args := v.arguments(p)
	for _, tensor := range theirs {
		args = append(args, tensor)
	}
	out, err := x.programs.run(p, p.build, args)
	if err != nil {
		return nil, err
	}
	last := len(out) - 1
	defer device.Free(out[last])
	// A device runs ahead of us, and the kernel of package onepass doesn't wait for it.
	if _, err := tensors.CopyFlatData[int32](out[last]); err != nil {
		device.Free(out[:last]...)
		return nil, fault.Wrap(err, fault.Internal, "waiting for embeddings")
	}
	return out[:last], nil
}

// blanks tells whether there are rows of no token.
func (v *Vocabulary) blanks() bool {
	for _, blank := range v.blank {
		if blank {
			return true
		}
	}
	return false
}

// means tells whether a row is the mean of others.
func (v *Vocabulary) means() bool {
	for _, f := range v.filled {
		if len(f.from) > 1 {
			return true
		}
	}
	return v.blanks()
}

// aligning is a program that brings the embeddings of some models into one order.
type aligning struct {
	models int
	filled bool         // some rows are not a model's own
	blank  bool         // some rows are the mean of the others
	dtype  dtypes.DType // of the result
}

// arguments are, in the order in which build takes them
//
//	int32 [models, rows]          the row of the own embedding; of those behind it, a filled one
//	bool [rows]                   which are blank, if any are
//	int32 [models, filled]        the row that a model gives to a filled one, if there are such rows
//	bool [models, filled]         whether it gives any
//	float32 [filled, 1]           how many models do, at least 1
func (v *Vocabulary) arguments(p aligning) []any {
	from := make([][]int32, len(v.models))
	for i, own := range v.own {
		from[i] = make([]int32, v.Rows)
		for row, at := range own {
			from[i][row] = max(at, 0)
		}
		for k, f := range v.filled {
			if own[f.row] < 0 || f.force {
				from[i][f.row] = int32(v.sizes[i] + k)
			}
		}
	}
	args := []any{from}
	if p.blank {
		args = append(args, v.blank)
	}
	if !p.filled {
		return args
	}
	gives, row := make([][]bool, len(v.models)), make([][]int32, len(v.models))
	for i := range v.models {
		gives[i], row[i] = make([]bool, len(v.filled)), make([]int32, len(v.filled))
	}
	count := make([][]float32, len(v.filled))
	for k, f := range v.filled {
		count[k] = []float32{float32(max(len(f.from), 1))}
		for _, one := range f.from {
			gives[one.model][k], row[one.model][k] = true, one.row
		}
	}
	return append(args, row, gives, count)
}

// build is the graph: each model's embedding in the new order, [rows, width], and one
// more scalar, for waiting until it has run.
func (p aligning) build(in []*graph.Node) []*graph.Node {
	next := func() *graph.Node {
		n := in[0]
		in = in[1:]
		return n
	}
	from := next()
	var blank, row, gives, count *graph.Node
	if p.blank {
		blank = graph.ExpandDims(next(), -1)
	}
	if p.filled {
		row, gives, count = next(), next(), next()
	}
	wide := make([]*graph.Node, p.models)
	for i := range wide {
		wide[i] = graph.ConvertDType(next(), dtypes.Float32)
	}
	var filled *graph.Node // [filled, width]
	for i := 0; i < p.models && p.filled; i++ {
		given := rowsOf(wide[i], entry(row, i))
		mine := graph.BroadcastToDims(graph.ExpandDims(entry(gives, i), -1), given.Shape().Dimensions...)
		filled = plus(filled, graph.Where(mine, given, graph.ZerosLike(given)))
	}
	if p.filled {
		filled = graph.Div(filled, count)
	}
	out := make([]*graph.Node, p.models)
	for i, own := range wide {
		if p.filled {
			own = graph.Concatenate([]*graph.Node{own, filled}, 0)
		}
		out[i] = rowsOf(own, entry(from, i))
		if p.blank {
			out[i] = withMean(out[i], blank)
		}
		out[i] = graph.ConvertDType(out[i], p.dtype)
	}
	return append(out, graph.Reshape(graph.Slice(from, graph.AxisRange(0, 1), graph.AxisRange(0, 1))))
}

// withMean puts the mean of the other rows of x [rows, width] where blank [rows, 1]
// is true. Sums are carried in float64.
func withMean(x, blank *graph.Node) *graph.Node {
	blanks := graph.BroadcastToDims(blank, x.Shape().Dimensions...)
	exact := graph.ConvertDType(x, dtypes.Float64)
	sum := graph.ReduceSum(graph.Where(blanks, graph.ZerosLike(exact), exact), 0)
	count := graph.ReduceAllSum(graph.ConvertDType(graph.LogicalNot(blank), dtypes.Float64))
	mean := graph.ConvertDType(graph.Div(sum, count), dtypes.Float32)
	return graph.Where(blanks, graph.BroadcastToDims(graph.ExpandDims(mean, 0), x.Shape().Dimensions...), x)
}

// entry is entry i of the first axis of x [n, m]: [m].
func entry(x *graph.Node, i int) *graph.Node {
	return graph.Reshape(graph.Slice(x, graph.AxisElem(i)), x.Shape().Dimensions[1])
}

// rowsOf picks rows of x [n, width] by their numbers [m]: [m, width].
func rowsOf(x, numbers *graph.Node) *graph.Node {
	return graph.Gather(x, graph.ExpandDims(numbers, -1))
}
