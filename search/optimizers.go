package search

import (
	"encoding/json"

	"github.com/mergeway/mergeway/search/baseline"
	"github.com/mergeway/mergeway/search/cmaes"
	"github.com/mergeway/mergeway/search/elites"
	"github.com/mergeway/mergeway/search/nsga2"
)

// The optimizers.
const (
	CMAES  OptimizerName = "cma_es"
	Random OptimizerName = "random"
	Grid   OptimizerName = "grid"
	// NSGA2 looks for the front of several objectives, MAPElites for the best of
	// each kind by the first of them, CycleQD by each of them.
	NSGA2     OptimizerName = "nsga2"
	MAPElites OptimizerName = "map_elites"
	CycleQD   OptimizerName = "cycle_qd"
)

// optimizerKind is a row of the table of optimizers: all that the rest of the
// package asks about one.
type optimizerKind struct {
	name  OptimizerName
	takes []string // the options that it has, by their names on the wire
	// several says that it needs objectives to choose between.
	several bool
	// fill puts defaults in the place of options that are missing.
	fill func(o *OptimizerOptions)
	// dim is the most parameters that it can search.
	dim func(o OptimizerOptions) int
	// population is the default for so many parameters.
	population func(dim int) int
	begin      func(g ground) (Optimizer, error)
	restore    func(o OptimizerOptions, state []byte) (Optimizer, error)
}

// optimizerKinds is the table of optimizers.
func optimizerKinds() []optimizerKind {
	return []optimizerKind{
		{
			name:       CMAES,
			takes:      []string{"covariance", "restarts", "max_restarts", "adapt_rates", "levels"},
			fill:       fillCMAES,
			dim:        func(o OptimizerOptions) int { return cmaOptions(o).MaxDim() },
			population: cmaes.DefaultPopulation,
			begin:      beginCMAES,
			restore:    restoreCMAES,
		},
		{
			name:       Random,
			takes:      []string{"levels"},
			dim:        anyDim,
			population: func(int) int { return baseline.DefaultPopulation },
			begin:      beginRandom,
			restore:    restoreWith[baseline.Random](newRandom),
		},
		{
			name:       Grid,
			takes:      []string{"levels"},
			fill:       func(o *OptimizerOptions) { setLevels(o, DefaultGridLevels) },
			dim:        anyDim,
			population: func(int) int { return baseline.DefaultPopulation },
			begin:      beginGrid,
			restore:    restoreWith[baseline.Grid](newGrid),
		},
		{
			name:       NSGA2,
			takes:      []string{"levels", "crossover", "crossover_eta", "mutation", "mutation_eta"},
			several:    true,
			fill:       fillNSGA2,
			dim:        anyDim,
			population: func(int) int { return nsga2.DefaultPopulation },
			begin:      beginNSGA2,
			restore:    restoreWith[nsga2.Optimizer](newFronts),
		},
		{
			name:       MAPElites,
			takes:      []string{"levels", "bins", "mutation", "step"},
			several:    true,
			fill:       fillElites,
			dim:        anyDim,
			population: func(int) int { return elites.DefaultPopulation },
			begin:      beginElites(false),
			restore:    restoreWith[elites.Optimizer](newSwarm),
		},
		{
			name:       CycleQD,
			takes:      []string{"levels", "bins", "mutation", "step"},
			several:    true,
			fill:       fillElites,
			dim:        anyDim,
			population: func(int) int { return elites.DefaultPopulation },
			begin:      beginElites(true),
			restore:    restoreWith[elites.Optimizer](newSwarm),
		},
	}
}

// OptimizerNames lists the optimizers.
func OptimizerNames() []OptimizerName {
	var names []OptimizerName
	for _, k := range optimizerKinds() {
		names = append(names, k.name)
	}
	return names
}

// anyDim is the limit of optimizers that have none of their own.
func anyDim(OptimizerOptions) int { return MaxParameters }

// setLevels gives all parameters so many levels, if nobody has.
func setLevels(o *OptimizerOptions, n int) {
	if len(o.Levels) == 0 {
		o.Levels = []int{n}
	}
}

func fillNSGA2(o *OptimizerOptions) {
	setDefault(&o.Crossover, nsga2.DefaultCrossover)
	setDefault(&o.CrossoverEta, nsga2.DefaultCrossoverEta)
	setDefault(&o.MutationEta, nsga2.DefaultMutationEta)
}

func fillElites(o *OptimizerOptions) {
	setDefault(&o.Bins, elites.DefaultBins)
	setDefault(&o.Step, elites.DefaultStep)
}

// restoreWith reads the state of an optimizer of type T.
func restoreWith[T any](wrap func(*T) Optimizer) func(OptimizerOptions, []byte) (Optimizer, error) {
	return func(_ OptimizerOptions, state []byte) (Optimizer, error) {
		x := new(T)
		if err := json.Unmarshal(state, x); err != nil {
			return nil, err
		}
		return wrap(x), nil
	}
}
