package merge

import (
	"cmp"
	"slices"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// part is a run of the merged model's tensors that are merged in one way: all of
// them, or those of a slice.
type part struct {
	recipe Recipe       // of the part alone
	params []arch.Param // of the merged model
	places []place      // of params
	base   int          // block l of the merged model goes with block l+base of the base
	shifts []int        // the same for each source; nil: 0
}

// parts divides the tensors of a model of the merged model's configuration.
func (r Recipe) parts(c checkpoint.Config) []part {
	params := arch.Params(c)
	if len(r.Slices) == 0 {
		p := part{recipe: r, params: params, places: make([]place, len(params))}
		for t, param := range params {
			p.places[t] = newPlace(param, r.Groups, c.NumHiddenLayers)
		}
		return []part{p}
	}
	parts := make([]part, len(r.Slices))
	from := 0
	for i, s := range r.Slices {
		alone, base := r.alone(i)
		p := part{recipe: alone}
		for _, source := range alone.Sources {
			p.shifts = append(p.shifts, source.LayerRange[0]-from)
		}
		if base != nil {
			p.base = base.LayerRange[0] - from
		}
		for _, param := range params {
			within := param.Group.Part == arch.Block && param.Group.Block >= from && param.Group.Block < from+s.size()
			first := param.Group.Part == arch.Embedding && i == 0
			last := param.Group.Part == arch.Head && i == len(r.Slices)-1
			if !within && !first && !last {
				continue
			}
			at := newPlace(param.In(param.Group.Block-from), alone.Groups, s.size())
			at.name = param.Name
			p.params, p.places = append(p.params, param), append(p.places, at)
		}
		parts[i] = p
		from += s.size()
	}
	return parts
}

// input is the place of what source i gives for tensor t: mergekit looks at the
// name that it has there.
func (p part) input(t, i int) place {
	at := p.places[t]
	if shift := p.shift(i); shift != 0 {
		at.name = p.params[t].In(p.params[t].Group.Block + shift).Name
	}
	return at
}

// shift is by how much source i's blocks are off.
func (p part) shift(i int) int {
	if p.shifts == nil {
		return 0
	}
	return p.shifts[i]
}

// weightSum adds up what the sources weigh in tensor t.
func (p part) weightSum(t int) float64 {
	var sum float64
	for i, s := range p.recipe.Sources {
		sum += s.Weight.at(p.input(t, i), 0)
	}
	return sum
}

// blocks tells for each block of the merged model which block of which model it
// takes after, in what is no weight: its window, and how it rotates. Nil: those of
// the parent, one by one.
func (r Recipe) blocks() []Hop {
	if r.Method == Dataflow {
		return r.Path
	}
	var all []Hop
	for _, s := range r.Slices {
		lead := s.Sources[0]
		for _, source := range s.Sources {
			if s.uses(methods[r.Method], cmp.Or(s.Base, r.Base), source) {
				lead = source
			}
		}
		for i := range s.size() {
			all = append(all, Hop{Model: lead.Model, Layer: lead.LayerRange[0] + i})
		}
	}
	return all
}

// Stacked gives how many blocks the recipe's model has of its own accord, and the
// field that says so; 0 if it has as many as its parent.
func (r Recipe) Stacked() (field string, blocks int) {
	if r.Method == Dataflow {
		return "path", len(r.Path)
	}
	for _, s := range r.Slices {
		blocks += s.size()
	}
	return "slices", blocks
}

// Config is the configuration of the model that a fitting recipe makes of models
// of these: its parent's, with as many blocks as it has.
func (r Recipe) Config(models map[string]checkpoint.Config) checkpoint.Config {
	models = underNames(r, models)
	r = r.normal()
	c := models[r.Parent()]
	if v := r.Vocabulary; v != nil {
		c = v.config(c, models[v.Lender])
	}
	blocks := r.blocks()
	if blocks == nil {
		return c
	}
	c.NumHiddenLayers, c.SlidingLayers, c.HopScales = len(blocks), nil, r.scaled()
	if r.Method == Dataflow { // its blocks are what they are
		c.SlidingWindow = 0
		for _, b := range blocks {
			c.SlidingWindow = max(c.SlidingWindow, models[b.Model].Window(b.Layer))
		}
	}
	if c.SlidingWindow == 0 {
		return c
	}
	sliding := make([]bool, len(blocks))
	for i, b := range blocks {
		sliding[i] = models[b.Model].Window(b.Layer) > 0
	}
	if !slices.Contains(sliding, true) {
		c.SlidingWindow = 0
	} else if slices.Contains(sliding, false) {
		c.SlidingLayers = sliding
	}
	return c
}

// settle says a recipe in the plainest way that means the same for models of
// these configurations: slices that are whole models, one beside the other, are
// no slices. What mergekit writes as one slice of the first layers is a recipe of
// slices only if the models have more.
func (r Recipe) settle(models map[string]checkpoint.Config) Recipe {
	if r.Layers > 0 && r.Layers < models[r.Parent()].NumHiddenLayers && r.Groups == WholeModel {
		return r.firstLayers()
	}
	if len(r.Slices) != 1 || r.Slices[0].Base != "" {
		return r
	}
	for _, s := range r.Slices[0].Sources {
		if s.LayerRange != (Range{0, models[s.Model].NumHiddenLayers}) {
			return r
		}
	}
	plain := r.normal()
	alone, _ := plain.alone(0)
	for i := range alone.Sources {
		alone.Sources[i].LayerRange = Range{}
	}
	alone.Tokenizer, alone.ChatTemplate = plain.Tokenizer, plain.ChatTemplate
	if alone.Base = plain.Base; alone.Validate() != nil {
		return r // its base is none of the models that it merges
	}
	return alone
}

// firstLayers makes slices of a recipe that is said to be of so many layers.
func (r Recipe) firstLayers() Recipe {
	r = r.normal()
	s := Slice{Sources: slices.Clone(r.Sources), Parameters: r.Parameters}
	if methods[r.Method].base != ignoresBase && r.Base != "" {
		s.Sources = append([]Source{{Model: r.Base}}, s.Sources...)
	}
	for i := range s.Sources {
		s.Sources[i].LayerRange = Range{0, r.Layers}
	}
	r.Slices, r.Sources, r.Parameters, r.Layers = []Slice{s}, nil, nil, 0
	return r
}
