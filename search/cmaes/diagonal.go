package cmaes

import (
	"math"
	"slices"
)

// diagonal is a covariance of independent parameters: their variances and their
// standard deviations.
type diagonal struct {
	c, d []float64
}

// newDiagonal makes a shape of variances. What rounding or a harsh update left
// without a positive variance gets the smallest one.
func newDiagonal(variances []float64) shape {
	s := &diagonal{c: slices.Clone(variances), d: make([]float64, len(variances))}
	for i, v := range s.c {
		if !(v > 0) {
			s.c[i] = smallestVariance
		}
		s.d[i] = math.Sqrt(s.c[i])
	}
	return s
}

func (s *diagonal) stretch(z []float64) []float64 {
	out := make([]float64, len(z))
	for i := range z {
		out[i] = s.d[i] * z[i]
	}
	return out
}

func (s *diagonal) whiten(v []float64) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = v[i] / s.d[i]
	}
	return out
}

func (s *diagonal) variance(i int) float64 { return s.c[i] }

func (s *diagonal) axis(i int) []float64 {
	out := make([]float64, len(s.d))
	out[i] = s.d[i]
	return out
}

func (s *diagonal) extremes() (float64, float64) { return slices.Min(s.d), slices.Max(s.d) }

func (s *diagonal) learn(keep, c1 float64, path []float64, cmu float64, weights []float64, ys [][]float64) (shape, error) {
	c := make([]float64, len(path))
	for i := range c {
		c[i] = keep*s.c[i] + c1*path[i]*path[i]
		for k, w := range weights {
			c[i] += cmu * w * ys[k][i] * ys[k][i]
		}
	}
	return newDiagonal(c), nil
}

func (s *diagonal) numbers() []float64 { return s.c }
