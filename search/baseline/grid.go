package baseline

import (
	"encoding/json"
	"math/big"

	"github.com/mergeway/mergeway/fault"
)

// Grid proposes every point of a grid over the unit cube once, the last coordinate
// changing fastest.
type Grid struct {
	s      gridState
	points int
}

// gridState is a Grid on paper.
type gridState struct {
	Levels     []int `json:"levels"` // by coordinate
	Population int   `json:"population"`
	Generation int   `json:"generation"`
}

// NewGrid makes a grid of so many evenly spaced values for each coordinate, both
// ends among them; one value is the middle. A population of 0 is the default.
func NewGrid(levels []int, population int) (*Grid, error) {
	if population == 0 {
		population = DefaultPopulation
	}
	if err := check(levels, population); err != nil {
		return nil, err
	}
	points := big.NewInt(1)
	for i, n := range levels {
		if n < 1 {
			return nil, fault.Bad("levels", "parameter %d has no levels: a grid needs at least one", i)
		}
		points.Mul(points, big.NewInt(int64(n)))
	}
	if points.Cmp(big.NewInt(MaxPoints)) > 0 {
		return nil, fault.Bad("levels", "a grid over %d parameters has %s points: at most %d can be tried", len(levels), inFull(points), MaxPoints)
	}
	return &Grid{s: gridState{Levels: levels, Population: population}, points: int(points.Int64())}, nil
}

// inFull writes a number, if it is one that people can read.
func inFull(n *big.Int) string {
	if digits := n.String(); len(digits) <= 30 {
		return digits
	}
	return new(big.Float).SetInt(n).Text('e', 2)
}

// Points is the number of points.
func (g *Grid) Points() int { return g.points }

// Generation counts the generations so far.
func (g *Grid) Generation() int { return g.s.Generation }

// Population is the number of candidates in the current generation; the last one
// has what is left.
func (g *Grid) Population() int {
	return max(0, min(g.s.Population, g.points-g.s.Generation*g.s.Population))
}

// Candidate gives one candidate of the current generation.
func (g *Grid) Candidate(index int) []float64 {
	at := g.s.Generation*g.s.Population + index
	v := make([]float64, len(g.s.Levels))
	for i := len(v) - 1; i >= 0; i-- {
		n := g.s.Levels[i]
		v[i] = 0.5
		if n > 1 {
			v[i] = float64(at%n) / float64(n-1)
		}
		at /= n
	}
	return v
}

// Next is the search after this generation.
func (g *Grid) Next() *Grid {
	next := *g
	next.s.Generation++
	return &next
}

// Exhausted says why nothing is left to propose, once every point has been.
func (g *Grid) Exhausted() string {
	if g.Population() == 0 {
		return "the whole grid was tried"
	}
	return ""
}

// MarshalJSON writes the state.
func (g *Grid) MarshalJSON() ([]byte, error) { return json.Marshal(g.s) }

// UnmarshalJSON restores a state, and refuses one that can't be.
func (g *Grid) UnmarshalJSON(data []byte) error {
	s, err := readState[gridState](data)
	if err != nil {
		return err
	}
	fresh, err := NewGrid(s.Levels, s.Population)
	if err != nil {
		return fault.Wrap(err, fault.Damaged, "state of a grid")
	}
	if s.Generation < 0 || s.Population < 1 {
		return fault.New(fault.Damaged, "state of a grid: generation %d of %d can't be", s.Generation, s.Population)
	}
	fresh.s.Generation = s.Generation
	*g = *fresh
	return nil
}
