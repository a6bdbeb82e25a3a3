package nsga2

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/cube"
	"github.com/mergeway/mergeway/search/draw"
	"github.com/mergeway/mergeway/search/pareto"
)

// Member is a candidate that was scored.
type Member struct {
	// Number counts the candidates of a search from 0.
	Number int       `json:"number"`
	Genome []float64 `json:"genome"`
	Values []float64 `json:"values"` // by objective, larger being better
}

// Optimizer is one search in progress. It maximises. It never changes: [Told] makes
// another one.
type Optimizer struct {
	s       state
	ranks   []int     // by survivor the number of its front
	lonely  []float64 // by survivor its distance from its neighbours in the front
	parents []Member  // the survivors
}

// state is an Optimizer on paper.
type state struct {
	Options    Options  `json:"options"`
	Generation int      `json:"generation"`
	Asked      int      `json:"asked"` // candidates of the generations so far
	Survivors  []Member `json:"survivors"`
}

// New starts a search.
func New(o Options) (*Optimizer, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return of(state{Options: o}), nil
}

// of derives what isn't stored.
func of(s state) *Optimizer {
	x := &Optimizer{s: s, parents: s.Survivors, ranks: make([]int, len(s.Survivors)), lonely: make([]float64, len(s.Survivors))}
	for rank, front := range pareto.Fronts(valuesOf(s.Survivors)) {
		distances := pareto.Crowding(valuesOf(pick(s.Survivors, front)))
		for k, i := range front {
			x.ranks[i], x.lonely[i] = rank, distances[k]
		}
	}
	return x
}

// Generation counts the generations told so far.
func (x *Optimizer) Generation() int { return x.s.Generation }

// Population is the number of candidates in a generation.
func (x *Optimizer) Population() int { return x.s.Options.Population }

// Front are the survivors that no other dominates.
func (x *Optimizer) Front() []Member {
	var front []Member
	for i, m := range x.parents {
		if x.ranks[i] == 0 {
			front = append(front, m)
		}
	}
	return front
}

// Candidate gives one candidate of the current generation. Two neighbours are the
// children of the same parents.
func (x *Optimizer) Candidate(index int) []float64 {
	o := x.s.Options
	own := draw.Of(o.Seed, x.s.Generation, index)
	var v []float64
	if len(x.parents) < 2 { // nothing to mate: the first generation, or all have failed
		if v = slices.Clone(o.Start); x.s.Generation > 0 || index > 0 {
			for i := range v {
				v[i] = own.Uniform()
			}
		}
	} else {
		shared := draw.Of(draw.Mix(o.Seed), x.s.Generation, index/2)
		a, b := x.tournament(shared), x.tournament(shared)
		v = o.cross(shared, a.Genome, b.Genome)[index%2]
		o.mutate(own, v)
	}
	for i, n := range o.Levels {
		if n > 1 {
			v[i] = math.Round(v[i]*float64(n-1)) / float64(n-1)
		}
	}
	return v
}

// tournament picks two survivors at random and gives the one of the better front,
// or else the lonelier one.
func (x *Optimizer) tournament(random *draw.Source) Member {
	a, b := random.Below(len(x.parents)), random.Below(len(x.parents))
	if cmp.Or(cmp.Compare(x.ranks[a], x.ranks[b]), cmp.Compare(x.lonely[b], x.lonely[a])) <= 0 {
		return x.parents[a]
	}
	return x.parents[b]
}

// Told is the search after a generation: the values of each candidate, nil if it
// could not be scored.
func (x *Optimizer) Told(genomes, values [][]float64) (*Optimizer, error) {
	o := x.s.Options
	if len(genomes) != o.Population || len(values) != len(genomes) {
		return nil, fault.New(fault.Invalid, "a generation is %d candidates and as many values, not %d and %d", o.Population, len(genomes), len(values))
	}
	pool := slices.Clone(x.parents)
	for i, v := range values {
		if v == nil {
			continue
		}
		if err := cube.CheckCandidate(genomes[i], v, len(o.Start), o.Objectives); err != nil {
			return nil, err
		}
		pool = append(pool, Member{Number: x.s.Asked + i, Genome: slices.Clone(genomes[i]), Values: slices.Clone(v)})
	}
	return of(state{
		Options: o, Generation: x.s.Generation + 1, Asked: x.s.Asked + len(genomes),
		Survivors: survivors(pool, o.Population),
	}), nil
}

// survivors are the best fronts, and of the one that doesn't fit the loneliest.
func survivors(pool []Member, n int) []Member {
	var chosen []Member
	for _, front := range pareto.Fronts(valuesOf(pool)) {
		members := pick(pool, front)
		if room := n - len(chosen); len(members) > room {
			distances := pareto.Crowding(valuesOf(members))
			order := make([]int, len(members))
			for i := range order {
				order[i] = i
			}
			slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(distances[b], distances[a]) })
			return append(chosen, pick(members, order[:room])...)
		}
		chosen = append(chosen, members...)
	}
	return chosen
}

func valuesOf(members []Member) [][]float64 {
	out := make([][]float64, len(members))
	for i, m := range members {
		out[i] = m.Values
	}
	return out
}

func pick(members []Member, which []int) []Member {
	out := make([]Member, len(which))
	for k, i := range which {
		out[k] = members[i]
	}
	return out
}

// MarshalJSON writes the whole state.
func (x *Optimizer) MarshalJSON() ([]byte, error) { return json.Marshal(x.s) }

// UnmarshalJSON restores a state, and refuses one that can't be.
func (x *Optimizer) UnmarshalJSON(data []byte) error {
	var s state
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	var err error
	if s.Options, err = s.Options.complete(); err != nil {
		return fault.Wrap(err, fault.Damaged, "optimizer state")
	}
	if s.Generation < 0 || s.Asked < 0 || len(s.Survivors) > s.Options.Population {
		return fault.New(fault.Damaged, "optimizer state: generation %d with %d survivors can't be", s.Generation, len(s.Survivors))
	}
	for _, m := range s.Survivors {
		if err := cube.CheckCandidate(m.Genome, m.Values, len(s.Options.Start), s.Options.Objectives); err != nil {
			return fault.Wrap(err, fault.Damaged, "optimizer state")
		}
	}
	*x = *of(s)
	return nil
}
