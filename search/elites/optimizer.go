package elites

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/cube"
	"github.com/mergeway/mergeway/search/draw"
)

// mixSpread is how far from its middle a child lies on the line through its parents:
// the deviation of each one's share, whose mean is 1.
const mixSpread = 0.03

// Optimizer is one search in progress. It maximises. It never changes: [Told] makes
// another one.
type Optimizer struct {
	s       state
	chances [][]float64 // by archive and cell
}

// state is an Optimizer on paper.
type state struct {
	Options    Options   `json:"options"`
	Generation int       `json:"generation"`
	Asked      int       `json:"asked"` // candidates of the generations so far
	Archives   []archive `json:"archives"`
}

// New starts a search.
func New(o Options) (*Optimizer, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return of(state{Options: o, Archives: make([]archive, o.Archives())}), nil
}

// of derives what isn't stored.
func of(s state) *Optimizer {
	x := &Optimizer{s: s}
	for _, a := range s.Archives {
		x.chances = append(x.chances, a.chances())
	}
	return x
}

// Generation counts the generations told so far.
func (x *Optimizer) Generation() int { return x.s.Generation }

// Population is the number of candidates in a generation.
func (x *Optimizer) Population() int { return x.s.Options.Population }

// Archives lists the cells of each archive, in the order of their bins. The archive
// with index k has objective k as its quality.
func (x *Optimizer) Archives() [][]Cell {
	out := make([][]Cell, len(x.s.Archives))
	for i, a := range x.s.Archives {
		out[i] = slices.Clone(a)
	}
	return out
}

// Candidate gives one candidate of the current generation, the parents of which come
// from the archive whose turn it is.
func (x *Optimizer) Candidate(index int) []float64 {
	o := x.s.Options
	random := draw.Of(o.Seed, x.s.Generation, index)
	turn := x.s.Generation % len(x.s.Archives)
	v := slices.Clone(o.Start)
	if parents := x.s.Archives[turn]; len(parents) == 0 { // the first generation, or all have failed
		for i := range v {
			if x.s.Generation > 0 || index > 0 {
				v[i] = random.Uniform()
			}
		}
	} else {
		a, b := parents[x.choose(turn, random)].Genome, parents[x.choose(turn, random)].Genome
		first, second := 1+mixSpread*random.Normal(), 1+mixSpread*random.Normal()
		share := first / (first + second)
		for i := range v {
			v[i] = share*a[i] + (1-share)*b[i]
			moves, step := random.Uniform() < o.Mutation, random.Normal()
			if moves {
				v[i] += o.Step * step
			}
			v[i] = math.Min(math.Max(v[i], 0), 1)
		}
	}
	for i, n := range o.Levels {
		if n > 1 {
			v[i] = math.Round(v[i]*float64(n-1)) / float64(n-1)
		}
	}
	return v
}

// choose picks a cell of an archive by its chance.
func (x *Optimizer) choose(turn int, random *draw.Source) int {
	var sum float64
	for _, c := range x.chances[turn] {
		sum += c
	}
	left := random.Uniform() * sum
	for i, c := range x.chances[turn] {
		if left -= c; left < 0 {
			return i
		}
	}
	return len(x.chances[turn]) - 1
}

// Told is the search after a generation: the values of each candidate, nil if it
// could not be scored.
func (x *Optimizer) Told(genomes, values [][]float64) (*Optimizer, error) {
	o := x.s.Options
	if len(genomes) != o.Population || len(values) != len(genomes) {
		return nil, fault.New(fault.Invalid, "a generation is %d candidates and as many values, not %d and %d", o.Population, len(genomes), len(values))
	}
	next := state{Options: o, Generation: x.s.Generation + 1, Asked: x.s.Asked + len(genomes), Archives: slices.Clone(x.s.Archives)}
	for i, v := range values {
		if v == nil {
			continue
		}
		c := Cell{Number: x.s.Asked + i, Genome: slices.Clone(genomes[i]), Values: slices.Clone(v)}
		if err := cube.CheckCandidate(c.Genome, c.Values, len(o.Start), o.Objectives); err != nil {
			return nil, err
		}
		for quality := range next.Archives {
			next.Archives[quality] = next.Archives[quality].offered(quality, c, o.Bins)
		}
	}
	return of(next), nil
}

// MarshalJSON writes the whole state.
func (x *Optimizer) MarshalJSON() ([]byte, error) { return json.Marshal(x.s) }

// UnmarshalJSON restores a state, and refuses one that can't be.
func (x *Optimizer) UnmarshalJSON(data []byte) error {
	var s state
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return fault.Wrap(err, fault.Damaged, "state of archives")
	}
	var err error
	if s.Options, err = s.Options.complete(); err != nil {
		return fault.Wrap(err, fault.Damaged, "state of archives")
	}
	if s.Generation < 0 || s.Asked < 0 || len(s.Archives) != s.Options.Archives() {
		return fault.New(fault.Damaged, "state of archives: generation %d with %d archives can't be", s.Generation, len(s.Archives))
	}
	for quality, a := range s.Archives {
		var again archive
		for _, c := range a {
			if err := cube.CheckCandidate(c.Genome, c.Values, len(s.Options.Start), s.Options.Objectives); err != nil {
				return fault.Wrap(err, fault.Damaged, "state of archives")
			}
			again = again.offered(quality, c, s.Options.Bins)
		}
		if !slices.EqualFunc(a, again, func(x, y Cell) bool { return x.Number == y.Number && slices.Equal(x.Bins, y.Bins) }) {
			return fault.New(fault.Damaged, "state of archives: the cells of archive %d are not where they belong", quality)
		}
	}
	*x = *of(s)
	return nil
}
