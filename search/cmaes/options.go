package cmaes

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// The limits of what New accepts. The full covariance matrix costs n² memory
// and its decomposition n³ time.
const (
	MaxDim        = 1024
	MaxPopulation = 4096
	maxMagnitude  = 1e32 // of a mean, sigma or candidate: beyond it squares overflow
)

// Options say where a search starts.
type Options struct {
	// Dim is the number of parameters; 0 means as many as Mean has.
	Dim int `json:"dim"`
	// Mean is the centre of the first population.
	Mean []float64 `json:"mean"`
	// Sigma is the first standard deviation, the same for every parameter: scale
	// parameters so that about a third of their range is a good step.
	Sigma float64 `json:"sigma"`
	// Population is the number of candidates in a generation; 0 means
	// [DefaultPopulation].
	Population int `json:"population"`
	// Lower and Upper bound every parameter, inclusively. Both or neither.
	Lower []float64 `json:"lower,omitempty"`
	Upper []float64 `json:"upper,omitempty"`
	// Seed decides every random number of the search.
	Seed uint64 `json:"seed"`
}

// DefaultPopulation is the tutorial's 4 + floor(3 ln n) (eq. 48).
func DefaultPopulation(dim int) int {
	if dim < 1 {
		return 4
	}
	return 4 + int(3*math.Log(float64(dim)))
}

// complete fills in defaults, copies the slices and checks every field.
func (o Options) complete() (Options, error) {
	if o.Dim == 0 {
		o.Dim = len(o.Mean)
	}
	if o.Dim < 1 || o.Dim > MaxDim {
		return o, fault.Bad("dim", "a search has 1 to %d parameters, not %d", MaxDim, o.Dim)
	}
	if o.Population == 0 {
		o.Population = DefaultPopulation(o.Dim)
	}
	if o.Population < 2 || o.Population > MaxPopulation {
		return o, fault.Bad("population", "a population has 2 to %d candidates, not %d", MaxPopulation, o.Population)
	}
	if !(o.Sigma > 0 && o.Sigma < maxMagnitude) {
		return o, fault.Bad("sigma", "sigma is a positive number, not %g", o.Sigma)
	}
	if err := checkVector("mean", o.Mean, o.Dim); err != nil {
		return o, err
	}
	o.Mean = slices.Clone(o.Mean)
	if o.Lower == nil && o.Upper == nil {
		return o, nil
	}
	if err := checkVector("lower", o.Lower, o.Dim); err != nil {
		return o, err
	}
	if err := checkVector("upper", o.Upper, o.Dim); err != nil {
		return o, err
	}
	o.Lower, o.Upper = slices.Clone(o.Lower), slices.Clone(o.Upper)
	for i, m := range o.Mean {
		if !(o.Lower[i] <= m && m <= o.Upper[i] && o.Lower[i] < o.Upper[i]) {
			return o, fault.Bad("mean", "parameter %d: the mean %g has to lie between the bounds %g and %g", i, m, o.Lower[i], o.Upper[i])
		}
	}
	return o, nil
}

// checkVector refuses a vector of the wrong length or with values that are not
// ordinary numbers.
func checkVector(name string, v []float64, dim int) error {
	if len(v) != dim {
		return fault.Bad(name, "%s has %d values for %d parameters", name, len(v), dim)
	}
	for i, x := range v {
		if !(math.Abs(x) < maxMagnitude) {
			return fault.Bad(name, "%s[%d] is %g: not a number this search can work with", name, i, x)
		}
	}
	return nil
}
