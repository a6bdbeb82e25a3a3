package search

import (
	"encoding/json"
	"errors"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/cmaes"
)

// strategy is what a cmaes.Optimizer and a cmaes.Restarts have in common.
type strategy[T any] interface {
	json.Marshaler
	Generation() int
	Population() int
	Candidate(index int) []float64
	Encode(v []float64) []float64
	Ask() [][]float64
	Tell(xs [][]float64, fitness []float64) error
	ShouldStop() cmaes.StopReason
	Sigma() float64
	Mean() []float64
	Clone() T
}

// evolution makes an [Optimizer] of CMA-ES, which minimises one number.
type evolution[T strategy[T]] struct{ x T }

func (e evolution[T]) MarshalJSON() ([]byte, error)  { return e.x.MarshalJSON() }
func (e evolution[T]) Generation() int               { return e.x.Generation() }
func (e evolution[T]) Population() int               { return e.x.Population() }
func (e evolution[T]) Candidate(index int) []float64 { return e.x.Encode(e.x.Candidate(index)) }
func (e evolution[T]) ShouldStop() string            { return string(e.x.ShouldStop()) }
func (e evolution[T]) Sigma() float64                { return e.x.Sigma() }
func (e evolution[T]) Guess() []float64              { return e.x.Encode(e.x.Mean()) }

// Told learns from the candidates as they were drawn: where parameters have levels,
// the genomes were rounded.
func (e evolution[T]) Told(generation []Scored) (Optimizer, error) {
	xs := e.x.Ask()
	if len(generation) != len(xs) {
		return nil, fault.New(fault.Internal, "a generation of %d candidates, of %d", len(generation), len(xs))
	}
	fitness := make([]float64, len(xs))
	for i, s := range generation {
		if fitness[i] = -s.Fitness; s.Failed {
			fitness[i] = math.NaN()
		}
	}
	next := e.x.Clone()
	if err := next.Tell(xs, fitness); err != nil {
		return nil, err
	}
	return evolution[T]{next}, nil
}

func fillCMAES(o *OptimizerOptions) {
	setDefault(&o.Covariance, cmaes.Full)
	if o.Restarts != "" {
		setDefault(&o.MaxRestarts, DefaultMaxRestarts)
	}
}

// cmaOptions are the options as CMA-ES has them. What is the default there stays
// unsaid, as it is in states that are older than the option.
func cmaOptions(o OptimizerOptions) cmaes.Options {
	c := cmaes.Options{AdaptRates: o.AdaptRates}
	if o.Covariance != cmaes.Full {
		c.Covariance = o.Covariance
	}
	return c
}

func beginCMAES(g ground) (Optimizer, error) {
	c := cmaOptions(g.options)
	dim := len(g.start)
	c.Dim, c.Mean, c.Sigma, c.Population, c.Seed = dim, g.start, g.sigma, g.population, g.seed
	c.Lower, c.Upper = make([]float64, dim), slices.Repeat([]float64{1}, dim)
	levels, err := g.options.levelsFor(g.levels)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(levels, func(n int) bool { return n > 1 }) {
		c.Levels = levels
	}
	if g.options.Restarts != "" {
		x, err := cmaes.NewRestarts(c, g.options.Restarts, g.options.MaxRestarts)
		if err != nil {
			return nil, ofOption(err)
		}
		return evolution[*cmaes.Restarts]{x}, nil
	}
	x, err := cmaes.New(c)
	if err != nil {
		return nil, ofOption(err)
	}
	return evolution[*cmaes.Optimizer]{x}, nil
}

func restoreCMAES(o OptimizerOptions, state []byte) (Optimizer, error) {
	if o.Restarts != "" {
		return restoreWith(func(x *cmaes.Restarts) Optimizer { return evolution[*cmaes.Restarts]{x} })(o, state)
	}
	return restoreWith(func(x *cmaes.Optimizer) Optimizer { return evolution[*cmaes.Optimizer]{x} })(o, state)
}

// ofOption gives an error of an optimizer's package the place that the option has in
// a request.
func ofOption(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) || e.Param == "" {
		return err
	}
	param := optionParam(e.Param)
	if e.Param == "population" || e.Param == "sigma" {
		param = e.Param
	}
	return &fault.Error{Code: e.Code, Param: param, Message: e.Message, Err: e.Err}
}
