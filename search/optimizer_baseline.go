package search

import (
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/baseline"
)

// proposer is what a baseline.Random and a baseline.Grid have in common.
type proposer[T any] interface {
	json.Marshaler
	Generation() int
	Population() int
	Candidate(index int) []float64
	Next() T
	Exhausted() string
}

// blind makes an [Optimizer] of one that learns nothing.
type blind[T proposer[T]] struct{ x T }

func (b blind[T]) MarshalJSON() ([]byte, error)  { return b.x.MarshalJSON() }
func (b blind[T]) Generation() int               { return b.x.Generation() }
func (b blind[T]) Population() int               { return b.x.Population() }
func (b blind[T]) Candidate(index int) []float64 { return b.x.Candidate(index) }
func (b blind[T]) ShouldStop() string            { return b.x.Exhausted() }
func (b blind[T]) Sigma() float64                { return 0 }
func (b blind[T]) Guess() []float64              { return nil }

func (b blind[T]) Told(generation []Scored) (Optimizer, error) {
	if len(generation) != b.x.Population() {
		return nil, fault.New(fault.Internal, "a generation of %d candidates, of %d", len(generation), b.x.Population())
	}
	return blind[T]{b.x.Next()}, nil
}

func newRandom(x *baseline.Random) Optimizer { return blind[*baseline.Random]{x} }
func newGrid(x *baseline.Grid) Optimizer     { return blind[*baseline.Grid]{x} }

func beginRandom(g ground) (Optimizer, error) {
	levels, err := g.options.levelsFor(g.levels)
	if err != nil {
		return nil, err
	}
	x, err := baseline.NewRandom(levels, g.population, g.seed)
	if err != nil {
		return nil, ofOption(err)
	}
	return newRandom(x), nil
}

func beginGrid(g ground) (Optimizer, error) {
	levels, err := g.options.levelsFor(g.levels)
	if err != nil {
		return nil, err
	}
	x, err := baseline.NewGrid(levels, g.population)
	if err != nil {
		return nil, ofOption(err)
	}
	if x.Points() > g.trials {
		return nil, fault.Bad("trials", "the grid has %d points, of which %d trials are a corner; give it as many trials, or fewer levels", x.Points(), g.trials)
	}
	return newGrid(x), nil
}
