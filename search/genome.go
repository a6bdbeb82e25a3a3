package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// Parameter is one coordinate of a genome: what it means in a recipe.
type Parameter struct {
	// Label names it for people: "ja-general weight upper".
	Label string `json:"label"`
	// Source is the model it belongs to.
	Source string `json:"source"`
	// Kind is "weight" or "density".
	Kind string `json:"kind"`
	// Group is the label of the layer group, or "all" if it is shared.
	Group string `json:"group"`
	// Low and High are the values that the coordinates 0 and 1 stand for.
	Low  float64 `json:"low"`
	High float64 `json:"high"` // its largest value
	// Levels is how many values it can take, evenly spaced from Low to High; 0: any.
	Levels int `json:"levels,omitempty"`
}

// Value is what a coordinate stands for in a recipe. Coordinates outside the unit
// cube are clipped to it.
func (p Parameter) Value(coordinate float64) float64 {
	return fromUnit(coordinate, Range{p.Low, p.High})
}

// The kinds of parameters.
const (
	weightKind  = "weight"
	densityKind = "density"
	sharedGroup = "all"
)

// decimals is how finely a recipe's numbers are written. CMA-ES could tell
// finer steps apart, but no model can.
const decimals = 1e4

// MaxParameters is the most parameters of a space. Not every optimizer can search
// that many.
const MaxParameters = 8192

// Space is the parameter space of a search: it turns genomes, points of the
// unit cube, into recipes and back.
type Space struct {
	spec       Spec
	groups     []string
	parameters []Parameter
}

// NewSpace lays out the parameters of a spec, for models of so many blocks.
func NewSpace(spec Spec, layers int) (*Space, error) {
	s := &Space{spec: spec.WithDefaults(), groups: spec.WithDefaults().Groups.Labels(layers)}
	for _, source := range s.spec.Sources {
		s.add(source, weightKind, s.groups, s.spec.WeightRange)
		if s.spec.Method.Sparsifies() {
			groups := s.groups
			if s.spec.SharedDensity {
				groups = []string{sharedGroup}
			}
			s.add(source, densityKind, groups, s.spec.DensityRange)
		}
	}
	if len(s.parameters) == 0 {
		return nil, fault.Bad("weight_range", "there is nothing to search: every range is a single value")
	}
	if len(s.parameters) > MaxParameters {
		return nil, fault.Bad("groups", "%d parameters: at most %d can be searched at once; choose coarser groups or fewer sources", len(s.parameters), MaxParameters)
	}
	return s, nil
}

// add appends the parameters of one source and kind, unless they are constant.
func (s *Space) add(source, kind string, groups []string, r Range) {
	if r[0] == r[1] {
		return
	}
	for _, g := range groups {
		s.parameters = append(s.parameters, Parameter{
			Label:  fmt.Sprintf("%s %s %s", source, kind, g),
			Source: source, Kind: kind, Group: g, Low: r[0], High: r[1],
		})
	}
}

// Dim is the length of a genome.
func (s *Space) Dim() int { return len(s.parameters) }

// Parameters tells what each coordinate of a genome means.
func (s *Space) Parameters() []Parameter { return slices.Clone(s.parameters) }

// levels is by coordinate how many values it can take; 0: any.
func (s *Space) levels() []int {
	out := make([]int, s.Dim())
	for i, p := range s.parameters {
		out[i] = p.Levels
	}
	return out
}

// Recipe is the recipe that a genome stands for. Coordinates outside the unit
// cube are clipped to it.
func (s *Space) Recipe(genome []float64) (merge.Recipe, error) {
	if len(genome) != s.Dim() {
		return merge.Recipe{}, fault.New(fault.Invalid, "a genome of %d numbers where the space has %d parameters", len(genome), s.Dim())
	}
	r := s.spec.recipe()
	next := 0
	read := func(groups int, bounds Range) []float64 {
		if bounds[0] == bounds[1] {
			return []float64{bounds[0]}
		}
		values := make([]float64, groups)
		for i := range values {
			values[i] = fromUnit(genome[next], bounds)
			next++
		}
		return values
	}
	for i := range r.Sources {
		r.Sources[i].Weight = merge.Numbers(read(len(s.groups), s.spec.WeightRange)...)
		if s.spec.Method.Sparsifies() {
			groups := len(s.groups)
			if s.spec.SharedDensity {
				groups = 1
			}
			r.Sources[i].Density = merge.Numbers(read(groups, s.spec.DensityRange)...)
		}
	}
	return r, r.Validate()
}

// Genome is the point of the space that is closest to a recipe: the way back.
// Sources that the recipe leaves out have weight 0; densities it doesn't give
// are 1. A source that the space doesn't have is an error.
func (s *Space) Genome(r merge.Recipe) ([]float64, error) {
	bySource := map[string]merge.Source{}
	for _, source := range r.Sources {
		if !slices.Contains(s.spec.Sources, source.Model) {
			return nil, fault.Bad("start", "the recipe merges %q, which is not among the sources of the search", source.Model)
		}
		if len(source.Weight.Rules)+len(source.Density.Rules) > 0 {
			return nil, fault.Bad("start", "the recipe gives %q numbers by rules, and a search has them by layer groups", source.Model)
		}
		bySource[source.Model] = source
	}
	genome := make([]float64, 0, s.Dim())
	for _, p := range s.parameters {
		source := bySource[p.Source]
		values, missing := source.Weight.Values, 0.0
		if p.Kind == densityKind {
			values, missing = source.Density.Values, 1
		}
		v, err := s.valueOf(values, p.Group, missing)
		if err != nil {
			return nil, err
		}
		genome = append(genome, toUnit(v, Range{p.Low, p.High}))
	}
	return genome, nil
}

// valueOf picks a group's value from a recipe's list. A shared parameter gets
// the mean of the list.
func (s *Space) valueOf(values []float64, group string, missing float64) (float64, error) {
	at := slices.Index(s.groups, group)
	switch {
	case len(values) == 0:
		return missing, nil
	case len(values) == 1:
		return values[0], nil
	case len(values) != len(s.groups):
		return 0, fault.Bad("start", "the recipe has %d values for a source where the search has %d layer groups", len(values), len(s.groups))
	case at >= 0:
		return values[at], nil
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values)), nil
}

// Start is the genome that a search starts from: the spec's recipe, or the
// middle of every range, as Optuna starts.
func (s *Space) Start() ([]float64, error) {
	if s.spec.Start == nil {
		return slices.Repeat([]float64{0.5}, s.Dim()), nil
	}
	if s.spec.Start.Groups != s.spec.Groups && slices.ContainsFunc(s.spec.Start.Sources, func(source merge.Source) bool {
		return len(source.Weight.Values) > 1 || len(source.Density.Values) > 1
	}) {
		return nil, fault.Bad("start", "the recipe groups layers by %q, the search by %q", string(s.spec.Start.Groups), string(s.spec.Groups))
	}
	return s.Genome(*s.spec.Start)
}

// fromUnit maps [0, 1] to a range, rounded as recipes are written.
func fromUnit(u float64, r Range) float64 {
	v := r[0] + math.Min(math.Max(u, 0), 1)*(r[1]-r[0])
	return math.Min(math.Max(math.Round(v*decimals)/decimals, r[0]), r[1])
}

// toUnit maps a range to [0, 1]; what lies outside is clipped.
func toUnit(v float64, r Range) float64 {
	return math.Min(math.Max((v-r[0])/(r[1]-r[0]), 0), 1)
}
