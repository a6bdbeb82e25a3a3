package cmaes

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/mergeway/mergeway/fault"
)

// smallestVariance replaces eigenvalues that rounding made zero or negative.
const smallestVariance = 1e-8

// full is a covariance with all of its entries, and its decomposition
// C = B diag(d²) Bᵀ, d ascending and positive.
type full struct {
	c *mat.SymDense
	b *mat.Dense
	d []float64
}

// roundFull is the identity.
func roundFull(dim int) (shape, error) {
	c := mat.NewSymDense(dim, nil)
	for i := range dim {
		c.SetSym(i, i, 1)
	}
	return decompose(c)
}

// settle decomposes c. A covariance that rounding made indefinite is repaired
// first, so that the decomposition is a function of what is stored.
func settle(c *mat.SymDense) (*full, error) {
	values, vectors, err := eigen(c)
	if err != nil {
		return nil, err
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
		c = repaired
	}
	return decompose(c)
}

// decompose makes a shape of c as it is.
func decompose(c *mat.SymDense) (*full, error) {
	d, b, err := eigen(c)
	if err != nil {
		return nil, err
	}
	for i, v := range d {
		if v <= 0 {
			v = smallestVariance
		}
		d[i] = math.Sqrt(v)
	}
	return &full{c: c, b: b, d: d}, nil
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

// restoreFull reads the upper triangle, row by row.
func restoreFull(dim int, numbers []float64) (shape, error) {
	c := mat.NewSymDense(dim, nil)
	for i, k := 0, 0; i < dim; i++ {
		for j := i; j < dim; j, k = j+1, k+1 {
			c.SetSym(i, j, numbers[k])
		}
	}
	return decompose(c)
}

func (f *full) stretch(z []float64) []float64 {
	n := len(z)
	scaled, out := make([]float64, n), make([]float64, n)
	for i := range z {
		scaled[i] = f.d[i] * z[i]
	}
	for i := range n {
		for j := range n {
			out[i] += f.b.At(i, j) * scaled[j]
		}
	}
	return out
}

func (f *full) whiten(v []float64) []float64 {
	n := len(v)
	t, out := make([]float64, n), make([]float64, n)
	for j := range n {
		for i := range n {
			t[j] += f.b.At(i, j) * v[i]
		}
		t[j] /= f.d[j]
	}
	for i := range n {
		for j := range n {
			out[i] += f.b.At(i, j) * t[j]
		}
	}
	return out
}

func (f *full) variance(i int) float64 { return f.c.At(i, i) }

func (f *full) axis(i int) []float64 {
	out := make([]float64, len(f.d))
	for j := range out {
		out[j] = f.d[i] * f.b.At(j, i)
	}
	return out
}

func (f *full) extremes() (float64, float64) { return f.d[0], f.d[len(f.d)-1] }

func (f *full) learn(keep, c1 float64, path []float64, cmu float64, weights []float64, ys [][]float64) (shape, error) {
	n := len(path)
	c := mat.NewSymDense(n, nil)
	c.ScaleSym(keep, f.c)
	c.SymRankOne(c, c1, mat.NewVecDense(n, path))
	for k, w := range weights {
		c.SymRankOne(c, cmu*w, mat.NewVecDense(n, ys[k]))
	}
	s, err := settle(c)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (f *full) numbers() []float64 { return triangle(f.c) }

// triangle lists the upper triangle, row by row.
func triangle(c *mat.SymDense) []float64 {
	n := c.SymmetricDim()
	out := make([]float64, 0, n*(n+1)/2)
	for i := range n {
		for j := i; j < n; j++ {
			out = append(out, c.At(i, j))
		}
	}
	return out
}
