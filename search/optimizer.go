package search

import "encoding/json"

// Optimizer proposes genomes, generation by generation, and learns from what they
// scored. It is a value: telling it of a generation gives the optimizer of the next
// one, and what it proposes is a function of its state, the generation and the index,
// so that a candidate that got lost can be asked for again. Its JSON is its whole
// state; [OptimizerSpec.restore] reads it.
type Optimizer interface {
	json.Marshaler
	// Generation counts the generations it was told of.
	Generation() int
	// Population is the number of candidates in the generation to come, which may be
	// another one after it.
	Population() int
	// Candidate gives one of them: a point of the unit cube.
	Candidate(index int) []float64
	// Told is the optimizer after a whole generation, in the order of its indices.
	Told(generation []Scored) (Optimizer, error)
	// ShouldStop says why going on is pointless; "" where it makes sense.
	ShouldStop() string
	// Sigma is the step size; 0 where there is none.
	Sigma() float64
	// Guess is where the best is supposed to be, no candidate itself; nil where
	// nothing is supposed.
	Guess() []float64
}

// Scored is a candidate and what became of it.
type Scored struct {
	Genome []float64
	// Fitness is what is maximised: of several objectives the weighted mean.
	Fitness float64
	// Values has the value of each objective, larger being better.
	Values []float64
	// Failed says that it could not be scored: the numbers mean nothing.
	Failed bool
}

// ground is what an optimizer starts from.
type ground struct {
	options    OptimizerOptions
	start      []float64 // a genome
	levels     []int     // by coordinate how many values it can take; 0: any
	population int       // 0: the optimizer's default
	sigma      float64
	seed       uint64
	trials     int // the budget
	objectives int
}
