package infer

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// pick draws the token at a position from logits [V]. The draw depends on the
// seed and the position alone, not on what else is in the batch.
func (s Sampling) pick(logits []float32, seed uint64, position int) int32 {
	if s.Temperature == 0 {
		return argmax(logits)
	}
	candidates := s.nucleus(logits)
	u := rand.New(rand.NewPCG(seed, uint64(position))).Float64()
	for _, c := range candidates {
		if u -= c.share; u < 0 {
			return c.id
		}
	}
	return candidates[len(candidates)-1].id // rounding left a crumb
}

// candidate is a token with its share of the probability.
type candidate struct {
	id    int32
	share float64
}

// nucleus gives the most probable tokens that together reach TopP, most
// probable first, with shares that sum to 1. The token that crosses the
// threshold belongs to it. Ties are broken by id, so the order is one.
func (s Sampling) nucleus(logits []float32) []candidate {
	highest := float64(logits[argmax(logits)])
	all := make([]candidate, len(logits))
	total := 0.0
	for i, l := range logits {
		share := math.Exp((float64(l) - highest) / s.Temperature)
		all[i] = candidate{int32(i), share}
		total += share
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(a.id, b.id))
	})
	if s.TopP > 0 && s.TopP < 1 {
		sum := 0.0
		for i, c := range all {
			if sum += c.share; sum >= s.TopP*total {
				all, total = all[:i+1], sum
				break
			}
		}
	}
	for i := range all {
		all[i].share /= total
	}
	return all
}

// argmax is the first of the largest, as the device picks.
func argmax(logits []float32) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	return int32(best)
}
