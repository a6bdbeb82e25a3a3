package merge

import (
	"context"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
)

// floatArguments are, for each tensor: what each source's difference is multiplied
// with in the sum; with what it votes; its weight in the divisor, or in the kernel; the
// parameters of the whole merge; and, where the program chooses, whether what is kept is
// rescaled. In the first two are the weights, and what makes up for what is dropped; in
// the first are lambda and a divisor that is the same in all entries.
func (j partJob) floatArguments(u unit) []float64 {
	var out []float64
	for t := u.from; t < u.to; t++ {
		divisor := 1.0
		normalize, rescale := j.recipe.normalizesAt(j.places[t]), j.recipe.rescalesAt(j.places[t])
		if normalize && j.choices.consensus == everyone {
			if sum := j.weightSum(t); math.Abs(sum) >= minDivisor {
				divisor = sum
			}
		}
		lambda := j.recipe.lambdaAt(j.places[t])
		var factors, votes, weights []float64
		for i, s := range j.recipe.Sources {
			weight, scale := s.Weight.at(j.input(t, i), 0), 1.0
			if j.program.rescale == "" && rescale {
				scale = 1 / s.Density.at(j.input(t, i), 1)
			}
			factors = append(factors, lambda*weight*scale/divisor)
			votes = append(votes, weight*scale)
			switch {
			case !j.choices.sums():
				weights = append(weights, weight/divisor)
			case normalize:
				weights = append(weights, weight)
			default:
				weights = append(weights, 0) // nothing is divided by nothing
			}
		}
		out = slices.Concat(out, factors, votes, weights)
		for _, q := range j.choices.shared {
			out = append(out, j.recipe.Parameters[q.name].at(j.places[t], q.fallback))
		}
		if j.program.chosen {
			out = append(out, truth(rescale))
		}
	}
	return out
}

// maskArguments are the integers that choose what is kept: of each tensor and
// source
//
//	the pivot                                               of the largest
//	the pivot, whether entries are skipped, the last such   of all but outliers
//	the key, the limit                                      of draws
//	the key, the limits for the smallest and the largest    of draws by rank
func (x *Executor) maskArguments(ctx context.Context, j partJob, u unit) ([]uint32, error) {
	n := len(j.sources)
	out := make([]uint32, (u.to-u.from)*n*perMask)
	for t := u.from; t < u.to; t++ {
		for i, s := range j.recipe.Sources {
			density := s.Density.at(j.input(t, i), 1)
			mask := out[((t-u.from)*n+i)*perMask:]
			switch j.choices.sparsify {
			case magnitude, outliers:
				if density == 1 {
					mask[0] = everything
					continue
				}
				if err := cancelled(ctx); err != nil {
					return nil, err
				}
				size := j.sources[i].shape(t).Size()
				skip, keep := 0, keepCount(density, size)
				if j.choices.sparsify == outliers {
					skip = min(int(s.own(j, outlierShare, t, i)*float64(size)), size-keep)
				}
				var err error
				if mask[0], err = x.pivot(ctx, j, t, i, skip+keep-1); err != nil {
					return nil, err
				}
				if skip > 0 {
					mask[1] = 1
					if mask[2], err = x.pivot(ctx, j, t, i, skip-1); err != nil {
						return nil, err
					}
				}
			case bernoulli:
				key := maskKey(j.recipe.Seed, s.Model, j.places[t].name)
				mask[0], mask[1], mask[2] = key[0], key[1], maskLimit(density)
			case rankBernoulli:
				key := maskKey(j.recipe.Seed, s.Model, j.places[t].name)
				spread := min(s.own(j, probabilitySpread, t, i), density, 1-density)
				mask[0], mask[1], mask[2], mask[3] = key[0], key[1], maskLimit(density-spread), maskLimit(density+spread)
			}
		}
	}
	return out, nil
}

// own is a parameter of the source, which is number i, in a tensor.
func (s Source) own(j partJob, q parameter, t, i int) float64 {
	return s.Parameters[q.name].at(j.input(t, i), q.fallback)
}

// rankArguments are the ranks of entries in their rows, of each tensor and
// source, where a program draws by them. They are the caller's to free, also
// beside an error.
func (x *Executor) rankArguments(ctx context.Context, j partJob, u unit) (out []*tensors.Tensor, err error) {
	if j.choices.sparsify != rankBernoulli {
		return nil, nil
	}
	for t := u.from; t < u.to; t++ {
		for i := range j.sources {
			if err := cancelled(ctx); err != nil {
				return out, err
			}
			ranks, err := x.ranking(j, t, i, inRows)
			if err != nil {
				return out, err
			}
			out = append(out, tensors.FromFlatDataAndDimensions(ranks, len(ranks)))
		}
	}
	return out, nil
}
