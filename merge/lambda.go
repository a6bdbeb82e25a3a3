package merge

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// lambdaName is the parameter that says Recipe.Lambda for each tensor.
const lambdaName = "lambda"

// wholeMerge lists the parameters that the whole merge may have.
func (c choices) wholeMerge() []parameter {
	if !c.scales() {
		return c.shared
	}
	return append(slices.Clone(c.shared), parameter{name: lambdaName, low: -MaxScale, high: MaxScale})
}

// lambdaAt is what scales the merged difference in a tensor.
func (r Recipe) lambdaAt(p place) float64 { return r.Parameters[lambdaName].at(p, r.Lambda) }

// settleLambda takes a lambda that was given for each tensor into the recipe's
// normal form, where it is one number if it is the same in all.
func (r *Recipe) settleLambda(given Setting) {
	if given.IsZero() {
		return
	}
	given = given.normal(&r.Lambda)
	if v, uniform := given.uniform(); uniform {
		r.Lambda = v
		return
	}
	r.Lambda = 1 // nothing is left to it
	r.Parameters = r.Parameters.with(lambdaName, given)
}

// validateLambda refuses a lambda for each tensor where it can't be honoured, or
// leaves nothing of the sources.
func (r Recipe) validateLambda() error {
	const param = "parameters." + lambdaName
	given := r.Parameters[lambdaName]
	if len(r.Slices) > 0 {
		for _, s := range r.Slices {
			given.Rules = append(slices.Clone(given.Rules), s.Parameters[lambdaName].Rules...)
			given.Values = append(slices.Clone(given.Values), s.Parameters[lambdaName].Values...)
		}
		if !given.IsZero() {
			return fault.Bad(param, "a recipe of slices has one lambda, a number beside them")
		}
		return nil
	}
	numbers := given.numbers()
	if given.covers() && !slices.ContainsFunc(numbers, func(v float64) bool { return v != 0 }) {
		return fault.Bad(param, "lambda 0 would be the base model, whatever the sources")
	}
	return nil
}
