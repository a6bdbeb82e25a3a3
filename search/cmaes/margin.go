package cmaes

import "math"

// A parameter with levels takes one of so many values, evenly spaced between its
// bounds. The distribution stays continuous and its samples are rounded; without
// more, a coordinate whose deviation has become smaller than a step would give
// one value for ever. The margin (Hamano et al. 2022, arXiv 2205.13482) keeps a
// least probability for the neighbouring levels, by moving the mean and by a
// factor on the deviation that rounding alone sees.

// Levels are the values that a parameter can take; fewer than 2: any.
type levels struct {
	low, step float64
	count     int
}

// levelsOf lists the levels of each parameter that has some; nil if none has.
func (o Options) levelsOf() map[int]levels {
	var out map[int]levels
	for i, n := range o.Levels {
		if n < 2 {
			continue
		}
		if out == nil {
			out = map[int]levels{}
		}
		out[i] = levels{low: o.Lower[i], step: (o.Upper[i] - o.Lower[i]) / float64(n-1), count: n}
	}
	return out
}

// index is the level nearest to v; of two equally near the lower one.
func (l levels) index(v float64) int {
	return int(math.Min(math.Max(math.Ceil((v-l.low)/l.step-0.5), 0), float64(l.count-1)))
}

// value is the value of a level.
func (l levels) value(index int) float64 { return l.low + float64(index)*l.step }

// around gives the borders between v's level and its neighbours. The first and the
// last level have one neighbour, and the same border twice.
func (l levels) around(v float64) (low, high float64) {
	at := l.index(v)
	border := func(i int) float64 { return (l.value(i) + l.value(i+1)) / 2 }
	return border(max(at-1, 0)), border(min(at, l.count-2))
}

// Encode rounds a candidate to what is to be evaluated: parameters with levels take
// their nearest one, the others stay as they are.
func (x *Optimizer) Encode(v []float64) []float64 {
	out := append([]float64(nil), v...)
	for i, l := range x.levels {
		out[i] = l.value(l.index((v[i]-x.mean[i])*x.widen[i] + x.mean[i]))
	}
	return out
}

// keepMargin moves the mean and the factors so that no level that neighbours the
// mean's becomes less likely than the margin.
func (x *Optimizer) keepMargin() {
	margin := 1 / float64(x.options.Dim*x.options.Population)
	widen := append([]float64(nil), x.widen...)
	for i, l := range x.levels {
		low, high := l.around(x.mean[i])
		scale := x.sigma * math.Sqrt(x.shape.variance(i)) // before the factor
		below := normalCDF((low - x.mean[i]) / (scale * widen[i]))
		above := normalCDF((x.mean[i] - high) / (scale * widen[i]))
		if low == high { // one neighbour: the mean stays within reach of it
			if math.Min(below, above) < margin {
				x.mean[i] = high + math.Copysign(scale*widen[i]*upperQuantile(margin), x.mean[i]-high)
			}
			continue
		}
		below, above = lift(below, above, margin)
		toLow, toHigh := upperQuantile(below), upperQuantile(above)
		widen[i] = (high - low) / ((toLow + toHigh) * scale)
		x.mean[i] = (low*toHigh + high*toLow) / (toLow + toHigh)
	}
	x.widen = widen
}

// lift raises the probabilities of two neighbours to half the margin at least, at
// the cost of what lies between and of the other one.
func lift(below, above, margin float64) (float64, float64) {
	between := 1 - (below + above)
	half := margin / 2
	below, above = math.Max(below, half), math.Max(above, half)
	sum := below + between + above
	excess := (1 - sum) / (sum - 3*half)
	clip := func(p float64) float64 { return math.Min(math.Max(p, 1e-10), 0.5-1e-10) }
	return clip(below + excess*(below-half)), clip(above + excess*(above-half))
}

// normalCDF is the probability of a standard normal number below v.
func normalCDF(v float64) float64 { return math.Erfc(-v/math.Sqrt2) / 2 }

// upperQuantile is what a standard normal number exceeds with probability p.
func upperQuantile(p float64) float64 { return math.Sqrt2 * math.Erfcinv(2*p) }
