package merge

import (
	"context"
	"unsafe"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge/onepass"
)

// On processors, most merges to bfloat16 are left to the kernel of package onepass.
// It takes the arguments that the graph would be given.

// hosted is where the operands of one tensor are in host memory.
type hosted struct {
	dtype   onepass.DType
	entries int
	base    unsafe.Pointer // nil if the program has none
	sources []unsafe.Pointer
}

// passes tells whether the kernel computes what the program does.
func (x *Executor) passes(p program) bool {
	return x.onePass && methods[p.method].sums() && p.round == dtypes.BFloat16 &&
		p.sparsify != rankBernoulli && p.sources <= onepass.MaxSources
}

// hosted looks up where the operands of a tensor are. They are not, for the kernel, if
// they differ in shape or dtype, or are of one that it doesn't read.
func (x *Executor) hosted(j partJob, t int) (hosted, bool, error) {
	operands := j.sources
	if j.program.base {
		operands = append([]operand{j.base}, operands...)
	}
	h := hosted{}
	var shape shapes.Shape
	for i, o := range operands {
		at, its, err := x.whereIs(o, t)
		if at == nil || err != nil {
			return h, false, err
		}
		if i == 0 {
			shape, h.entries = its, its.Size()
			switch its.DType {
			case dtypes.BFloat16:
				h.dtype = onepass.BFloat16
			case dtypes.Float32:
				h.dtype = onepass.Float32
			default:
				return h, false, nil
			}
		}
		if !its.Equal(shape) {
			return h, false, nil // for the graph to complain about
		}
		if i == 0 && j.program.base {
			h.base = at
		} else {
			h.sources = append(h.sources, at)
		}
	}
	return h, true, nil
}

// whereIs gives where a tensor of an operand is in host memory; nil if it isn't there.
func (x *Executor) whereIs(o operand, t int) (unsafe.Pointer, shapes.Shape, error) {
	if tensor := o.tensors[t]; tensor.Ok() {
		at, err := x.dev.HostMemory(tensor)
		return at, tensor.Shape(), err
	}
	if o.mapped == nil || o.mapped[t].Data == nil {
		return nil, shapes.Shape{}, nil
	}
	m := o.mapped[t]
	return unsafe.Pointer(unsafe.SliceData(m.Data)), m.Shape, nil
}

// readable looks up where the operands of a unit's tensors are, if the kernel can read
// them all.
func (x *Executor) readable(j partJob, u unit) (all []hosted, ok bool, err error) {
	for t := u.from; t < u.to; t++ {
		h, ok, err := x.hosted(j, t)
		if !ok || err != nil {
			return nil, false, err
		}
		if held := j.program.held; held != dtypes.InvalidDType && held != j.sources[0].shape(t).DType {
			return nil, false, nil // the kernel writes what it reads
		}
		all = append(all, h)
	}
	return all, true, nil
}

// passUnit merges the tensors of a unit by the kernel, if it can. The numbers are
// what the graph gets for the same unit.
func (x *Executor) passUnit(ctx context.Context, j partJob, u unit, floats []float64, integers []uint32) (out []*tensors.Tensor, ok bool, err error) {
	if !x.passes(j.program) {
		return nil, false, nil
	}
	operands, ok, err := x.readable(j, u)
	if !ok || err != nil {
		return nil, false, err
	}
	defer func() {
		if err != nil || !ok {
			device.Free(out...)
			out = nil
		}
	}()
	var merges []onepass.Merge
	for i, h := range operands {
		t := u.from + i
		result, err := x.result(j, t)
		if err != nil {
			return out, false, err
		}
		out = append(out, result)
		masks := u.masks(j.program, integers, t)
		m := j.program.pass(h, u.numbers(j.program, floats, t), masks)
		if err := x.rescale(ctx, j, t, &m, masks); err != nil {
			return out, false, err
		}
		if m.Result, err = x.dev.HostMemory(result); err != nil {
			return out, false, err
		}
		merges = append(merges, m)
	}
	if err := onepass.Run(ctx, merges); err != nil {
		return out, false, cancelled(ctx)
	}
	return out, true, nil
}

// result is the tensor that a merged one is written to.
func (x *Executor) result(j partJob, t int) (*tensors.Tensor, error) {
	shape := j.sources[0].shape(t)
	if old, ok := j.reused.take(shape); ok {
		return old, nil
	}
	if old, ok := x.spare.take(shape); ok {
		return old, nil
	}
	return x.dev.NewHostTensor(shape)
}

// numbers are those of floats that belong to tensor t.
func (u unit) numbers(p program, floats []float64, t int) []float64 {
	return floats[(t-u.from)*p.perTensor():][:p.perTensor()]
}

// masks are those of integers that belong to tensor t.
func (u unit) masks(p program, integers []uint32, t int) []uint32 {
	n := p.sources * perMask
	return integers[(t-u.from)*n:][:n]
}

// pass puts into the kernel's words what the graph does to a tensor, but for where
// the result goes.
func (p program) pass(h hosted, numbers []float64, masks []uint32) onepass.Merge {
	m := onepass.Merge{DType: h.dtype, Base: h.base, Entries: h.entries, Normalizes: p.normalize}
	switch p.sparsify {
	case magnitude, outliers:
		m.Keeps = onepass.Largest
	case bernoulli:
		m.Keeps = onepass.Drawn
	}
	switch p.consensus {
	case signOfSum:
		m.Hears = onepass.SignOfSum
	case signOfCount:
		m.Hears = onepass.SignOfCount
	}
	for i, at := range h.sources {
		s := onepass.Source{
			Tensor: at,
			Factor: float32(numbers[i]), Vote: float32(numbers[p.sources+i]), Weight: float32(numbers[2*p.sources+i]),
		}
		switch mask := masks[i*perMask:]; m.Keeps {
		case onepass.Largest:
			if mask[0] != everything {
				s.Last = &mask[0]
			}
			if mask[1] != 0 {
				s.Skip = &mask[2]
			}
		case onepass.Drawn:
			s.Key, s.Limit = [2]uint32{mask[0], mask[1]}, mask[2]
		}
		m.Sources = append(m.Sources, s)
	}
	return m
}

// pivot finds the entry of a source's difference from the base that comes after
// `rank` others by size: from a count of its entries by size where the kernel can
// make one, else from an order of all.
func (x *Executor) pivot(ctx context.Context, j partJob, tensor, source, rank int) (uint32, error) {
	if x.onePass && j.program.base {
		h, ok, err := x.hosted(j, tensor)
		if err != nil {
			return 0, err
		}
		if ok {
			sizes := onepass.Sizes{DType: h.dtype, Base: h.base, Tensor: h.sources[source], Entries: h.entries}
			counted, err := x.counted(ctx, j, tensor, source, sizes)
			if err != nil {
				return 0, err
			}
			position, err := counted.Pivot(ctx, sizes, rank)
			if err != nil {
				return 0, cancelled(ctx)
			}
			return position, nil
		}
	}
	order, err := x.ranking(j, tensor, source, byMagnitude)
	if err != nil {
		return 0, err
	}
	return order[rank], nil
}
