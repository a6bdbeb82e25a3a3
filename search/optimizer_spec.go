package search

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/cmaes"
	"github.com/mergeway/mergeway/search/elites"
	"github.com/mergeway/mergeway/search/nsga2"
)

// OptimizerName names a way to search.
type OptimizerName string

// OptimizerSpec says how a search proposes candidates.
type OptimizerSpec struct {
	// Name is one of cma_es, random, grid; with several objectives also nsga2,
	// map_elites, cycle_qd. Default: cma_es.
	Name OptimizerName `json:"name"`
	// Options are the optimizer's own.
	Options OptimizerOptions `json:"options,omitzero"`
}

// OptimizerOptions are the options of all optimizers. One that an optimizer doesn't
// take is refused; the zero value stands for the default.
type OptimizerOptions struct {
	// Covariance is what cma_es learns: "full", how parameters depend on each other,
	// for up to 1024 of them; or "diagonal", a scale for each, for up to 8192.
	// Default: full.
	Covariance cmaes.Covariance `json:"covariance,omitempty"`
	// Restarts lets cma_es begin anew where it would stop: "ipop" with twice the
	// population each time, "bipop" with large and small ones by turns. Default: it
	// stops.
	Restarts cmaes.Policy `json:"restarts,omitempty"`
	// MaxRestarts is how often the population may double. Default: 9.
	MaxRestarts int `json:"max_restarts,omitempty"`
	// AdaptRates lets cma_es slow down where scores are noisy, as they are with a
	// sample_size. With a full covariance of up to 256 parameters.
	AdaptRates bool `json:"adapt_rates,omitempty"`
	// Levels is how many values parameters take, evenly spaced over their range: one
	// number for all of them, or one for each. In cma_es a margin keeps neighbouring
	// values likely, and 0 stands for any value; in grid they are the lines of the
	// grid, by default 3.
	Levels []int `json:"levels,omitempty"`
	// Crossover is how likely nsga2 mixes two parents. Default: 0.9.
	Crossover float64 `json:"crossover,omitempty"`
	// CrossoverEta and MutationEta say how near nsga2's children are to their
	// parents; larger is nearer. Default: 15 and 20.
	CrossoverEta float64 `json:"crossover_eta,omitempty"`
	MutationEta  float64 `json:"mutation_eta,omitempty"` // for mutations
	// Mutation is how likely a coordinate mutates. Default: in nsga2 one of a genome
	// on average, in the archives four.
	Mutation float64 `json:"mutation,omitempty"`
	// Step is the standard deviation of the archives' mutations, as a share of each
	// range. Default: 0.1.
	Step float64 `json:"step,omitempty"`
	// Bins is into how many kinds an archive divides each objective, from 0 to 1.
	// Default: 15.
	Bins int `json:"bins,omitempty"`
}

// The limits of OptimizerOptions.
const (
	MaxLevels          = 1001
	DefaultMaxRestarts = 9
	DefaultGridLevels  = 3
)

// withDefaults fills in the name and the options that it takes.
func (o OptimizerSpec) withDefaults() OptimizerSpec {
	setDefault(&o.Name, CMAES)
	if k, ok := o.kind(); ok && k.fill != nil {
		k.fill(&o.Options)
	}
	return o
}

// kind is the row of the table that the name stands for.
func (o OptimizerSpec) kind() (optimizerKind, bool) {
	for _, k := range optimizerKinds() {
		if k.name == o.Name {
			return k, true
		}
	}
	return optimizerKind{}, false
}

// validate says what is wrong with the options in themselves, defaults filled in.
func (o OptimizerSpec) validate(objectives int) error {
	k, ok := o.kind()
	if !ok {
		return fault.Bad("optimizer.name", "unknown optimizer %q: it is one of %v", string(o.Name), OptimizerNames())
	}
	for _, option := range o.Options.given() {
		if !slices.Contains(k.takes, option) {
			takes := "none"
			if len(k.takes) > 0 {
				takes = strings.Join(k.takes, ", ")
			}
			return fault.Bad(optionParam(option), "%s has no option %q; it takes %s", o.Name, option, takes)
		}
	}
	if k.several && objectives < 2 {
		return fault.Bad("objectives", "%s needs several objectives to choose between", o.Name)
	}
	return o.Options.validate()
}

