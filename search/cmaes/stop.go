package cmaes

import (
	"math"
	"slices"
)

// StopReason says why going on is pointless.
type StopReason string

// The reasons, after the tutorial's section B.3.
const (
	FlatFitness    StopReason = "flat fitness"    // the latest generations all scored the same
	Converged      StopReason = "converged"       // the distribution has shrunk to a point
	Diverged       StopReason = "diverged"        // the distribution has grown without bound: sigma was far too small
	NoEffect       StopReason = "no effect"       // steps are lost in the rounding of the mean
	IllConditioned StopReason = "ill conditioned" // the distribution is flat in some direction
)

// The tolerances of ShouldStop.
const (
	toleranceFitness   = 1e-12
	toleranceX         = 1e-12 // times the first sigma
	toleranceGrowth    = 1e4   // times the first sigma
	toleranceCondition = 1e14  // of C
)

// ShouldStop gives the reason to stop, or "" where going on makes sense. It is
// advice: Ask and Tell go on working.
func (x *Optimizer) ShouldStop() StopReason {
	// At least as many generations as the tutorial demands, all of them equal.
	if len(x.best) == x.strategy.patience {
		if slices.Max(x.worst)-slices.Min(x.best) < toleranceFitness {
			return FlatFitness
		}
	}
	shrunk, lost := true, false
	for i := range x.options.Dim {
		deviation := x.sigma * math.Sqrt(x.shape.variance(i))
		limit := toleranceX * x.options.Sigma
		shrunk = shrunk && deviation < limit && math.Abs(x.sigma*x.pC[i]) < limit
		lost = lost || x.mean[i] == x.mean[i]+0.2*deviation
	}
	shortest, longest := x.shape.extremes()
	switch {
	case shrunk:
		return Converged
	case x.sigma*longest > toleranceGrowth*x.options.Sigma:
		return Diverged
	case lost || x.axisLost(x.generation%x.options.Dim):
		return NoEffect
	case math.Pow(longest/shortest, 2) > toleranceCondition:
		return IllConditioned
	}
	return ""
}

// axisLost reports whether a tenth of a deviation along one principal axis
// leaves the mean where it is.
func (x *Optimizer) axisLost(axis int) bool {
	for i, step := range x.shape.axis(axis) {
		if m := x.mean[i]; m != m+0.1*x.sigma*step {
			return false
		}
	}
	return true
}
