package baseline

import (
	"bytes"
	"encoding/json"
	"math"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/draw"
)

// Random proposes points of the unit cube, all equally likely, each a function of
// the seed, the generation and the index.
type Random struct{ s randomState }

// randomState is a Random on paper.
type randomState struct {
	// Levels is by coordinate how many evenly spaced values it can take; 0 and 1: any.
	Levels     []int  `json:"levels"`
	Population int    `json:"population"`
	Seed       uint64 `json:"seed"`
	Generation int    `json:"generation"`
}

// NewRandom makes one for as many coordinates as there are levels. A population of
// 0 is the default.
func NewRandom(levels []int, population int, seed uint64) (*Random, error) {
	if population == 0 {
		population = DefaultPopulation
	}
	if err := check(levels, population); err != nil {
		return nil, err
	}
	return &Random{randomState{Levels: levels, Population: population, Seed: seed}}, nil
}

// check refuses what is no search.
func check(levels []int, population int) error {
	if len(levels) < 1 || len(levels) > MaxDim {
		return fault.Bad("dim", "a search has 1 to %d parameters, not %d", MaxDim, len(levels))
	}
	if population < 1 || population > MaxPopulation {
		return fault.Bad("population", "a population has 1 to %d candidates, not %d", MaxPopulation, population)
	}
	for i, n := range levels {
		if n < 0 {
			return fault.Bad("levels", "parameter %d has %d levels", i, n)
		}
	}
	return nil
}

// Generation counts the generations so far.
func (r *Random) Generation() int { return r.s.Generation }

// Population is the number of candidates in a generation.
func (r *Random) Population() int { return r.s.Population }

// Candidate gives one candidate of the current generation.
func (r *Random) Candidate(index int) []float64 {
	random := draw.Of(r.s.Seed, r.s.Generation, index)
	v := make([]float64, len(r.s.Levels))
	for i, n := range r.s.Levels {
		if v[i] = random.Uniform(); n > 1 {
			v[i] = math.Floor(v[i]*float64(n)) / float64(n-1)
		}
	}
	return v
}

// Next is the search after this generation.
func (r *Random) Next() *Random {
	next := *r
	next.s.Generation++
	return &next
}

// Exhausted says why nothing is left to propose: never here.
func (r *Random) Exhausted() string { return "" }

// MarshalJSON writes the state.
func (r *Random) MarshalJSON() ([]byte, error) { return json.Marshal(r.s) }

// UnmarshalJSON restores a state, and refuses one that can't be.
func (r *Random) UnmarshalJSON(data []byte) error {
	s, err := readState[randomState](data)
	if err != nil {
		return err
	}
	if err := check(s.Levels, s.Population); err != nil {
		return fault.Wrap(err, fault.Damaged, "state of a random search")
	}
	if s.Generation < 0 {
		return fault.New(fault.Damaged, "state of a random search: generation %d can't be", s.Generation)
	}
	r.s = s
	return nil
}

// readState reads a state strictly.
func readState[T any](data []byte) (T, error) {
	var s T
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, fault.Wrap(err, fault.Damaged, "state of an optimizer")
	}
	return s, nil
}
