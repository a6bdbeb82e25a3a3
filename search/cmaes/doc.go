// Package cmaes is the covariance matrix adaptation evolution strategy, as in
// Hansen's tutorial (arXiv 1604.00772), with the defaults that Optuna and the
// Python package cmaes use.
//
// It is ask and tell: [Optimizer.Ask] proposes a population, whoever asked
// finds out how good each candidate is, [Optimizer.Tell] learns from it.
// Randomness is a function of (seed, generation, index), never a running
// stream: asking again within a generation gives the same candidates, one lost
// candidate can be asked for alone, and an optimizer restored from its JSON
// goes on as if it had never stopped, bit for bit.
//
// The covariance may be full or [Diagonal], for searches of thousands of
// parameters; parameters may have [Options.Levels], which a margin keeps apart;
// learning rates may adapt to the noise of the fitness ([Options.AdaptRates]); and
// [Restarts] begin anew what has got stuck.
package cmaes
