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
func mergeByHand(r Recipe, p place, base []float32, sources [][]float32) []float64 {
	c := methods[r.Method]
	n := len(sources[0])
	parts := make([][]float64, len(sources))
	weights := make([]float64, len(sources))
	for i, s := range r.Sources {
		weights[i] = s.Weight.at(p, 0)
		density := s.Density.at(p, 1)
		parts[i] = make([]float64, n)
		for e := range n {
			parts[i][e] = float64(sources[i][e])
			if c.base == needsBase {
				parts[i][e] -= float64(base[e])
			}
		}
		keep := keepByHand(c.sparsify, parts[i], density, maskKey(r.Seed, s.Model, p.name))
		var before, after float64
		for e, v := range parts[i] {
			before += math.Abs(v)
			if keep[e] {
				after += math.Abs(v)
			} else {
				parts[i][e] = 0
			}
		}
		scale := 1.0
		switch {
		case r.Rescale == RescaleDensity:
			scale = 1 / density
		case r.Rescale == RescaleL1 && before >= 1e-7 && after >= 1e-7:
			scale = before / after
		}
		for e := range parts[i] {
			parts[i][e] *= scale
		}
	}
	out := make([]float64, n)
	for e := range out {
		var total, sum, divisor float64
		for i := range parts {
			total += weights[i] * parts[i][e]
		}
		for i := range parts {
			v := weights[i] * parts[i][e]
			heard := c.consensus == everyone || total >= 0 && v > 0 || total < 0 && v < 0
			if heard {
				sum += v
				divisor += weights[i]
			}
		}
		if r.Normalize && divisor != 0 {
			sum /= divisor
		}
		out[e] = r.Lambda * sum
		if c.base == needsBase {
			out[e] += float64(base[e])
		}
	}
	return out
}

// keepByHand says which entries are kept.
func keepByHand(how sparsify, x []float64, density float64, key [2]uint32) []bool {
	keep := make([]bool, len(x))
	switch how {
	case keepAll:
		for e := range keep {
			keep[e] = true
		}
	case magnitude:
		order := make([]int, len(x))
		for e := range order {
			order[e] = e
		}
		slices.SortStableFunc(order, func(a, b int) int {
			return cmp.Compare(math.Abs(float64(float32(x[b]))), math.Abs(float64(float32(x[a]))))
		})
		for _, e := range order[:keepCount(density, len(x))] {
			keep[e] = true
		}
	case bernoulli:
		for e := range keep {
			keep[e] = drawByHand(key, uint32(e)) <= maskLimit(density)
		}
	}
	return keep
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
