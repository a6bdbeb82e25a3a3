package cmaes

import (
	"bytes"
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
)

// state is an Optimizer on paper. JSON numbers are written with as many digits
// as it takes to read the same float64 back, so nothing is lost.
type state struct {
	Options    Options   `json:"options"`
	Generation int       `json:"generation"`
	Mean       []float64 `json:"mean"`
	Sigma      float64   `json:"sigma"`
	C          []float64 `json:"c"` // upper triangle, row by row; of a diagonal the variances
	PathSigma  []float64 `json:"path_sigma"`
	PathC      []float64 `json:"path_c"`
	Best       []float64 `json:"best,omitempty"`
	Worst      []float64 `json:"worst,omitempty"`
	Rates      *rates    `json:"rates,omitempty"`
	Widen      []float64 `json:"widen,omitempty"`
}

// MarshalJSON writes the whole state.
func (x *Optimizer) MarshalJSON() ([]byte, error) {
	s := state{
		Options: x.options, Generation: x.generation, Mean: x.mean, Sigma: x.sigma,
		C: x.shape.numbers(), PathSigma: x.pSigma, PathC: x.pC,
		Best: x.best, Worst: x.worst, Rates: x.rates, Widen: x.widen,
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
		{"mean", s.Mean, n}, {"path_sigma", s.PathSigma, n}, {"path_c", s.PathC, n}, {"c", s.C, fresh.options.Covariance.count(n)},
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
	if err := fresh.restoreExtras(s); err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	if fresh.shape, err = fresh.options.Covariance.restore(n, s.C); err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	*x = *fresh
	return nil
}

// restoreExtras restores what only some searches have.
func (x *Optimizer) restoreExtras(s state) error {
	n := x.options.Dim
	if (x.rates == nil) != (s.Rates == nil) || (x.widen == nil) != (s.Widen == nil) {
		return fault.New(fault.Damaged, "learning rates or factors of levels are missing, or nobody's")
	}
	if s.Rates != nil {
		for _, r := range []struct {
			rate
			length int
		}{{s.Rates.Mean, n}, {s.Rates.Covariance, n * (n + 1) / 2}} {
			if err := checkVector("drift", r.Drift, r.length); err != nil {
				return err
			}
			if !(r.Eta > 0 && r.Eta <= 1) || !(r.Power >= 0 && r.Power < maxMagnitude) {
				return fault.New(fault.Damaged, "a learning rate of %g and a power of %g can't be", r.Eta, r.Power)
			}
		}
		x.rates = s.Rates
	}
	if s.Widen != nil {
		if err := checkVector("widen", s.Widen, n); err != nil {
			return err
		}
		for i, v := range s.Widen {
			if !(v > 0) {
				return fault.New(fault.Damaged, "the factor of parameter %d is %g", i, v)
			}
		}
		x.widen = s.Widen
	}
	return nil
}
