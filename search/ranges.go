package search

import (
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// Variation says how a parameter varies over the tensors of a model.
type Variation string

// The variations.
const (
	OverGroups   Variation = "groups"   // a value for each layer group
	OverGradient Variation = "gradient" // values at even depths, with straight lines between them
	OverModel    Variation = "model"    // one value
)

// ParameterRange says how one parameter is searched. In requests a list of two numbers
// stands for its Range alone.
type ParameterRange struct {
	// Range bounds its values.
	Range Range `json:"range"`
	// Shared gives all sources the same values.
	Shared bool `json:"shared,omitempty"`
	// Over is how it varies: groups, gradient or model. Default: groups, where the
	// parameter may differ between tensors.
	Over Variation `json:"over,omitempty"`
	// Anchors is the number of values of a gradient, the first for the first block
	// and the last for the last. Tensors outside of the blocks have the first.
	// Default: 3.
	Anchors int `json:"anchors,omitempty"`
	// Every gives a gradient a value for every so many blocks, in place of anchors.
	Every int `json:"every,omitempty"`
}

// Ranges are parameters by name.
type Ranges map[string]ParameterRange

// The defaults and limits of parameters.
const (
	DefaultAnchors = 3
	MaxAnchors     = 64
	MaxFilters     = 16
	// maxRanges is how many parameters a request may name. No method has that many.
	maxRanges = 16
)

// ranged gives how a tunable is searched, and whether it is.
func (s Spec) ranged(t merge.Tunable) (ParameterRange, bool) {
	p, ok := s.Ranges[t.Name]
	switch {
	case ok:
	case t.Name == merge.TunableWeight:
		p.Range, ok = s.WeightRange, true
	case t.Name == merge.TunableDensity:
		p.Range, ok = s.DensityRange, true
		if s.SharedDensity {
			p.Over = OverModel
		}
	}
	if t.Uniform {
		setDefault(&p.Over, OverModel)
	}
	setDefault(&p.Over, OverGroups)
	if p.Over == OverGradient && p.Every == 0 {
		setDefault(&p.Anchors, DefaultAnchors)
	}
	return p, ok
}

// validateRanges checks the intervals of all parameters.
func (s Spec) validateRanges() error {
	tunables := s.Method.Tunables()
	for _, name := range slices.Sorted(maps.Keys(s.Ranges)) {
		at := "ranges." + name
		i := slices.IndexFunc(tunables, func(t merge.Tunable) bool { return t.Name == name })
		switch {
		case i < 0 && len(tunables) > 0: // an unknown method is found out later
			return fault.Bad(at, "%q has no number %q to search for: it has %v", string(s.Method), name, tunableNames(tunables))
		case name == merge.TunableWeight && s.WeightRange != (Range{}):
			return fault.Bad(at, "give either weight_range or a range of weight")
		case name == merge.TunableDensity && (s.DensityRange != (Range{}) || s.SharedDensity):
			return fault.Bad(at, "give either density_range and shared_density, or a range of density")
		}
		if i >= 0 {
			if err := s.Ranges[name].validate(at, tunables[i]); err != nil {
				return err
			}
		}
	}
	for _, t := range tunables {
		if _, ok := s.Ranges[t.Name]; t.Required && !ok {
			return fault.Bad("ranges."+t.Name, "%q needs %q: give it a range", string(s.Method), t.Name)
		}
	}
	if err := s.validatePlainRanges(); err != nil {
		return err
	}
	return s.validateFilters()
}

// tunableNames lists names, for messages.
func tunableNames(all []merge.Tunable) []string {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name
	}
	return names
}

// validate checks how a tunable is searched.
func (p ParameterRange) validate(at string, t merge.Tunable) error {
	r := p.Range
	switch {
	case !(t.Low <= r[0] && r[0] <= r[1] && r[1] <= t.High):
		return fault.Bad(at+".range", "%v is not a range of %q: two numbers from %g to %g, the smaller first", r, t.Name, t.Low, t.High)
	case t.Whole && (r[0] != math.Trunc(r[0]) || r[1] != math.Trunc(r[1])):
		return fault.Bad(at+".range", "%q is an integer", t.Name)
	case p.Shared && !t.Own:
		return fault.Bad(at+".shared", "%q is not a number of the sources, but of the whole merge", t.Name)
	}
	switch p.Over {
	case "", OverModel:
	case OverGroups, OverGradient:
		if t.Uniform {
			return fault.Bad(at+".over", "%q is one number for the whole model", t.Name)
		}
	default:
		return fault.Bad(at+".over", "unknown variation %q: it is one of %s, %s, %s", string(p.Over), OverGroups, OverGradient, OverModel)
	}
	if p.Over != OverGradient && p.Anchors != 0 {
		return fault.Bad(at+".anchors", "only a gradient has anchors")
	}
	if p.Every != 0 && (p.Over != OverGradient || p.Anchors != 0) {
		return fault.Bad(at+".every", "only a gradient without anchors has a value for every so many blocks")
	}
	if p.Every < 0 || p.Every > merge.MaxGradient {
		return fault.Bad(at+".every", "every is %d: 1 to %d blocks", p.Every, merge.MaxGradient)
	}
	if p.Over == OverGradient && p.Anchors != 0 && (p.Anchors < 2 || p.Anchors > MaxAnchors) {
		return fault.Bad(at+".anchors", "%d anchors: a gradient has 2 to %d", p.Anchors, MaxAnchors)
	}
	return nil
}

// validatePlainRanges checks weight_range and density_range.
func (s Spec) validatePlainRanges() error {
	_, weight := s.Ranges[merge.TunableWeight]
	switch r := s.WeightRange; {
	case weight:
	case !s.Method.Weighs():
		if r != (Range{}) {
			return fault.Bad("weight_range", "%q finds the weights of its sources by itself: it takes none", string(s.Method))
		}
	case !(r[0] <= r[1] && math.Abs(r[0]) <= merge.MaxScale && math.Abs(r[1]) <= merge.MaxScale):
		return fault.Bad("weight_range", "%v is not a range of weights: two numbers, the smaller first", r)
	}
	_, density := s.Ranges[merge.TunableDensity]
	switch r := s.DensityRange; {
	case density:
	case !s.Method.Sparsifies():
		if r != (Range{}) || s.SharedDensity {
			return fault.Bad("density_range", "%q keeps every entry: it takes no density", string(s.Method))
		}
	case !(minDensity <= r[0] && r[0] <= r[1] && r[1] <= 1):
		return fault.Bad("density_range", "%v is not a range of densities: two numbers from %g to 1, the smaller first", r, minDensity)
	}
	return nil
}

// validateFilters checks the parts of tensors' names.
func (s Spec) validateFilters() error {
	if len(s.Filters) > MaxFilters {
		return fault.Bad("filters", "%d filters: at most %d", len(s.Filters), MaxFilters)
	}
	for i, f := range s.Filters {
		if f == "" || f == "*" || len(f) > merge.MaxName || !utf8.ValidString(f) {
			return fault.Bad("filters", "%q is no filter: it is a part of tensors' names, of 1 to %d bytes", f, merge.MaxName)
		}
		for _, earlier := range s.Filters[:i] {
			if strings.Contains(f, earlier) {
				return fault.Bad("filters", "every tensor that %q fits is %q's already", f, earlier)
			}
		}
	}
	return nil
}
