package search

import (
	"cmp"
	"math"
	"slices"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/pareto"
)

// MaxFront is the most trials that a front lists. Of a longer one those stay that
// have most room around them.
const MaxFront = 100

// FrontMember is a trial that no other beats in every objective.
type FrontMember struct {
	Trial  int          `json:"trial"` // its number
	Recipe merge.Recipe `json:"recipe"`
	// Values are those of the objectives on the search problems, Validation those on
	// the validation problems, if it became a finalist.
	Values     []float64 `json:"values"`
	Validation []float64 `json:"validation,omitempty"` // on the validation problems
}

// extendFront is a front after some more trials. Of trials with the same values the
// first stands for all. Where each generation has a sample of its own, values of
// different ones are only roughly comparable: it is validation that decides.
func extendFront(front []FrontMember, trials []Trial) []FrontMember {
	all := slices.Clone(front)
	for _, t := range trials {
		if t.Score == nil || t.DuplicateOf != nil {
			continue
		}
		if !slices.ContainsFunc(all, func(m FrontMember) bool { return slices.Equal(m.Values, t.Values) }) {
			all = append(all, FrontMember{Trial: t.Number, Recipe: t.Recipe, Values: t.Values})
		}
	}
	if len(all) == 0 {
		return nil
	}
	var best []FrontMember
	for _, i := range pareto.Fronts(frontValues(all))[0] {
		best = append(best, all[i])
	}
	if len(best) > MaxFront {
		best = spread(best)[:MaxFront]
		slices.SortFunc(best, func(a, b FrontMember) int { return cmp.Compare(a.Trial, b.Trial) })
	}
	return best
}

// spread orders a front so that those come first that have most room around them.
func spread(front []FrontMember) []FrontMember {
	room := map[int]float64{}
	for i, distance := range pareto.Crowding(frontValues(front)) {
		room[front[i].Trial] = distance
	}
	out := slices.Clone(front)
	slices.SortStableFunc(out, func(a, b FrontMember) int { return cmp.Compare(room[b.Trial], room[a.Trial]) })
	return out
}

func frontValues(front []FrontMember) [][]float64 {
	out := make([][]float64, len(front))
	for i, m := range front {
		out[i] = m.Values
	}
	return out
}

// hypervolume is how much of the space of values a front covers, from 0 on; 0 where
// there are too many objectives to compute it in no time.
func hypervolume(front []FrontMember) float64 {
	if len(front) == 0 || len(front[0].Values) > 3 {
		return 0
	}
	return math.Max(0, pareto.Hypervolume(frontValues(front), make([]float64, len(front[0].Values))))
}

// frontFinalists are the members of the front that are scored on the validation
// problems: the one with the best weighted mean, and then those with most room
// around them.
func (x *runner) frontFinalists() []Finalist {
	spec := x.record.Spec
	candidates := spread(x.record.Front)
	best := 0
	for i, m := range candidates {
		if a, b := spec.weighted(m.Values), spec.weighted(candidates[best].Values); a > b || a == b && m.Trial < candidates[best].Trial {
			best = i
		}
	}
	var chosen []Finalist
	for i, m := range slices.Insert(slices.Delete(slices.Clone(candidates), best, best+1), 0, candidates[best]) {
		if i == spec.ValidateTop {
			break
		}
		chosen = append(chosen, Finalist{Trial: &m.Trial, Recipe: m.Recipe, Search: x.trials[m.Trial].Score, Values: m.Values})
	}
	return chosen
}

// validated is a front with the validation values of a finalist.
func validated(front []FrontMember, f Finalist) []FrontMember {
	if f.Trial == nil {
		return front
	}
	out := slices.Clone(front)
	for i, m := range out {
		if m.Trial == *f.Trial {
			out[i].Validation = f.ValidationValues
		}
	}
	return out
}