// validate checks the options that are there.
func (o OptimizerOptions) validate() error {
	if c := o.Covariance; c != "" && c != cmaes.Full && c != cmaes.Diagonal {
		return fault.Bad(optionParam("covariance"), "unknown covariance %q: it is %s or %s", string(c), cmaes.Full, cmaes.Diagonal)
	}
	if p := o.Restarts; p != "" && p != cmaes.IPOP && p != cmaes.BIPOP {
		return fault.Bad(optionParam("restarts"), "unknown restarts %q: they are %s or %s", string(p), cmaes.IPOP, cmaes.BIPOP)
	}
	if o.MaxRestarts != 0 && o.Restarts == "" {
		return fault.Bad(optionParam("max_restarts"), "without restarts there can't be %d", o.MaxRestarts)
	}
	if o.AdaptRates && o.Covariance == cmaes.Diagonal {
		return fault.Bad(optionParam("adapt_rates"), "rates are adapted with a full covariance only")
	}
	for i, n := range o.Levels {
		if n < 0 || n > MaxLevels {
			return fault.Bad(fmt.Sprintf("%s[%d]", optionParam("levels"), i), "a parameter takes 0 to %d values, not %d", MaxLevels, n)
		}
	}
	for _, n := range []struct {
		option    string
		value     float64
		low, high float64
	}{
		{"max_restarts", float64(o.MaxRestarts), 0, cmaes.MaxRestarts},
		{"crossover", o.Crossover, 0, 1},
		{"crossover_eta", o.CrossoverEta, 0, nsga2.MaxEta},
		{"mutation", o.Mutation, 0, 1},
		{"mutation_eta", o.MutationEta, 0, nsga2.MaxEta},
		{"step", o.Step, 0, 1},
		{"bins", float64(o.Bins), 0, elites.MaxBins},
	} {
		if !(n.low <= n.value && n.value <= n.high) {
			return fault.Bad(optionParam(n.option), "%s is %v: it has to lie between %v and %v", n.option, n.value, n.low, n.high)
		}
	}
	return nil
}

// given lists the options that are set, by their names on the wire.
func (o OptimizerOptions) given() []string {
	data, err := json.Marshal(o)
	if err != nil { // a number that JSON has no form for: validate names it
		return nil
	}
	var set map[string]json.RawMessage
	_ = json.Unmarshal(data, &set) // it was written just now
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// optionParam is the place of an option in a request.
func optionParam(option string) string { return "optimizer.options." + option }

// levelsFor spreads the option over the parameters. Those that have levels of their
// own keep them.
func (o OptimizerOptions) levelsFor(own []int) ([]int, error) {
	out := slices.Clone(own)
	if len(o.Levels) > 1 && len(o.Levels) != len(own) {
		return nil, fault.Bad(optionParam("levels"), "levels for %d parameters, of which there are %d", len(o.Levels), len(own))
	}
	for i := range out {
		if out[i] == 0 && len(o.Levels) > 0 {
			out[i] = o.Levels[min(i, len(o.Levels)-1)]
		}
	}
	return out, nil
}

// optimizer starts the search of a space.
func (s Spec) optimizer(space *Space) (Optimizer, error) {
	k, ok := s.Optimizer.kind()
	if !ok {
		return nil, s.Optimizer.validate(len(s.Objectives))
	}
	if most := k.dim(s.Optimizer.Options); space.Dim() > most {
		return nil, fault.Bad("groups", "%d parameters: %s can search at most %d at once; choose coarser groups, fewer sources, or an optimizer for more", space.Dim(), s.Optimizer.Name, most)
	}
	start, err := space.Start()
	if err != nil {
		return nil, err
	}
	x, err := k.begin(ground{
		options: s.Optimizer.Options, start: start, levels: space.levels(),
		population: s.Population, sigma: s.Sigma, seed: s.Seed, trials: s.Trials,
		objectives: len(s.objectives()),
	})
	if err != nil {
		return nil, fmt.Errorf("start the optimizer: %w", err)
	}
	return x, nil
}

// restore reads an optimizer's state.
func (o OptimizerSpec) restore(data []byte) (Optimizer, error) {
	k, ok := o.kind()
	if !ok {
		return nil, fault.New(fault.Damaged, "the optimizer %q is not known here", string(o.Name))
	}
	return k.restore(o.Options, data)
}
