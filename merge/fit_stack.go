package merge

import (
	"slices"

	"github.com/mergeway/mergeway/infer"
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

// walk lists what of a recipe's path does not go with the models. Its blocks are
// used as they are: what only says how a model is used has to be the same as far
// as one program runs them all.
func (m *Misfit) walk(r Recipe, models map[string]Described) {
	ends := models[r.Base]
	told := map[string]bool{} // of a model, once
	var window Hop            // the first hop with one
	for i, h := range r.Path {
		d, ok := models[h.Model]
		if !ok {
			continue
		}
		if h.Layer >= d.Config.NumHiddenLayers {
			m.add(KindLayers, h.Model, "layer", "path[%d] is block %d of %q, which has %d", i, h.Layer, h.Model, d.Config.NumHiddenLayers)
			continue
		}
		if w := d.Config.Window(h.Layer); w > 0 && window.Model == "" {
			window = h
		} else if first := models[window.Model].Config.Window(window.Layer); w > 0 && w != first && !told[h.Model] {
			told[h.Model] = true
			m.add(KindArchitecture, h.Model, "sliding_window", "block %d of %q sees %d positions, and block %d of %q %d: the blocks of a path that have a window have the same", h.Layer, h.Model, w, window.Layer, window.Model, first)
		}
	}
	for _, name := range r.Models() {
		d, ok := models[name]
		if !ok {
			continue
		}
		if a, b := ends.Config.RMSNormEps, d.Config.RMSNormEps; a != b {
			m.add(KindArchitecture, name, "rms_norm_eps", "rms_norm_eps of %q is %g, of %q %g: a path uses its blocks as they are", name, b, r.Base, a)
		}
		_, made := r.Inputs[name]
		if _, too := r.Inputs[r.Base]; made || too || d.Tensors == nil || ends.Tensors == nil {
			continue // what is made of others is looked at once it is there
		}
		if a, b := infer.WidestDType(ends.Config, ends.Tensors), infer.WidestDType(d.Config, d.Tensors); a != b {
			m.add(KindDType, name, "dtype", "%q is stored as %s and %q as %s: a path shares their weights, which have to be of one dtype", name, checkpoint.TorchDType(b), r.Base, checkpoint.TorchDType(a))
		}
	}
}
