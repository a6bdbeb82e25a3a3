package search

import (
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// Parameter is one coordinate of a genome: what it means in a recipe.
type Parameter struct {
	// Label names it for people: "ja-general weight upper".
	Label string `json:"label"`
	// Source is the model it belongs to; empty if all sources share it.
	Source string `json:"source"`
	// Kind is "weight", "density" or another number of the method; in searches of a path "slot", "scale" or
	// "network".
	Kind string `json:"kind"`
	// Group is the label of the layer group, or "all" if it is shared; in searches
	// of a path the layer.
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
	r := Range{p.Low, p.High}
	switch p.Kind {
	case weightKind, densityKind, slotKind, scaleKind, networkKind:
		return fromUnit(coordinate, r)
	}
	if p.Levels > 0 {
		return math.Round(p.Low + math.Min(math.Max(coordinate, 0), 1)*(p.High-p.Low))
	}
	// What is small by nature, such as a tolerance, needs steps that are smaller.
	return fromUnitBy(coordinate, r, math.Max(decimals, math.Pow(10, 4-math.Floor(math.Log10(p.High-p.Low)))))
}

// The kinds of parameters.
const (
	weightKind  = merge.TunableWeight
	densityKind = merge.TunableDensity
	slotKind    = "slot"    // whether a layer is on the path
	scaleKind   = "scale"   // what the stream is multiplied by at a hop
	networkKind = "network" // a weight of the network that gives the scales
	sharedGroup = "all"
)

// decimals is how finely a recipe's numbers are written. CMA-ES could tell
// finer steps apart, but no model can.
const decimals = 1e4

// MaxParameters is the most parameters of a space. Not every optimizer can search
// that many.
const MaxParameters = 8192

// Space is the space of a search: it turns genomes, points of the unit cube, into
// recipes and back.
type Space struct {
	inputs     inputs
	parameters []Parameter
	coding     coding
}

// coding is what the coordinates of a genome mean.
type coding interface {
	parameters() []Parameter
	// recipe is what a genome of the right length stands for.
	recipe(genome []float64) (merge.Recipe, error)
	// genome is the way back: the closest point of the space.
	genome(r merge.Recipe) ([]float64, error)
	// start is the genome that a search starts from.
	start() ([]float64, error)
}

// NewSpace lays out the parameters of a spec. depths are the numbers of blocks of
// its models: one number where weights are merged, for all have the same; where a
// path is searched one for each of [Spec.pathModels].
func NewSpace(spec Spec, depths []int) (*Space, error) { return newSpace(spec, depths, nil) }

// newSpace is NewSpace for models of which some are inputs.
func newSpace(spec Spec, depths []int, in inputs) (*Space, error) {
	spec = spec.WithDefaults()
	s := Space{inputs: in}
	if spec.Path != nil {
		c, err := newPathCoding(spec, depths)
		if err != nil {
			return nil, err
		}
		s.coding = c
	} else {
		s.coding = newWeightCoding(spec, depths[0])
	}
	s.parameters = s.coding.parameters()
	if len(s.parameters) == 0 {
		return nil, fault.Bad("weight_range", "there is nothing to search: every range is a single value")
	}
	if len(s.parameters) > MaxParameters {
		return nil, fault.Bad(spec.sizeField(), "%d parameters: at most %d can be searched at once; choose %s", len(s.parameters), MaxParameters, spec.smaller())
	}
	return &s, nil
}

// sizeField is the field of a spec that decides how many parameters there are, and
// smaller says how to have fewer.
func (s Spec) sizeField() string {
	if s.Path != nil {
		return "path"
	}
	return "groups"
}

func (s Spec) smaller() string {
	if s.Path != nil {
		return "fewer repeats, or scales by slot or by a network"
	}
	return "coarser groups, fewer filters or fewer sources"
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
	r, err := s.coding.recipe(genome)
	if err != nil {
		return r, err
	}
	r = s.inputs.in(r)
	return r, r.Validate()
}

// Genome is the point of the space that is closest to a recipe: the way back. A
// model that the space doesn't have is an error.
func (s *Space) Genome(r merge.Recipe) ([]float64, error) { return s.coding.genome(r) }

// Start is the genome that a search starts from: the spec's recipe, or the
// coding's own.
func (s *Space) Start() ([]float64, error) { return s.coding.start() }

// fromUnit maps [0, 1] to a range, rounded as recipes are written.
func fromUnit(u float64, r Range) float64 { return fromUnitBy(u, r, decimals) }

// fromUnitBy is fromUnit in so many steps to the unit.
func fromUnitBy(u float64, r Range, steps float64) float64 {
	v := r[0] + math.Min(math.Max(u, 0), 1)*(r[1]-r[0])
	return math.Min(math.Max(math.Round(v*steps)/steps, r[0]), r[1])
}

// toUnit maps a range to [0, 1]; what lies outside is clipped.
func toUnit(v float64, r Range) float64 {
	return math.Min(math.Max((v-r[0])/(r[1]-r[0]), 0), 1)
}
