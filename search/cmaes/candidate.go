package cmaes

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how often a candidate outside the bounds is drawn anew before
// it is clipped to them: what the Python package cmaes does. Resampling keeps
// the distribution's shape inside the box; clipping alone would pile candidates
// up on its faces.
const resamples = 100

// Candidate gives one candidate of the current generation, the index-th that
// Ask gives.
func (x *Optimizer) Candidate(index int) []float64 {
	normal := newNormals(x.options.Seed, x.generation, index)
	if x.options.Covariance == Diagonal {
		return x.drawEach(normal)
	}
	for range resamples {
		if v := x.draw(normal); x.feasible(v) {
			return v
		}
	}
	v := x.draw(normal)
	for i := range v {
		v[i] = x.clip(i, v[i])
	}
	return v
}

// drawEach samples parameters that are independent of each other, each anew until
// it is within its bounds. That is the distribution which drawing all of them anew
// gives, and where there are thousands, one of which is always outside, the only way
// to it.
func (x *Optimizer) drawEach(normal *normals) []float64 {
	v := x.shape.stretch(slices.Repeat([]float64{x.sigma}, x.options.Dim))
	for i, deviation := range v {
		v[i] = x.mean[i] + deviation*normal.next()
		for range resamples {
			if v[i] == x.clip(i, v[i]) {
				break
			}
			v[i] = x.mean[i] + deviation*normal.next()
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
func (x *Optimizer) draw(normal *normals) []float64 {
	z := make([]float64, x.options.Dim)
	for i := range z {
		z[i] = normal.next()
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

// normals is a stream of standard normal numbers that depends on nothing but
// (seed, generation, index). It spells out Box and Muller's transform of PCG's
// bits, because what a library's own normal generator returns may change.
type normals struct {
	bits  *rand.PCG
	spare float64
	held  bool
}

// newNormals starts the stream of one candidate.
func newNormals(seed uint64, generation, index int) *normals {
	hi := mix(mix(seed) + uint64(generation))
	lo := mix(hi + uint64(index))
	return &normals{bits: rand.NewPCG(hi, lo)}
}

// next gives the next number of the stream.
func (s *normals) next() float64 {
	if s.held {
		s.held = false
		return s.spare
	}
	radius := math.Sqrt(-2 * math.Log((float64(s.bits.Uint64()>>11)+0.5)*unit))
	sin, cos := math.Sincos(2 * math.Pi * s.uniform())
	s.spare, s.held = radius*sin, true
	return radius * cos
}

// unit is the step between neighbours among the uniform numbers.
const unit = 1.0 / (1 << 53)

// uniform gives the next number of the stream as one from 0 to 1, exclusively.
func (s *normals) uniform() float64 { return float64(s.bits.Uint64()>>11) * unit }

// mix is SplitMix64's step: it spreads nearby inputs over all 64 bits.
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
