package cmaes

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// Optimizer is one search in progress. It minimises. It is not safe for use by
// several goroutines at once.
type Optimizer struct {
	options  Options
	strategy strategy

	// The distribution N(mean, sigma² C) and its two evolution paths.
	generation int
	mean       []float64
	sigma      float64
	shape      shape // C
	pSigma, pC []float64

	// rates are the adapted learning rates; nil if they are fixed.
	rates *rates
	// levels are those of the parameters that have some, and widen the factors on
	// the deviations that rounding to them sees; nil if none has.
	levels map[int]levels
	widen  []float64

	// best and worst are the fitness of the latest generations' ends, at most
	// strategy.patience of each, for ShouldStop.
	best, worst []float64
}

// New starts a search.
func New(o Options) (*Optimizer, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	x := &Optimizer{
		options:  o,
		strategy: newStrategy(o.Dim, o.Population, o.Covariance),
		mean:     slices.Clone(o.Mean),
		sigma:    o.Sigma,
		pSigma:   make([]float64, o.Dim),
		pC:       make([]float64, o.Dim),
		levels:   o.levelsOf(),
	}
	if o.AdaptRates {
		x.rates = newRates(o.Dim)
	}
	if x.levels != nil {
		x.widen = slices.Repeat([]float64{1}, o.Dim)
	}
	x.shape, err = o.Covariance.round(o.Dim)
	return x, err
}

// Clone gives an independent copy: telling one leaves the other as it is.
func (x *Optimizer) Clone() *Optimizer {
	// Tell replaces slices and matrices and never writes into them, so that a
	// copy of the struct is enough.
	c := *x
	return &c
}

// Options are what the search was started with, defaults filled in.
func (x *Optimizer) Options() Options { return x.options }

// Generation counts the generations told so far.
func (x *Optimizer) Generation() int { return x.generation }

// Population is the number of candidates in a generation.
func (x *Optimizer) Population() int { return x.options.Population }

// Mean is the centre of the distribution: the best guess of where the optimum
// is, less noisy than any single candidate. [Optimizer.Encode] rounds it to levels.
func (x *Optimizer) Mean() []float64 { return slices.Clone(x.mean) }

// Sigma is the current step size.
func (x *Optimizer) Sigma() float64 { return x.sigma }

// Deviations are the standard deviations of the distribution by parameter.
func (x *Optimizer) Deviations() []float64 {
	out := make([]float64, x.options.Dim)
	for i := range out {
		out[i] = x.sigma * math.Sqrt(x.shape.variance(i))
	}
	return out
}

// Ask gives the candidates of the current generation. It changes nothing:
// until Tell is called it gives the same ones.
func (x *Optimizer) Ask() [][]float64 {
	xs := make([][]float64, x.options.Population)
	for i := range xs {
		xs[i] = x.Candidate(i)
	}
	return xs
}

// Tell learns from the fitness of a whole generation, smaller being better.
// Candidates need not be the ones that Ask gave, but are as Ask gives them: not
// rounded by [Optimizer.Encode]. A fitness that is NaN or
// infinite ranks last. If Tell fails, nothing has changed.
func (x *Optimizer) Tell(xs [][]float64, fitness []float64) error {
	n, s := x.options.Dim, x.strategy
	if len(xs) != x.options.Population || len(fitness) != len(xs) {
		return fault.New(fault.Invalid, "a generation is %d candidates and as many fitness values, not %d and %d", x.options.Population, len(xs), len(fitness))
	}
	for _, v := range xs {
		if err := checkVector("candidate", v, n); err != nil {
			return err
		}
	}
	next := *x
	next.generation++
	order := rank(fitness)
	next.best = remember(x.best, fitness[order[0]], s.patience)
	next.worst = remember(x.worst, fitness[order[len(order)-1]], s.patience)

	// Steps in units of sigma, best first: y ~ N(0, C).
	ys := make([][]float64, len(xs))
	for k, i := range order {
		ys[k] = make([]float64, n)
		for j := range n {
			ys[k][j] = (xs[i][j] - x.mean[j]) / x.sigma
		}
	}

	// Selection and recombination (38–39): the mean moves to the parents' mean.
	yw := make([]float64, n)
	next.mean = slices.Clone(x.mean)
	for j := range n {
		for k := range s.mu {
			yw[j] += s.weights[k] * ys[k][j]
		}
		next.mean[j] += x.sigma * yw[j]
	}

	// Step-size control (43–44): longer paths than chance lengthen the step.
	next.pSigma = make([]float64, n)
	white := x.shape.whiten(yw)
	gain := math.Sqrt(s.cSigma * (2 - s.cSigma) * s.muEff)
	for j := range n {
		next.pSigma[j] = (1-s.cSigma)*x.pSigma[j] + gain*white[j]
	}
	length := norm(next.pSigma)
	next.sigma = math.Min(maxMagnitude, x.sigma*math.Exp(s.cSigma/s.dSigma*(length/s.chiN-1)))

	// Covariance path (45), stalled while the step-size path is too long, so
	// that a linear slope doesn't stretch C in one direction.
	hSigma := 0.0
	if length/math.Sqrt(1-math.Pow(1-s.cSigma, float64(2*(next.generation+1)))) < (1.4+2/float64(n+1))*s.chiN {
		hSigma = 1
	}
	next.pC = make([]float64, n)
	gain = hSigma * math.Sqrt(s.cc*(2-s.cc)*s.muEff)
	for j := range n {
		next.pC[j] = (1-s.cc)*x.pC[j] + gain*yw[j]
	}

	// Covariance (46–47): keep some of the old, add the path's outer product
	// and those of the steps. Steps of negative weight are scaled to the length
	// √n, so that one long bad step can't make C indefinite.
	keep := 1 + s.c1*(1-hSigma)*s.cc*(2-s.cc) - s.c1 - s.cmu*s.sum
	weights := slices.Clone(s.weights)
	for k, w := range weights {
		if w < 0 {
			l := norm(x.shape.whiten(ys[k]))
			weights[k] = w * float64(n) / (l*l + 1e-8)
		}
	}
	if err := next.check(); err != nil {
		return err
	}
	var err error
	if next.shape, err = x.shape.learn(keep, s.c1, next.pC, s.cmu, weights, ys); err != nil {
		return err
	}
	if x.rates != nil {
		if err := x.adapt(&next); err != nil {
			return err
		}
	}
	if x.levels != nil {
		next.keepMargin()
	}
	if err := next.check(); err != nil {
		return err
	}
	*x = next
	return nil
}

// check refuses a distribution that has left the range of numbers.
func (x *Optimizer) check() error {
	for _, v := range append(append([]float64{x.sigma}, x.mean...), x.pC...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fault.New(fault.Internal, "the search distribution left the range of numbers in generation %d", x.generation)
		}
	}
	return nil
}

// rank orders candidates from best to worst; equals keep their order.
func rank(fitness []float64) []int {
	order := make([]int, len(fitness))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		fa, fb := orWorst(fitness[a]), orWorst(fitness[b])
		switch {
		case fa < fb:
			return -1
		case fa > fb:
			return 1
		}
		return 0
	})
	return order
}

// orWorst maps what is not an ordinary number to the worst fitness.
func orWorst(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return math.Inf(1)
	}
	return f
}

// remember appends to a bounded history without touching the old slice. What
// isn't a number is remembered as the largest one, so that JSON can hold it.
func remember(history []float64, f float64, limit int) []float64 {
	f = math.Min(orWorst(f), math.MaxFloat64)
	out := append(slices.Clone(history), f)
	return out[max(0, len(out)-limit):]
}

// norm is the Euclidean length.
func norm(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
