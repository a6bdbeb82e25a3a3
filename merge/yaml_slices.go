package merge

import (
	"cmp"
	"fmt"
)

// readSlices reads the slices. One slice of all models from their first layer on
// is how mergekit writes a merge of whole models as well: it is read as one, and
// [Recipe.Settle] tells once the models are known.
func (d *yamlReader) readSlices(n *yamlNode) error {
	if len(n.list) == 0 || len(n.list) > MaxLayers {
		return n.wrong("%d slices: 1 to %d are supported", len(n.list), MaxLayers)
	}
	d.slices, d.places["slices"] = n.list, n
	for i, s := range n.list {
		d.slice = s
		base, inputs, err := d.readSlice()
		if err != nil {
			return err
		}
		if layers, whole := fromTheFirst(inputs); whole && base == "" && len(n.list) == 1 {
			d.doc.Recipe.Layers, d.places["sources"] = layers, n
			return d.readModels(n, inputs)
		}
		at := fmt.Sprintf("slices[%d]", i)
		d.places[at] = s
		if base != "" {
			d.places[at+".base_model"] = s.get("base_model")
		}
		slice, err := d.sliceOf(inputs, base, at)
		if err != nil {
			return err
		}
		d.doc.Recipe.Slices = append(d.doc.Recipe.Slices, slice)
	}
	return nil
}

// readSlice reads the models of d.slice, and its base if it has one of its own.
func (d *yamlReader) readSlice() (base string, inputs []yamlInput, err error) {
	if err := d.slice.known("sources", "parameters", "base_model"); err != nil {
		return "", nil, err
	}
	if n := d.slice.get("base_model"); n != nil {
		if base, err = n.text(); err != nil {
			return "", nil, err
		}
	}
	sources := d.slice.get("sources")
	if sources == nil || !sources.isList {
		return "", nil, d.slice.wrong("a slice needs a list of sources")
	}
	if len(sources.list) > MaxSources+1 {
		return "", nil, sources.wrong("%d sources: at most %d can be merged at once", len(sources.list), MaxSources)
	}
	for _, m := range sources.list {
		in, err := readInput(m, "model", "layer_range", "parameters")
		if err != nil {
			return "", nil, err
		}
		if in.layers, err = m.layerRange(); err != nil {
			return "", nil, err
		}
		inputs = append(inputs, in)
	}
	return base, inputs, nil
}

// sliceOf reads the numbers of a slice's models, and its own.
func (d *yamlReader) sliceOf(inputs []yamlInput, base, at string) (Slice, error) {
	r := &d.doc.Recipe
	c := methods[r.Method]
	s := Slice{Base: base}
	for k, in := range inputs {
		source := Source{Model: in.model, LayerRange: in.layers}
		place := fmt.Sprintf("%s.sources[%d]", at, k)
		d.places[place] = in.at
		if s.uses(c, cmp.Or(base, r.Base), source) {
			if err := d.checkParameters(in.parameters, c.ownNames(), "of a model"); err != nil {
				return s, err
			}
		} else {
			var err error
			if source, err = d.readSource(in, place); err != nil {
				return s, err
			}
		}
		s.Sources = append(s.Sources, source)
	}
	for _, q := range c.shared {
		setting, place, err := d.resolve(q.name, nil, (*yamlNode).number)
		if err != nil {
			return s, err
		}
		d.places[at+".parameters."+q.name] = cmp.Or(place, d.slice)
		s.Parameters = s.Parameters.with(q.name, setting)
	}
	return s, nil
}

// fromTheFirst gives how many layers there are, if all models have the same from
// their first on.
func fromTheFirst(inputs []yamlInput) (layers int, whole bool) {
	for i, in := range inputs {
		if i == 0 {
			layers = in.layers[1]
		}
		if in.layers != (Range{0, layers}) {
			return 0, false
		}
	}
	return layers, true
}

// layerRange reads the layers of a slice's source.
func (n *yamlNode) layerRange() (layers Range, err error) {
	r := n.get("layer_range")
	if r == nil {
		return layers, n.wrong("layer_range is missing")
	}
	if !r.isList || len(r.list) != 2 {
		return layers, r.wrong("this must be a list of two numbers")
	}
	for i, v := range r.list {
		end, err := v.whole()
		if err != nil {
			return layers, err
		}
		if end > MaxLayers {
			return layers, r.wrong("layers up to %d: at most %d", end, MaxLayers)
		}
		layers[i] = int(end)
	}
	if layers.size() < 1 {
		return layers, r.wrong("there are no layers in %v: it has the first, counted from 0, and the one behind the last", layers)
	}
	return layers, nil
}

// slices writes the slices of a recipe in its normal form.
func (w *yamlWriter) slices(r Recipe, c choices) error {
	w.line(0, "slices:")
	for _, s := range r.Slices {
		base := cmp.Or(s.Base, r.Base)
		w.line(1, "- sources:")
		for _, source := range s.Sources {
			w.line(3, "- model: %s", yamlText(source.Model))
			w.line(4, "layer_range: [%d, %d]", source.LayerRange[0], source.LayerRange[1])
			if s.uses(c, base, source) {
				continue
			}
			if err := w.own(4, source, c); err != nil {
				return err
			}
		}
		if s.Base != "" {
			w.line(2, "base_model: %s", yamlText(s.Base))
		}
		if len(s.Parameters) > 0 {
			w.line(2, "parameters:")
		}
		for _, q := range c.wholeMerge() {
			if err := w.parameter(3, q, c, s.Parameters[q.name]); err != nil {
				return err
			}
		}
	}
	return nil
}
