package cmaes

import (
	"math"
	"math/rand/v2"
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
	for range resamples {
		if v := x.draw(normal); x.feasible(v) {
			return v
		}
	}
	v := x.draw(normal)
	for i := range v {
		v[i] = math.Min(math.Max(v[i], x.options.Lower[i]), x.options.Upper[i])
	}
	return v
}

// draw samples N(mean, sigma² C) as mean + sigma B diag(d) z.
func (x *Optimizer) draw(normal *normals) []float64 {
	n := x.options.Dim
	z := make([]float64, n)
	for i := range z {
		z[i] = x.d[i] * normal.next()
	}
	v := make([]float64, n)
	for i := range v {
		var y float64
		for j := range n {
			y += x.b.At(i, j) * z[j]
		}
		v[i] = x.mean[i] + x.sigma*y
	}
	return v
}

// feasible reports whether v lies within the bounds, if there are any.
func (x *Optimizer) feasible(v []float64) bool {
	for i := range x.options.Lower {
		if v[i] < x.options.Lower[i] || v[i] > x.options.Upper[i] {
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
	const unit = 1.0 / (1 << 53)
	radius := math.Sqrt(-2 * math.Log((float64(s.bits.Uint64()>>11)+0.5)*unit))
	sin, cos := math.Sincos(2 * math.Pi * float64(s.bits.Uint64()>>11) * unit)
	s.spare, s.held = radius*sin, true
	return radius * cos
}

// mix is SplitMix64's step: it spreads nearby inputs over all 64 bits.
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
