package cmaes

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/mergeway/mergeway/fault"
)

// smallestVariance replaces eigenvalues that rounding made zero or negative.
const smallestVariance = 1e-8

// settle brings the derived decomposition up to date with c. A covariance that
// rounding made indefinite is repaired first, so that the decomposition is a
// function of the stored c alone: what a restored optimizer computes is what
// this one has.
func (x *Optimizer) settle() error {
	for _, v := range append(append([]float64{x.sigma}, x.mean...), x.pC...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fault.New(fault.Internal, "the search distribution left the range of numbers in generation %d", x.generation)
		}
	}
	values, vectors, err := eigen(x.c)
	if err != nil {
		return err
	}
	if values[0] <= 0 { // ascending: only the first can be the smallest
		n := len(values)
		repaired := mat.NewSymDense(n, nil)
		for j, v := range values {
			if v <= 0 {
				v = smallestVariance
			}
			repaired.SymRankOne(repaired, v, vectors.ColView(j))
		}
		x.c = repaired
	}
	x.b, x.d, err = decompose(x.c)
	return err
}

// decompose gives B and d with C = B diag(d²) Bᵀ, d ascending and positive.
func decompose(c *mat.SymDense) (*mat.Dense, []float64, error) {
	d, b, err := eigen(c)
	if err != nil {
		return nil, nil, err
	}
	for i, v := range d {
		if v <= 0 {
			v = smallestVariance
		}
		d[i] = math.Sqrt(v)
	}
	return b, d, nil
}

// eigen gives the eigenvalues of c, ascending, and its eigenvectors as columns.
func eigen(c *mat.SymDense) ([]float64, *mat.Dense, error) {
	var e mat.EigenSym
	if !e.Factorize(c, true) {
		return nil, nil, fault.New(fault.Internal, "the covariance matrix has no eigendecomposition")
	}
	var b mat.Dense
	e.VectorsTo(&b)
	return e.Values(nil), &b, nil
}
