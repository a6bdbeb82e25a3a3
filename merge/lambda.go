package merge

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// lambdaName is the parameter that says Recipe.Lambda for each tensor.
const lambdaName = "lambda"

// lambdaAt is what scales the merged difference in a tensor.
func (r Recipe) lambdaAt(p place) float64 { return r.Parameters[lambdaName].at(p, r.Lambda) }

// settleLambda takes a lambda that was given for each tensor into the recipe's
// normal form, where it is one number if it is the same in all.
func (r *Recipe) settleLambda(given Setting) {
	if given.IsZero() {
		return
	}
	given = given.normal(&r.Lambda)
	if v, uniform := given.uniform(); uniform && v != 0 {
		r.Lambda = v
		return
	}
	r.Lambda = 1 // nothing is left to it
	r.Parameters = r.Parameters.with(lambdaName, given)
}

// validateLambda refuses a lambda for each tensor that leaves nothing of the sources.
// A slice may have one: others have something of theirs.
func (r Recipe) validateLambda() error {
	const param = "parameters." + lambdaName
	given := r.Parameters[lambdaName]
	numbers := given.numbers()
	if given.covers() && !slices.ContainsFunc(numbers, func(v float64) bool { return v != 0 }) {
		return fault.Bad(param, "lambda 0 would be the base model, whatever the sources")
	}
	return nil
}
