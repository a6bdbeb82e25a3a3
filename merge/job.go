package merge

import (
	"context"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/device"
)

// job is one merge, with everything looked up: what to do to which tensors.
type job struct {
	recipe  Recipe // in its normal form
	choices choices
	places  []place   // of the tensors
	units   []unit    // in order, covering all tensors
	base    operand   // empty for methods without a base
	sources []operand // in the order of recipe.Sources
	program program   // what all units run
}

// operand is a model that takes part.
type operand struct {
	owner   *infer.Weights // whose the tensors are, see rankingKey
	tensors []*tensors.Tensor
}

// unit is a run of tensors that are merged in one call: those of one block, or
// of an end of the model. Blocks have the same shapes, so they share one
// executable; a call for each tensor would cost a small model more in overhead
// than in work, and one call for all would take long to compile for a large one.
type unit struct {
	from, to int // tensors
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

// newProgram is what a recipe compiles to.
func newProgram(r Recipe, c choices) program {
	p := program{
		base:      c.base == needsBase,
		sparsify:  c.sparsify,
		consensus: c.consensus,
		normalize: r.Normalize && c.consensus != everyone,
		l1:        r.Rescale == RescaleL1,
		sources:   len(r.Sources),
	}
	switch r.DType {
	case "bfloat16":
		p.round = dtypes.BFloat16
	case "float16":
		p.round = dtypes.Float16
	default:
		p.round = dtypes.Float32
	}
	return p
}

// run merges every tensor. It looks at ctx between calls; on any failure the
// tensors made so far are freed.
func (x *Executor) run(ctx context.Context, j job) (merged []*tensors.Tensor, err error) {
	defer func() {
		if err != nil {
			device.Free(merged...)
			merged = nil
		}
	}()
	for _, u := range j.units {
		out, err := x.runUnit(ctx, j, u)
		if err != nil {
			return merged, err
		}
		merged = append(merged, out...)
	}
	return merged, nil
}

// runUnit merges the tensors of a unit and waits until they are there.
func (x *Executor) runUnit(ctx context.Context, j job, u unit) ([]*tensors.Tensor, error) {
	integers, err := x.maskArguments(ctx, j, u)
	if err != nil {
		return nil, err
	}
	if err := cancelled(ctx); err != nil {
		return nil, err
	}
	args := []any{j.floatArguments(u), integers}
	for t := u.from; t < u.to; t++ {
		if j.program.base {
			args = append(args, j.base.tensors[t])
		}
		for _, s := range j.sources {
			args = append(args, s.tensors[t])
		}
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

// floatArguments are lambda and, for each tensor, the weights and the factors
// that make up for what is dropped. A divisor that is the same in every entry is
// divided by here.
func (j job) floatArguments(u unit) []float32 {
	out := []float32{float32(j.recipe.Lambda)}
	for _, p := range j.places[u.from:u.to] {
		divisor := 1.0
		if j.recipe.Normalize && j.choices.consensus == everyone {
			if sum := j.recipe.weightSum(p); math.Abs(sum) >= minDivisor {
				divisor = sum
			}
		}
		for _, s := range j.recipe.Sources {
			out = append(out, float32(s.Weight.at(p, 0)/divisor))
		}
		for _, s := range j.recipe.Sources {
			scale := 1.0
			if j.recipe.Rescale == RescaleDensity {
				scale = 1 / s.Density.at(p, 1)
			}
			out = append(out, float32(scale))
		}
	}
	return out
}

// maskArguments are the integers that choose what is kept: of each tensor and
// source the pivot, or the key and the limit.
func (x *Executor) maskArguments(ctx context.Context, j job, u unit) ([]uint32, error) {
	n := len(j.sources)
	out := make([]uint32, (u.to-u.from)*n*perMask)
	for t := u.from; t < u.to; t++ {
		for i, s := range j.recipe.Sources {
			density := s.Density.at(j.places[t], 1)
			mask := out[((t-u.from)*n+i)*perMask:]
			switch j.choices.sparsify {
			case magnitude:
				if err := cancelled(ctx); err != nil {
					return nil, err
				}
				key := rankingKey{source: j.sources[i].owner, base: j.base.owner, tensor: t}
				pivot, err := x.pivot(key, density, j.sources[i].tensors[t], j.base.tensors[t])
				if err != nil {
					return nil, err
				}
				mask[0] = pivot
			case bernoulli:
				key := maskKey(j.recipe.Seed, s.Model, j.places[t].name)
				mask[0], mask[1], mask[2] = key[0], key[1], maskLimit(density)
			}
		}
	}
	return out, nil
}

// cancelled is the error of a caller who has gone away.
func cancelled(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Cancelled, "merge")
	}
	return nil
}
