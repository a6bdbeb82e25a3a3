package search

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// Specialist is the trial that is best at one objective, by name; of equals the one
// with the higher fitness, and then the later. A swarm is served by giving each
// specialist a name of its own.
func (s Search) Specialist(objective string, trials []Trial) (Trial, error) {
	objectives := s.Spec.objectives()
	k := slices.IndexFunc(objectives, func(o Objective) bool { return o.Name == objective })
	if k < 0 {
		names := make([]string, len(objectives))
		for i, o := range objectives {
			names[i] = o.Name
		}
		return Trial{}, fault.Bad("objective", "search %s has no objective %q: it has %v", s.ID, objective, names)
	}
	value := func(t Trial) float64 {
		if len(t.Values) > k {
			return t.Values[k]
		}
		return t.Fitness // of one objective
	}
	best := -1
	for i, t := range trials {
		if t.Score == nil {
			continue
		}
		if best < 0 || value(t) > value(trials[best]) || value(t) == value(trials[best]) && t.Fitness >= trials[best].Fitness {
			best = i
		}
	}
	if best < 0 {
		return Trial{}, &fault.Error{Code: fault.Conflict, Param: "objective", Message: "search " + s.ID + " has no trial that could be scored yet"}
	}
	return trials[best], nil
}
