package cmaes

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// The limits of what New accepts. The full covariance matrix costs n² memory
// and its decomposition n³ time; adapted rates keep another n² numbers.
const (
	MaxDim         = 1024 // with a full covariance
	MaxDiagonalDim = 8192
	MaxAdaptedDim  = 256
	MaxPopulation  = 4096
	MaxLevels      = 1 << 16
	maxMagnitude   = 1e32 // of a mean, sigma or candidate: beyond it squares overflow
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
	// Covariance is what is learnt of the shape; "" means [Full].
	Covariance Covariance `json:"covariance,omitempty"`
	// AdaptRates adapts the learning rates to the noise of the fitness.
	AdaptRates bool `json:"adapt_rates,omitempty"`
	// Levels says how many values each parameter can take, from its lower bound to
	// its upper, evenly spaced; 0 and 1 mean any. Nil: all of them can take any.
	Levels []int `json:"levels,omitempty"`
}

// MaxDim is the most parameters of a search that has everything else in common.
func (o Options) MaxDim() int {
	switch {
	case o.AdaptRates:
		return MaxAdaptedDim
	case o.Covariance == Diagonal:
		return MaxDiagonalDim
	}
	return MaxDim
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
	if o.Covariance != "" && o.Covariance != Full && o.Covariance != Diagonal {
		return o, fault.Bad("covariance", "unknown covariance %q: it is %s or %s", string(o.Covariance), Full, Diagonal)
	}
	if o.AdaptRates && o.Covariance == Diagonal {
		return o, fault.Bad("adapt_rates", "rates are adapted with a full covariance only")
	}
	if most := o.MaxDim(); o.Dim < 1 || o.Dim > most {
		return o, fault.Bad("dim", "such a search has 1 to %d parameters, not %d", most, o.Dim)
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
	if err := o.checkLevels(); err != nil {
		return o, err
	}
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

// checkLevels refuses numbers of levels that can't be.
func (o Options) checkLevels() error {
	if o.Levels == nil {
		return nil
	}
	if len(o.Levels) != o.Dim || o.Lower == nil {
		return fault.Bad("levels", "levels of %d parameters, of which there are %d: levels lie between bounds", len(o.Levels), o.Dim)
	}
	for i, n := range o.Levels {
		if n < 0 || n > MaxLevels {
			return fault.Bad("levels", "parameter %d has %d levels: at most %d, 0 if it has none", i, n, MaxLevels)
		}
	}
	return nil
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
