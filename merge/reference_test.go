package merge

import (
	"cmp"
	"math"
	"slices"
)

// This file merges on paper, so to say: one entry at a time, in float64, with no
// regard for speed. It is written from the formulas in doc.go and shares with
// the graphs only the keys and limits of masks.

// mergeByHand merges one tensor: base may be nil.
func mergeByHand(r Recipe, p place, shape []int, base []float32, sources [][]float32) []float64 {
	c := methods[r.Method]
	if !c.sums() {
		return kernelByHand(r, p, shape, base, sources)
	}
	n := len(sources[0])
	parts := make([][]float64, len(sources))
	weights := make([]float64, len(sources))
	lambda := r.Parameters[lambdaName].at(p, r.Lambda)
	normalize, rescale := normalizesByHand(r, p), r.Rescale
	if r.Parameters[rescaleName].at(p, 1) == 0 {
		rescale = RescaleNone
	}
	for i, s := range r.Sources {
		weights[i] = s.Weight.at(p, 0)
		parts[i] = make([]float64, n)
		for e := range n {
			parts[i][e] = float64(sources[i][e])
			if c.base == needsBase {
				parts[i][e] -= float64(base[e])
			}
		}
		keep, chance := keepByHand(c.sparsify, parts[i], s, p, shape[len(shape)-1], maskKey(r.Seed, s.Model, p.name))
		norms := [2]float64{} // before and after
		for e, v := range parts[i] {
			size := math.Abs(v)
			if rescale == RescaleL2 {
				size *= v
				size = math.Abs(size)
			}
			norms[0] += size
			if keep[e] {
				norms[1] += size
			} else {
				parts[i][e] = 0
			}
		}
		if rescale == RescaleL2 {
			norms[0], norms[1] = math.Sqrt(norms[0]), math.Sqrt(norms[1])
		}
		for e := range parts[i] {
			switch {
			case !keep[e]:
			case rescale == RescaleDensity:
				parts[i][e] /= chance[e]
			case (rescale == RescaleL1 || rescale == RescaleL2) && norms[0] >= 1e-7 && norms[1] >= 1e-7:
				parts[i][e] *= norms[0] / norms[1]
			}
		}
	}
	out := make([]float64, n)
	for e := range out {
		var total, sum, divisor float64
		for i := range parts {
			vote := weights[i] * parts[i][e]
			if r.Consensus == ConsensusCount && vote != 0 {
				vote = math.Copysign(1, vote)
			}
			total += vote
		}
		for i := range parts {
			v := weights[i] * parts[i][e]
			heard := c.consensus == everyone || total >= 0 && v > 0 || total < 0 && v < 0
			if heard {
				sum += v
				divisor += weights[i]
			}
		}
		if normalize && divisor != 0 {
			sum /= divisor
		}
		out[e] = lambda * sum
		if c.base == needsBase {
			out[e] += float64(base[e])
		}
	}
	return out
}

// normalizesByHand says whether a tensor is normalised.
func normalizesByHand(r Recipe, p place) bool {
	if s := r.Parameters[normalizeName]; !s.IsZero() {
		return s.at(p, 0) == 1
	}
	return r.Normalize
}

// keepByHand says which entries are kept, and with which chance.
func keepByHand(how sparsify, x []float64, s Source, p place, columns int, key [2]uint32) ([]bool, []float64) {
	density := s.Density.at(p, 1)
	keep, chance := make([]bool, len(x)), slices.Repeat([]float64{density}, len(x))
	order := make([]int, len(x))
	for e := range order {
		order[e] = e
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(math.Abs(float64(float32(x[b]))), math.Abs(float64(float32(x[a]))))
	})
	skip := 0
	switch how {
	case keepAll:
		for e := range keep {
			keep[e] = true
		}
	case outliers:
		if density < 1 {
			skip = min(int(s.Parameters["gamma"].at(p, 0.01)*float64(len(x))), len(x)-keepCount(density, len(x)))
		}
		fallthrough
	case magnitude:
		for _, e := range order[skip : skip+keepCount(density, len(x))] {
			keep[e] = true
		}
	case rankBernoulli:
		spread := min(s.Parameters["epsilon"].at(p, 0.15), density, 1-density)
		for e := range x {
			row, rank := e/columns, 0.0
			for other := row * columns; other < (row+1)*columns; other++ {
				a, b := math.Abs(float64(float32(x[other]))), math.Abs(float64(float32(x[e])))
				if a < b || a == b && other < e {
					rank++
				}
			}
			if chance[e] = density; columns > 1 {
				chance[e] = density - spread + 2*spread*rank/float64(columns-1)
			}
		}
		fallthrough
	case bernoulli:
		for e := range keep {
			keep[e] = drawByHand(key, uint32(e)) <= maskLimit(chance[e])
		}
	}
	return keep, chance
}

// drawByHand is the generator that mask.go documents.
func drawByHand(key [2]uint32, position uint32) uint32 {
	mix := func(n uint32) uint32 {
		n ^= n >> 16
		n *= 0x7feb352d
		n ^= n >> 15
		n *= 0x846ca68b
		return n ^ n>>16
	}
	return mix(mix(position*2654435769+key[0]) ^ key[1])
}
