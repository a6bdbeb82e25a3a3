package search

import (
	"encoding/json"

	"github.com/mergeway/mergeway/search/baseline"
	"github.com/mergeway/mergeway/search/cmaes"
)

// The optimizers.
const (
	CMAES  OptimizerName = "cma_es"
	Random OptimizerName = "random"
	Grid   OptimizerName = "grid"
)

// optimizerKind is a row of the table of optimizers: all that the rest of the
// package asks about one.
type optimizerKind struct {
	name  OptimizerName
	takes []string // the options that it has, by their names on the wire
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
