package merge

import (
	"context"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// job is one merge, with everything looked up: what to do to which tensors.
type job struct {
	parts []partJob // one, or one for each slice
	units []unit    // in order, covering all tensors
}

// partJob is the job of one part.
type partJob struct {
	part    // its recipe in the normal form
	choices choices
	base    operand   // empty for methods without a base
	sources []operand // in the order of recipe.Sources
	feeds   []feed    // of the operands that are not on the device
	program program   // what all units run
	reused  *reused   // merged tensors that may be written over; nil: none

	vocabulary *Vocabulary // nil: tensors have the same rows in all models
	words      []operand   // its models
}

// fed reports whether a model is not on the device.
func (j job) fed() bool {
	return slices.ContainsFunc(j.parts, func(p partJob) bool { return len(p.feeds) > 0 })
}

// params are the tensors of the merged model that a unit has.
func (j job) params(u unit) []arch.Param { return j.parts[u.part].params[u.from:u.to] }

// operand is a model that takes part.
type operand struct {
	owner *infer.Weights // whose the tensors are, see rankingKey; nil for one that is fed
	// tensors are all of a resident model's, and of one that is fed those of the
	// units at hand.
	tensors []*tensors.Tensor
	mapped  []infer.Mapped // those that are read where they lie, in place of tensors; nil: none ever
	numbers []int          // which of the owner's they are; nil: tensor t is number t
}

// shape is the shape of tensor t, as it comes to a merge.
func (o operand) shape(t int) shapes.Shape {
	if o.tensors[t] == nil && o.mapped != nil {
		return o.mapped[t].Shape
	}
	return o.tensors[t].Shape()
}

// number is which of its owner's tensor t is.
func (o operand) number(t int) int {
	if o.numbers == nil {
		return t
	}
	return o.numbers[t]
}

// take adds a model to the job, of which block l+shift goes with block l of the
// merged model.
func (j *partJob) take(m Model, shift int) operand {
	o := operand{tensors: make([]*tensors.Tensor, len(j.params)), numbers: make([]int, len(j.params))}
	number := map[string]int{}
	for i, p := range arch.Params(m.Config()) {
		number[p.Name] = i
	}
	for t, p := range j.params {
		o.numbers[t] = number[p.In(p.Group.Block+shift).Name]
	}
	switch m := m.(type) {
	case *infer.Weights:
		o.owner = m
		for t, n := range o.numbers {
			o.tensors[t] = m.Tensors()[n]
		}
	case Stored:
		o.mapped = make([]infer.Mapped, len(j.params))
		j.feeds = append(j.feeds, feed{m, o})
	}
	return o
}

// unit is a run of tensors that are merged in one call: those of one block, or
// of an end of the model. Blocks have the same shapes, so they share one
// executable; a call for each tensor would cost a small model more in overhead
// than in work, and one call for all would take long to compile for a large one.
type unit struct {
	part     int // of the job
	from, to int // tensors of the part
}

// units divides the tensors of a model.
func units(params []arch.Param) []unit {
	var units []unit
	for t, p := range params {
		if t == 0 || p.Group != params[t-1].Group {
			units = append(units, unit{from: t})
		}
		units[len(units)-1].to = t + 1
	}
	return units
}

// UnitBytes is the device's memory that a unit of a model takes at most, where the
// model's tensors have the dtype. A unit is a block, or an end of the model.
func UnitBytes(c checkpoint.Config, dtype dtypes.DType) int64 {
	var most int64
	infos := storedAs(c, dtype)
	for _, u := range units(arch.Params(c)) {
		most = max(most, bytesOfAll(infos[u.from:u.to]))
	}
	return most
}

// Fed is the device's memory that is taken at most by what is merged at a time of
// models that are not on the device, where a unit of each takes so much.
func (r Recipe) Fed(units map[string]int64) int64 {
	r = r.withDefaults()
	of := func(sources []Source) (bytes int64) {
		for _, s := range sources {
			bytes += units[s.Model]
		}
		return bytes
	}
	most := of(r.Sources)
	if methods[r.Method].base != ignoresBase {
		most += units[r.Base]
	}
	for _, h := range r.Path { // one at a time; and the ends
		most = max(most, units[h.Model], units[r.Base])
	}
	for _, s := range r.Slices { // whose base is among its sources
		most = max(most, of(s.Sources))
	}
	return most
}

// newProgram is what a recipe in its normal form compiles to.
func newProgram(r Recipe, c choices) program {
	p := program{
		method:    r.Method,
		base:      c.base != ignoresBase && r.Base != "",
		sparsify:  c.sparsify,
		consensus: c.consensus,
		normalize: r.normalizesAny() && c.consensus != everyone,
		span:      r.Span,
		sources:   len(r.Sources),
		shared:    len(c.shared),
		round:     dtypes.Float32,
	}
	if r.Consensus == ConsensusCount {
		p.consensus = signOfCount
	}
	if c.byRows {
		p.span = SpanRows
	}
	if r.Rescale != RescaleDensity || c.sparsify == rankBernoulli {
		p.rescale = r.Rescale
		p.chosen = !r.Parameters[rescaleName].IsZero()
	}
	if steps, ok := r.Parameters[steps.name].uniform(); ok {
		p.steps = int(steps)
	}
	if share, uniform := r.Parameters["select_topk"].uniform(); r.Method == SCE {
		p.selects = !uniform || share < 1
	}
	switch r.DType {
	case "bfloat16":
		p.round = dtypes.BFloat16
	case "float16":
		p.round = dtypes.Float16
	}
	return p
}

// run merges every tensor. It looks at ctx between calls; on any failure the
// tensors made so far are freed.
func (x *Executor) run(ctx context.Context, j job, o StreamOptions) (merged []*tensors.Tensor, err error) {
	s := x.stream(ctx, j, j.units, !o.Sequential)
	defer s.close()
	for i := range j.units {
		out, err := s.next()
		if err != nil {
			device.Free(merged...)
			return nil, err
		}
		merged = append(merged, out...)
		if o.Progress != nil {
			o.Progress(i+1, len(j.units))
		}
	}
	return merged, nil
}

// runUnit merges the tensors of a unit and waits until they are there.
func (x *Executor) runUnit(ctx context.Context, j job, u unit) ([]*tensors.Tensor, error) {
	return x.runPart(ctx, j.parts[u.part], u)
}

// runPart is runUnit for the part that the unit is of.
func (x *Executor) runPart(ctx context.Context, j partJob, u unit) ([]*tensors.Tensor, error) {
	j, free, err := x.align(j, u)
	defer free()
	if err != nil {
		return nil, err
	}
	integers, err := x.maskArguments(ctx, j, u)
	if err != nil {
		return nil, err
	}
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	floats := j.floatArguments(u)
	if out, ok, err := x.passUnit(ctx, j, u, floats, integers); ok || err != nil {
		return out, err
	}
	ranks, err := x.rankArguments(ctx, j, u)
	defer func() { device.Free(ranks...) }()
	if err != nil {
		return nil, err
	}
	args := []any{floats, integers}
	for t := u.from; t < u.to; t++ {
		if j.program.base {
			args = append(args, j.base.tensors[t])
		}
		for _, s := range j.sources {
			args = append(args, s.tensors[t])
		}
	}
	for _, r := range ranks {
		args = append(args, r)
	}
	out, err := x.programs.run(j.program, j.program.build, args)
	if err != nil {
		return nil, err
	}
	last := len(out) - 1
	defer device.Free(out[last])
	// A device runs ahead of us. Reading the scalar waits, so that sources may be
	// freed once we return.
	if _, err := tensors.CopyFlatData[uint32](out[last]); err != nil {
		device.Free(out[:last]...)
		return nil, fault.Wrap(err, fault.Internal, "waiting for a merge")
	}
	return out[:last], nil
}

// cancelled is the error of a caller who has gone away.
func cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Cancelled, "merge")
	}
	return nil
}
