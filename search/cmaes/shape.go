package cmaes

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// shape is the covariance C of the distribution. A shape never changes: learning
// makes another one, and what it derives from C follows from C alone, so that a
// restored optimizer computes what the stored one did.
type shape interface {
	// stretch turns a standard normal vector into one of covariance C.
	stretch(z []float64) []float64
	// whiten is C^(-1/2) v.
	whiten(v []float64) []float64
	// variance is C's diagonal entry i.
	variance(i int) float64
	// axis is principal axis i, as long as a standard deviation along it.
	axis(i int) []float64
	// extremes are the standard deviations along the shortest and longest axes.
	extremes() (shortest, longest float64)
	// learn gives keep·C + c1·path pathᵀ + cmu·Σ weightsᵢ ysᵢ ysᵢᵀ.
	learn(keep, c1 float64, path []float64, cmu float64, weights []float64, ys [][]float64) (shape, error)
	// numbers are what a state holds of the shape.
	numbers() []float64
}

// Covariance says which covariances a search can learn.
type Covariance string

// The covariances.
const (
	// Full learns how parameters depend on each other: n² numbers.
	Full Covariance = "full"
	// Diagonal learns a scale for each parameter, faster and in linear time: the
	// separable variant (Ros and Hansen 2008).
	Diagonal Covariance = "diagonal"
)

// round is the shape of a search that has learnt nothing: the identity.
func (c Covariance) round(dim int) (shape, error) {
	if c == Diagonal {
		return newDiagonal(slices.Repeat([]float64{1}, dim)), nil
	}
	return roundFull(dim)
}

// count is how many numbers a state holds of the shape.
func (c Covariance) count(dim int) int {
	if c == Diagonal {
		return dim
	}
	return dim * (dim + 1) / 2
}

// restore makes a shape of its numbers.
func (c Covariance) restore(dim int, numbers []float64) (shape, error) {
	s := newDiagonal(numbers)
	var err error
	variance := func(i int) float64 { return numbers[i] } // newDiagonal mends what is damaged
	if c != Diagonal {
		if s, err = restoreFull(dim, numbers); err != nil {
			return nil, err
		}
		variance = s.variance
	}
	for i := range dim {
		if v := variance(i); !(v > 0) {
			return nil, fault.New(fault.Damaged, "variance %d is %g", i, v)
		}
	}
	return s, nil
}
