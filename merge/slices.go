package merge

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// MaxLayers is the largest number of blocks that a model made of slices may have.
const MaxLayers = 1024

// Slice says how the next blocks of a model are made that is stacked of several
// runs of blocks. It has as many as each of its sources gives. The input embedding
// is made like the blocks of the first slice, from the same models; the final norm
// and the head like those of the last.
type Slice struct {
	// Base is the base of this slice, if not the recipe's.
	Base string `json:"base_model,omitempty"`
	// Sources are what is merged, each with its LayerRange. The base is one of
	// them, without any numbers, in methods that do something with it.
	Sources []Source `json:"sources"`
	// Parameters go before the recipe's. Gradients are spread over the blocks of
	// the slice.
	Parameters Parameters `json:"parameters,omitempty" swaggertype:"object,number"`
}

// Range is a run of a model's blocks, counted from 0: the first of them, and the
// one behind the last.
type Range [2]int

// size is how many blocks the range has.
func (r Range) size() int { return r[1] - r[0] }

// size is how many blocks the slice has; 0 if it has no sources.
func (s Slice) size() int {
	if len(s.Sources) == 0 {
		return 0
	}
	return s.Sources[0].LayerRange.size()
}

// uses reports whether a source of a slice is there as its base.
func (s Slice) uses(c choices, base string, source Source) bool {
	return c.base != ignoresBase && base != "" && source.Model == base
}

// alone is a slice as a recipe of its own, and the slice's base; nil if it has
// none. The recipe has its defaults.
func (r Recipe) alone(i int) (Recipe, *Source) {
	s, c := r.Slices[i], methods[r.Method]
	r.Slices, r.Sources = nil, nil
	r.Tokenizer, r.ChatTemplate = nil, "" // which are the whole model's
	r.Base = cmp.Or(s.Base, r.Base)
	for name, p := range s.Parameters {
		r.Parameters = r.Parameters.with(name, p)
	}
	var base *Source
	for _, source := range s.Sources {
		if s.uses(c, r.Base, source) {
			base = &source
		} else {
			r.Sources = append(r.Sources, source)
		}
	}
	if c.base == ignoresBase {
		r.Base = "" // it lends the whole model its configuration
	}
	return r.withDefaults(), base
}

// validateSlices checks each slice, and that they make a model.
func (r Recipe) validateSlices(c choices) error {
	switch {
	case len(r.Sources) > 0:
		return fault.Bad("sources", "give either sources or slices")
	case len(r.Slices) > MaxLayers:
		return fault.Bad("slices", "%d slices: at most %d", len(r.Slices), MaxLayers)
	case r.Groups != WholeModel:
		return fault.Bad("groups", "in slices, numbers are given for each slice and by rules, not by layer groups")
	}
	layers, models := 0, map[string]bool{}
	for i, s := range r.Slices {
		at := fmt.Sprintf("slices[%d]", i)
		for _, source := range s.Sources {
			models[source.Model] = true
		}
		if layers += s.size(); layers > MaxLayers {
			return fault.Bad(at, "a model of more than %d blocks", MaxLayers)
		}
		if len(models) > MaxSources {
			return fault.Bad(at, "slices of more than %d models", MaxSources)
		}
		if err := r.validateSlice(i, c, at); err != nil {
			return err
		}
	}
	return nil
}

// validateSlice checks the slice that stands at a path.
func (r Recipe) validateSlice(i int, c choices, at string) error {
	s := r.Slices[i]
	if s.Base != "" {
		if c.base == ignoresBase {
			return fault.Bad(at+".base_model", "%q has no base", string(r.Method))
		}
		if err := CheckModel(at+".base_model", s.Base); err != nil {
			return err
		}
	}
	alone, base := r.alone(i)
	for k, source := range s.Sources {
		param := fmt.Sprintf("%s.sources[%d].layer_range", at, k)
		switch n := source.LayerRange; {
		case n[0] < 0 || n[1] <= n[0] || n[1] > MaxLayers:
			return fault.Bad(param, "%v is no run of blocks: it has the first, counted from 0, and the one behind the last", n)
		case n.size() != s.size():
			return fault.Bad(param, "%d blocks where sources[0] has %d: all sources of a slice have as many", n.size(), s.size())
		}
		if s.uses(c, alone.Base, source) && (!source.Weight.IsZero() || !source.Density.IsZero() || len(source.Parameters) > 0) {
			return fault.Bad(fmt.Sprintf("%s.sources[%d]", at, k), "%q is the base: it has a layer_range and no numbers", source.Model)
		}
	}
	if base == nil && c.base != ignoresBase && alone.Base != "" {
		return fault.Bad(at+".sources", "the base %q is not among the sources of the slice, which say which of its blocks are meant", alone.Base)
	}
	return s.place(c, alone.Base, at, alone.validateMerge(c))
}

