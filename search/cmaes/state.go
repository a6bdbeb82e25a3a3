package cmaes

import (
	"bytes"
	"encoding/json"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/mergeway/mergeway/fault"
)

// state is an Optimizer on paper. JSON numbers are written with as many digits
// as it takes to read the same float64 back, so nothing is lost.
type state struct {
	Options    Options   `json:"options"`
	Generation int       `json:"generation"`
	Mean       []float64 `json:"mean"`
	Sigma      float64   `json:"sigma"`
	C          []float64 `json:"c"` // upper triangle, row by row
	PathSigma  []float64 `json:"path_sigma"`
	PathC      []float64 `json:"path_c"`
	Best       []float64 `json:"best,omitempty"`
	Worst      []float64 `json:"worst,omitempty"`
}

// MarshalJSON writes the whole state.
func (x *Optimizer) MarshalJSON() ([]byte, error) {
	n := x.options.Dim
	s := state{
		Options: x.options, Generation: x.generation, Mean: x.mean, Sigma: x.sigma,
		C: make([]float64, 0, n*(n+1)/2), PathSigma: x.pSigma, PathC: x.pC,
		Best: x.best, Worst: x.worst,
	}
	for i := range n {
		for j := i; j < n; j++ {
			s.C = append(s.C, x.c.At(i, j))
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON restores a state, and refuses one that can't be.
func (x *Optimizer) UnmarshalJSON(data []byte) error {
	var s state
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	fresh, err := New(s.Options)
	if err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	n := fresh.options.Dim
	for _, v := range []struct {
		name   string
		values []float64
		length int
	}{
		{"mean", s.Mean, n}, {"path_sigma", s.PathSigma, n}, {"path_c", s.PathC, n}, {"c", s.C, n * (n + 1) / 2},
	} {
		if err := checkVector(v.name, v.values, v.length); err != nil {
			return fault.Wrap(err, fault.Damaged, "optimizer state")
		}
	}
	if s.Generation < 0 || !(s.Sigma > 0 && s.Sigma <= maxMagnitude) || len(s.Best) != len(s.Worst) || len(s.Best) > fresh.strategy.patience {
		return fault.New(fault.Damaged, "optimizer state: generation %d, sigma %g and a history of %d and %d values can't be", s.Generation, s.Sigma, len(s.Best), len(s.Worst))
	}
	fresh.generation, fresh.mean, fresh.sigma = s.Generation, s.Mean, s.Sigma
	fresh.pSigma, fresh.pC, fresh.best, fresh.worst = s.PathSigma, s.PathC, s.Best, s.Worst
	fresh.c = mat.NewSymDense(n, nil)
	for i, k := 0, 0; i < n; i++ {
		for j := i; j < n; j, k = j+1, k+1 {
			fresh.c.SetSym(i, j, s.C[k])
		}
		if v := fresh.c.At(i, i); !(v > 0) || math.IsInf(v, 0) {
			return fault.New(fault.Damaged, "optimizer state: variance %d is %g", i, v)
		}
	}
	if fresh.b, fresh.d, err = decompose(fresh.c); err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	*x = *fresh
	return nil
}
