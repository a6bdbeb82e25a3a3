// Package draw gives random numbers that are a function of (seed, generation,
// index) instead of a running stream, so that what was proposed once can be
// proposed again: after a crash, on another machine, or one candidate alone.
package draw

import (
	"math"
	"math/rand/v2"
)

// Source is the numbers of one candidate. It spells out how they are made of PCG's
// bits, because what a library's own generators return may change.
type Source struct {
	bits  *rand.PCG
	spare float64
	held  bool
}

// Of starts the numbers of one candidate.
func Of(seed uint64, generation, index int) *Source {
	hi := Mix(Mix(seed) + uint64(generation))
	lo := Mix(hi + uint64(index))
	return &Source{bits: rand.NewPCG(hi, lo)}
}

// unit is the step between neighbours among the uniform numbers.
const unit = 1.0 / (1 << 53)

// Uniform gives the next number, from 0 to 1 exclusively.
func (s *Source) Uniform() float64 { return float64(s.bits.Uint64()>>11) * unit }

// Below gives the next number as an integer from 0 to n exclusively.
func (s *Source) Below(n int) int { return int(s.Uniform() * float64(n)) }

// Normal gives the next numbers as one of a standard normal distribution, by Box
// and Muller's transform.
func (s *Source) Normal() float64 {
	if s.held {
		s.held = false
		return s.spare
	}
	radius := math.Sqrt(-2 * math.Log((float64(s.bits.Uint64()>>11)+0.5)*unit))
	sin, cos := math.Sincos(2 * math.Pi * s.Uniform())
	s.spare, s.held = radius*sin, true
	return radius * cos
}

// Mix is SplitMix64's step: it spreads nearby inputs over all 64 bits.
func Mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
