package zoo

import (
	"math/rand/v2"
)

// Diet is what a model is trained on: servings, drawn in proportion to their
// shares.
type Diet []Serving

// total is what the shares add up to.
func (d Diet) total() (sum float64) {
	for _, s := range d {
		sum += s.Share
	}
	return sum
}

// reader draws samples from a diet, endlessly and reproducibly.
type reader struct {
	diet Diet
	kept keys
	rand *rand.Rand
}

// newReader opens a diet with a seed.
func newReader(d Diet, kept keys, seed uint64) *reader {
	return &reader{diet: d, kept: kept, rand: newRand(seed, "diet")}
}

// next draws one sample.
func (r *reader) next() Sample {
	for {
		if s, ok := r.serving().draw(r.rand, r.kept); ok {
			return s
		}
	}
}

// serving picks a serving by share.
func (r *reader) serving() Serving {
	at := r.rand.Float64() * r.diet.total()
	for _, s := range r.diet {
		if at -= s.Share; at < 0 {
			return s
		}
	}
	return r.diet[len(r.diet)-1]
}

// newRand gives an independent random stream for each seed and purpose.
func newRand(seed uint64, purpose string) *rand.Rand {
	var h uint64 = 14695981039346656037 // FNV-1a
	for i := range len(purpose) {
		h = (h ^ uint64(purpose[i])) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, h))
}
