package cube

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// MaxDim is the most coordinates of a genome.
const MaxDim = 8192

// CheckStart says what is wrong with a genome to start from, and with the number of
// values that its coordinates can take, if that is given: fault.Invalid with "dim",
// "start" or "levels".
func CheckStart(start []float64, levels []int) error {
	dim := len(start)
	if dim < 1 || dim > MaxDim {
		return fault.Bad("dim", "a search has 1 to %d parameters, not %d", MaxDim, dim)
	}
	for i, v := range start {
		if !(v >= 0 && v <= 1) {
			return fault.Bad("start", "coordinate %d is %g: it has to lie between 0 and 1", i, v)
		}
	}
	if levels != nil && len(levels) != dim {
		return fault.Bad("levels", "levels of %d parameters, of which there are %d", len(levels), dim)
	}
	return nil
}

// CheckCandidate refuses what can't be a candidate of a search with so many
// coordinates and objectives.
func CheckCandidate(genome, values []float64, dim, objectives int) error {
	if len(genome) != dim || len(values) != objectives {
		return fault.New(fault.Invalid, "a candidate of %d numbers and %d values, where there are %d and %d", len(genome), len(values), dim, objectives)
	}
	for _, v := range slices.Concat(genome, values) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fault.New(fault.Invalid, "a candidate has the number %g", v)
		}
	}
	return nil
}
