package cmaes

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/search/draw"
)

// resamples is how often a candidate outside the bounds is drawn anew before
// it is clipped to them: what the Python package cmaes does. Resampling keeps
// the distribution's shape inside the box; clipping alone would pile candidates
// up on its faces.
const resamples = 100

// Candidate gives one candidate of the current generation, the index-th that
// Ask gives.
func (x *Optimizer) Candidate(index int) []float64 {
	random := draw.Of(x.options.Seed, x.generation, index)
	if x.options.Covariance == Diagonal {
		return x.drawEach(random)
	}
	for range resamples {
		if v := x.draw(random); x.feasible(v) {
			return v
		}
	}
	v := x.draw(random)
	for i := range v {
		v[i] = x.clip(i, v[i])
	}
	return v
}

// drawEach samples parameters that are independent of each other, each anew until
// it is within its bounds. That is the distribution which drawing all of them anew
// gives, and where there are thousands, one of which is always outside, the only way
// to it.
func (x *Optimizer) drawEach(random *draw.Source) []float64 {
	v := x.shape.stretch(slices.Repeat([]float64{x.sigma}, x.options.Dim))
	for i, deviation := range v {
		v[i] = x.mean[i] + deviation*random.Normal()
		for range resamples {
			if v[i] == x.clip(i, v[i]) {
				break
			}
			v[i] = x.mean[i] + deviation*random.Normal()
		}
		v[i] = x.clip(i, v[i])
	}
	return v
}

// clip moves parameter i into its bounds, if it has any. Parameters with levels are
// within theirs when they are rounded.
func (x *Optimizer) clip(i int, v float64) float64 {
	if _, rounded := x.levels[i]; rounded || x.options.Lower == nil {
		return v
	}
	return math.Min(math.Max(v, x.options.Lower[i]), x.options.Upper[i])
}

// draw samples N(mean, sigma² C).
func (x *Optimizer) draw(random *draw.Source) []float64 {
	z := make([]float64, x.options.Dim)
	for i := range z {
		z[i] = random.Normal()
	}
	v := x.shape.stretch(z)
	for i := range v {
		v[i] = x.mean[i] + x.sigma*v[i]
	}
	return v
}

// feasible reports whether v lies within the bounds, if there are any.
func (x *Optimizer) feasible(v []float64) bool {
	for i := range v {
		if v[i] != x.clip(i, v[i]) {
			return false
		}
	}
	return true
}
