package nsga2

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/cube"
)

// The limits of what New accepts.
const (
	MaxDim        = cube.MaxDim
	MaxPopulation = 1024
	MaxObjectives = 8
	MaxNumbers    = 1 << 22 // of all genomes of a population together
	MaxEta        = 1000
)

// The defaults, those of the authors.
const (
	DefaultPopulation    = 24
	DefaultCrossover     = 0.9
	DefaultCrossoverEta  = 15
	DefaultMutationEta   = 20
	expectedMutations    = 1.0 // of a genome, by default
	smallestDistinctness = 1e-14
)

// Options say where a search starts.
type Options struct {
	// Start is a genome that is among the first generation; the others are random.
	Start []float64 `json:"start"`
	// Levels is by coordinate how many evenly spaced values it can take; 0 and 1:
	// any. Nil: all of them any.
	Levels []int `json:"levels,omitempty"`
	// Objectives is the number of values of a candidate.
	Objectives int `json:"objectives"`
	// Population is the number of candidates in a generation, and of survivors.
	Population int `json:"population"`
	// Crossover is the probability that two parents mix, Mutation that a coordinate
	// changes. Their etas say how alike children are to parents: larger is closer.
	Crossover    float64 `json:"crossover"`
	CrossoverEta float64 `json:"crossover_eta"`
	Mutation     float64 `json:"mutation"`
	MutationEta  float64 `json:"mutation_eta"`
	// Seed decides every random number.
	Seed uint64 `json:"seed"`
}

// complete fills in defaults, copies the slices and checks every field.
func (o Options) complete() (Options, error) {
	if err := cube.CheckStart(o.Start, o.Levels); err != nil {
		return o, err
	}
	dim := len(o.Start)
	if o.Objectives < 1 || o.Objectives > MaxObjectives {
		return o, fault.Bad("objectives", "a search has 1 to %d objectives, not %d", MaxObjectives, o.Objectives)
	}
	for _, f := range []struct {
		field *float64
		value float64
	}{
		{&o.Crossover, DefaultCrossover}, {&o.CrossoverEta, DefaultCrossoverEta},
		{&o.Mutation, expectedMutations / float64(dim)}, {&o.MutationEta, DefaultMutationEta},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	if o.Population == 0 {
		o.Population = DefaultPopulation
	}
	if o.Population < 2 || o.Population > MaxPopulation {
		return o, fault.Bad("population", "a population has 2 to %d candidates, not %d", MaxPopulation, o.Population)
	}
	if n := o.Population * dim; n > MaxNumbers {
		return o, fault.Bad("population", "%d genomes of %d numbers are %d: at most %d", o.Population, dim, n, MaxNumbers)
	}
	for _, n := range []struct {
		param       string
		value, most float64
	}{
		{"crossover", o.Crossover, 1}, {"mutation", o.Mutation, 1},
		{"crossover_eta", o.CrossoverEta, MaxEta}, {"mutation_eta", o.MutationEta, MaxEta},
	} {
		if !(n.value > 0 && n.value <= n.most) {
			return o, fault.Bad(n.param, "%s is %g: it has to be positive, and at most %g", n.param, n.value, n.most)
		}
	}
	o.Start, o.Levels = slices.Clone(o.Start), slices.Clone(o.Levels)
	return o, nil
}
