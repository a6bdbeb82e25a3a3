package elites

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/cube"
)

// The limits of what New accepts.
const (
	MaxDim        = cube.MaxDim
	MaxPopulation = 1024
	MinObjectives = 2
	MaxObjectives = 8
	MaxBins       = 100
)

// The defaults; the bins are CycleQD's.
const (
	DefaultPopulation = 16
	DefaultBins       = 15
	DefaultStep       = 0.1
)

// Options say where a search starts.
type Options struct {
	// Start is a genome that is among the first generation; the others are random.
	Start []float64 `json:"start"`
	// Levels is by coordinate how many evenly spaced values it can take; 0 and 1:
	// any. Nil: all of them any.
	Levels []int `json:"levels,omitempty"`
	// Objectives is the number of values of a candidate, each between 0 and 1.
	Objectives int `json:"objectives"`
	// Cycle keeps an archive for each value. Otherwise there is one, for the first.
	Cycle bool `json:"cycle"`
	// Bins is into how many parts each value is divided.
	Bins int `json:"bins"`
	// Population is the number of candidates in a generation.
	Population int `json:"population"`
	// Step is the standard deviation of mutations, Mutation the probability that a
	// coordinate has one.
	Step     float64 `json:"step"`
	Mutation float64 `json:"mutation"`
	// Seed decides every random number.
	Seed uint64 `json:"seed"`
}

// Archives is the number of archives.
func (o Options) Archives() int {
	if o.Cycle {
		return o.Objectives
	}
	return 1
}

// Cells is the most candidates that all archives can hold together.
func (o Options) Cells() float64 {
	return float64(o.Archives()) * math.Pow(float64(o.Bins), float64(o.Objectives-1))
}

// complete fills in defaults, copies the slices and checks every field.
func (o Options) complete() (Options, error) {
	if err := cube.CheckStart(o.Start, o.Levels); err != nil {
		return o, err
	}
	dim := len(o.Start)
	if o.Objectives < MinObjectives || o.Objectives > MaxObjectives {
		return o, fault.Bad("objectives", "an archive needs %d to %d values, not %d: a quality, and what kinds differ in", MinObjectives, MaxObjectives, o.Objectives)
	}
	if o.Bins == 0 {
		o.Bins = DefaultBins
	}
	if o.Population == 0 {
		o.Population = DefaultPopulation
	}
	if o.Step == 0 {
		o.Step = DefaultStep
	}
	if o.Mutation == 0 {
		o.Mutation = math.Min(1, 4/float64(dim))
	}
	for _, n := range []struct {
		param            string
		value, low, high float64
	}{
		{"bins", float64(o.Bins), 2, MaxBins},
		{"population", float64(o.Population), 2, MaxPopulation},
		{"step", o.Step, 1e-6, 1},
		{"mutation", o.Mutation, 1e-6, 1},
	} {
		if !(n.low <= n.value && n.value <= n.high) {
			return o, fault.Bad(n.param, "%s is %g: it has to lie between %g and %g", n.param, n.value, n.low, n.high)
		}
	}
	o.Start, o.Levels = slices.Clone(o.Start), slices.Clone(o.Levels)
	return o, nil
}