// place says of an error about a slice as a recipe of its own where in the
// recipe the field is.
func (s Slice) place(c choices, base, at string, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) || !strings.HasPrefix(f.Param, "sources") && !strings.HasPrefix(f.Param, "parameters") {
		return err
	}
	moved := *f
	moved.Param = at + "." + f.Param
	if rest, indexed := strings.CutPrefix(f.Param, "sources["); indexed {
		number, tail, _ := strings.Cut(rest, "]")
		n, _ := strconv.Atoi(number) // we have written it
		for k, source := range s.Sources {
			if s.uses(c, base, source) {
				continue
			}
			if n--; n < 0 {
				moved.Param = fmt.Sprintf("%s.sources[%d]%s", at, k, tail)
				break
			}
		}
	}
	return &moved
}

// normalSlices is normal for a recipe of slices: parameters stand with each slice.
func (r Recipe) normalSlices() Recipe {
	all := make([]Slice, len(r.Slices))
	settled := make([]Recipe, len(r.Slices))
	for i, s := range r.Slices {
		alone, base := r.alone(i)
		settled[i] = alone.settled()
		all[i] = Slice{Sources: settled[i].Sources}
		if s.Base != r.Base {
			all[i].Base = s.Base
		}
		if base != nil {
			all[i].Sources = append([]Source{*base}, settled[i].Sources...)
		}
	}
	last := settled[len(settled)-1]
	last.settleTogether(settled)
	for i, alone := range settled {
		all[i].Parameters = alone.Parameters
	}
	last.Base, last.Sources, last.Parameters, last.Slices, last.Tokenizer = r.Base, nil, nil, all, r.Tokenizer
	last.ChatTemplate = r.ChatTemplate
	return last
}

// canonicalSlices are the slices in their one form.
func (r Recipe) canonicalSlices(c choices) []map[string]any {
	all := make([]map[string]any, len(r.Slices))
	for i, s := range r.Slices {
		base := cmp.Or(s.Base, r.Base)
		sources := make([]map[string]any, len(s.Sources))
		for k, source := range s.Sources {
			sources[k] = source.canonical(c)
			if s.uses(c, base, source) {
				sources[k] = map[string]any{"model": source.Model}
			}
			sources[k]["layer_range"] = source.LayerRange
		}
		all[i] = map[string]any{"sources": sources}
		if s.Base != "" {
			all[i]["base_model"] = s.Base
		}
		if s.Parameters != nil {
			all[i]["parameters"] = s.Parameters
		}
	}
	return all
}

// parseSlices reads slices that stand somewhere.
func parseSlices(list []json.RawMessage, where string) ([]Slice, error) {
	if len(list) > MaxLayers {
		return nil, fault.Bad(where, "%d slices: at most %d", len(list), MaxLayers)
	}
	var all []Slice
	for i, data := range list {
		f, err := object(data, fmt.Sprintf("%s[%d]", where, i), "sources", "parameters", "base_model")
		if err != nil {
			return nil, err
		}
		var s Slice
		var sources []json.RawMessage
		if err := f.read("base_model", &s.Base); err != nil {
			return nil, err
		}
		if err := f.read("sources", &sources); err != nil {
			return nil, err
		}
		if len(sources) > MaxSources+1 {
			return nil, fault.Bad(f.path("sources"), "%d sources: at most %d can be merged at once", len(sources), MaxSources)
		}
		for k, data := range sources {
			source, err := parseSource(data, fmt.Sprintf("%s[%d]", f.path("sources"), k), "layer_range")
			if err != nil {
				return nil, err
			}
			s.Sources = append(s.Sources, source)
		}
		if err := f.readParameters(&s.Parameters); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// readRange reads the blocks of a slice's source.
func (f fields) readRange(into *Range) error {
	if !f.has("layer_range") {
		return fault.Bad(f.path("layer_range"), "a source of a slice needs a layer_range: its first block, and the one behind its last")
	}
	var list []int
	if err := f.read("layer_range", &list); err != nil {
		return err
	}
	if len(list) != 2 {
		return fault.Bad(f.path("layer_range"), "a layer_range is a list of two numbers")
	}
	*into = Range(list)
	return nil
}

// withUnits gives the sources of a method whose weights are 1 unless given theirs.
func withUnits(sources []Source) []Source {
	sources = slices.Clone(sources)
	for i := range sources {
		if sources[i].Weight.IsZero() {
			sources[i].Weight = Numbers(1)
		}
	}
	return sources
}
