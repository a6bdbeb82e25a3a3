package merge

import (
	"slices"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// lendsEnds reports whether a model has part in the embedding or the head, or
// says how they are shaped.
func (r Recipe) lendsEnds(model string) bool {
	if r.Method == Dataflow {
		return model == r.Base
	}
	if len(r.Slices) == 0 || model == r.Parent() {
		return true
	}
	for _, s := range []Slice{r.Slices[0], r.Slices[len(r.Slices)-1]} {
		if slices.ContainsFunc(s.Sources, func(source Source) bool { return source.Model == model }) {
			return true
		}
	}
	return false
}

// stack lists what of a recipe's slices does not go with the models.
func (m *Misfit) stack(r Recipe, models map[string]Described) {
	r = r.normal()
	configs := configurations(models)
	there := true
	for i, s := range r.Slices {
		for _, source := range s.Sources {
			c, ok := configs[source.Model]
			if there = there && ok; ok && source.LayerRange[1] > c.NumHiddenLayers {
				there = false
				m.add(KindLayers, source.Model, "layer_range", "slices[%d] takes the blocks %v of %q, which has %d", i, source.LayerRange, source.Model, c.NumHiddenLayers)
			}
		}
	}
	if !there {
		return
	}
	m.turns(r, configs)
	m.mean(r, r.Config(configs))
}

// turns names the first blocks that are merged with one another and rotate by
// different angles.
func (m *Misfit) turns(r Recipe, configs map[string]checkpoint.Config) {
	leads, from := r.blocks(), 0
	local := func(h Hop) bool {
		c := configs[h.Model]
		return c.RopeLocalTheta > 0 && c.Window(h.Layer) > 0
	}
	for i, s := range r.Slices {
		for _, source := range s.Sources {
			for l := range s.size() {
				here := Hop{Model: source.Model, Layer: source.LayerRange[0] + l}
				if lead := leads[from+l]; local(here) != local(lead) {
					m.add(KindArchitecture, source.Model, "layer_types", "slices[%d] merges block %d of %q with block %d of %q, which rotates by another angle", i, here.Layer, here.Model, lead.Layer, lead.Model)
					return
				}
			}
		}
		from += s.size()
	}
}
