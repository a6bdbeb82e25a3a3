package search

import (
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/elites"
	"github.com/mergeway/mergeway/search/nsga2"
)

// many is what the optimizers of several objectives have in common.
type many[T any] interface {
	json.Marshaler
	Generation() int
	Population() int
	Candidate(index int) []float64
	Told(genomes, values [][]float64) (T, error)
}

// several makes an [Optimizer] of one that learns from the values of objectives.
type several[T many[T]] struct{ x T }

func (m several[T]) MarshalJSON() ([]byte, error)  { return m.x.MarshalJSON() }
func (m several[T]) Generation() int               { return m.x.Generation() }
func (m several[T]) Population() int               { return m.x.Population() }
func (m several[T]) Candidate(index int) []float64 { return m.x.Candidate(index) }
func (m several[T]) ShouldStop() string            { return "" }
func (m several[T]) Sigma() float64                { return 0 }
func (m several[T]) Guess() []float64              { return nil }

// told is what the optimizer learns.
func (m several[T]) told(generation []Scored) (T, error) {
	genomes, values := make([][]float64, len(generation)), make([][]float64, len(generation))
	for i, s := range generation {
		if genomes[i] = s.Genome; !s.Failed {
			values[i] = s.Values
		}
	}
	return m.x.Told(genomes, values)
}

func (m several[T]) Told(generation []Scored) (Optimizer, error) {
	next, err := m.told(generation)
	if err != nil {
		return nil, err
	}
	return several[T]{next}, nil
}

// swarm is a search whose result is an archive.
type swarm struct{ several[*elites.Optimizer] }

// Archives lists the cells of each archive.
func (s swarm) Archives() [][]elites.Cell { return s.x.Archives() }

// Told makes another one with the generation in its archives.
func (s swarm) Told(generation []Scored) (Optimizer, error) {
	next, err := s.told(generation)
	if err != nil {
		return nil, err
	}
	return newSwarm(next), nil
}

func newSwarm(x *elites.Optimizer) Optimizer { return swarm{several[*elites.Optimizer]{x}} }
func newFronts(x *nsga2.Optimizer) Optimizer { return several[*nsga2.Optimizer]{x} }

func beginNSGA2(g ground) (Optimizer, error) {
	levels, err := g.options.levelsFor(g.levels)
	if err != nil {
		return nil, err
	}
	x, err := nsga2.New(nsga2.Options{
		Start: g.start, Levels: levels, Objectives: g.objectives, Population: g.population, Seed: g.seed,
		Crossover: g.options.Crossover, CrossoverEta: g.options.CrossoverEta,
		Mutation: g.options.Mutation, MutationEta: g.options.MutationEta,
	})
	if err != nil {
		return nil, ofOption(err)
	}
	return newFronts(x), nil
}

// maxArchived is the most numbers that the genomes of all cells may have: they are
// stored with every generation.
const maxArchived = 1 << 24

// beginElites starts a search with one archive, or one for each objective.
func beginElites(cycle bool) func(ground) (Optimizer, error) {
	return func(g ground) (Optimizer, error) {
		levels, err := g.options.levelsFor(g.levels)
		if err != nil {
			return nil, err
		}
		o := elites.Options{
			Start: g.start, Levels: levels, Objectives: g.objectives, Cycle: cycle, Bins: g.options.Bins,
			Population: g.population, Step: g.options.Step, Mutation: g.options.Mutation, Seed: g.seed,
		}
		cells := min(o.Cells(), float64(o.Archives()*g.trials))
		if n := cells * float64(len(g.start)); n > maxArchived {
			return nil, fault.Bad(optionParam("bins"), "archives of %.0f cells with %d parameters each are %.0f numbers: at most %d", cells, len(g.start), n, maxArchived)
		}
		x, err := elites.New(o)
		if err != nil {
			return nil, ofOption(err)
		}
		return newSwarm(x), nil
	}
}
