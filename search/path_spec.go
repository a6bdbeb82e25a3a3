package search

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// PathScales says where the scales of a path come from.
type PathScales string

// The kinds of scales. Between neighbouring layers of one model the scale is always
// 1, so that the path that a search starts from is the base itself.
const (
	// PairScales has a scale for each pair of layers that a token may hop between:
	// the paper's matrix W. It has as many parameters as there are pairs.
	PairScales PathScales = "pair"
	// SlotScales has a scale for each slot; it is of use only while the slot is on.
	SlotScales PathScales = "slot"
	// NetworkScales has the scales from a small network of the layers that a hop
	// leads from and to, and of where on the path it is: the paper's π.
	NetworkScales PathScales = "network"
	// NoScales leaves the stream as it is. The paper loses 20 points by it.
	NoScales PathScales = "none"
)

// PathSpec says what paths a search tries (paper, section 3.2). The layers of the
// base, and then of the other sources, are laid out in order, and that again and
// again; a layer is on the path where its slot is on. A path begins with the base's
// first block and ends with its last.
type PathSpec struct {
	// Repeats is how often the layers are laid out. Default: 3, the paper's.
	Repeats int `json:"repeats"`
	// Scales is one of pair, slot, network, none. Default: pair.
	Scales PathScales `json:"scales"`
	// ScaleRange bounds every scale. Default: 0.5 to 1.5.
	ScaleRange Range `json:"scale_range"`
	// MaxHops is the length of the longest path; a longer one loses what comes last
	// before its end. Default: twice the blocks of the base.
	MaxHops int `json:"max_hops"`
}

// The defaults and limits of a PathSpec.
const (
	DefaultRepeats = 3
	MaxRepeats     = 16
	// minScale is the smallest scale that a search tries.
	minScale = 1e-3
)

// DefaultScaleRange is what a range of scales is if none is given.
func DefaultScaleRange() Range { return Range{0.5, 1.5} }

// withDefaults fills in what doesn't depend on the models.
func (p PathSpec) withDefaults() *PathSpec {
	setDefault(&p.Repeats, DefaultRepeats)
	setDefault(&p.Scales, PairScales)
	if p.Scales != NoScales {
		setDefault(&p.ScaleRange, DefaultScaleRange())
	}
	return &p
}

// validate says what is wrong with a PathSpec, defaults filled in.
func (p PathSpec) validate() error {
	if p.Repeats < 1 || p.Repeats > MaxRepeats {
		return fault.Bad("path.repeats", "repeats is %d: the layers can be laid out 1 to %d times", p.Repeats, MaxRepeats)
	}
	if kinds := []PathScales{PairScales, SlotScales, NetworkScales, NoScales}; !slices.Contains(kinds, p.Scales) {
		return fault.Bad("path.scales", "unknown kind of scales %q: it is one of %v", string(p.Scales), kinds)
	}
	r := p.ScaleRange
	if p.Scales == NoScales {
		if r != (Range{}) {
			return fault.Bad("path.scale_range", "scales are none: they have no range")
		}
	} else if !(minScale <= r[0] && r[0] <= 1 && 1 <= r[1] && r[1] <= merge.MaxScale) {
		return fault.Bad("path.scale_range", "%v is not a range of scales: two numbers from %g to %g, with 1 between them", r, minScale, float64(merge.MaxScale))
	}
	if p.MaxHops < 0 || p.MaxHops > merge.MaxHops || p.MaxHops == 1 {
		return fault.Bad("path.max_hops", "max_hops is %d: a path has 2 to %d hops", p.MaxHops, merge.MaxHops)
	}
	return nil
}

// validatePath checks what a spec of a path may say besides.
func (s Spec) validatePath() error {
	for _, f := range []struct {
		field string
		given bool
	}{
		{"weight_range", s.WeightRange != (Range{})}, {"density_range", s.DensityRange != (Range{})}, {"shared_density", s.SharedDensity},
		{"ranges", len(s.Ranges) > 0}, {"filters", len(s.Filters) > 0},
		{"groups", s.Groups != ""}, {"normalize", s.Normalize}, {"rescale", s.Rescale != ""}, {"dtype", s.DType != ""},
	} {
		if f.given {
			return fault.Bad(f.field, "a search of paths leaves weights as they are: it has no %s", f.field)
		}
	}
	if s.Method != merge.Dataflow {
		return fault.Bad("method", "a search of paths is of the method %q, not %q", string(merge.Dataflow), string(s.Method))
	}
	return s.Path.validate()
}

// pathModels are the models whose layers are laid out: the base first.
func (s Spec) pathModels() []string {
	models := []string{s.Base}
	for _, name := range s.Sources {
		if name != s.Base {
			models = append(models, name)
		}
	}
	return models
}
