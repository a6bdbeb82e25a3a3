package merge

import (
	"fmt"

	"github.com/mergeway/mergeway/fault"
)

// A path is written as a stack of blocks that are passed through, which is as near
// to it as mergekit's words come: mergekit knows no scales, and takes the ends from
// the first and the last slice and not from the base. The extension says that it is
// a path.

// readPath reads a path; how is the method that the extension names.
func (d *yamlReader) readPath(how *yamlNode) error {
	d.places["method"] = how
	if text, err := how.text(); err != nil || text != string(Dataflow) {
		return how.wrong("%q is all that stands here: other methods are in merge_method", string(Dataflow))
	}
	if m := d.top.fields["merge_method"]; d.doc.Recipe.Method != Passthrough {
		return m.wrong("a path is written as a stack of slices by %q", string(Passthrough))
	}
	for _, key := range []string{"models", "parameters", "dtype", "out_dtype", "tokenizer_source", "tokenizer"} {
		if n := d.top.get(key); n != nil {
			return n.wrong("%q merges no weights, and has no %s: its blocks are used as they are", string(Dataflow), key)
		}
	}
	ext := d.top.get(extensionKey)
	if err := ext.known("method", "scales", "vision"); err != nil {
		return err
	}
	if err := d.readVision(ext); err != nil {
		return err
	}
	r := NewRecipe(Dataflow)
	r.Base, r.Vision = d.doc.Recipe.Base, d.doc.Recipe.Vision
	n := d.top.get("slices")
	if n == nil || !n.isList || len(n.list) > MaxHops {
		return fault.Bad("slices", "a path is a list of at most %d slices", MaxHops)
	}
	d.places["path"] = n
	for _, d.slice = range n.list {
		hops, err := d.readHops(len(r.Path))
		if err != nil {
			return err
		}
		if r.Path = append(r.Path, hops...); len(r.Path) > MaxHops {
			return n.wrong("a path of more than %d hops", MaxHops)
		}
	}
	d.doc.Recipe = r
	return d.readScales(ext.get("scales"))
}

// readHops reads one slice, whose first block is a hop of that number.
func (d *yamlReader) readHops(number int) ([]Hop, error) {
	if err := d.slice.known("sources"); err != nil {
		return nil, err
	}
	sources := d.slice.get("sources")
	if sources == nil || !sources.isList || len(sources.list) != 1 {
		return nil, d.slice.wrong("a slice of a path has one source")
	}
	source := sources.list[0]
	in, err := readInput(source, "model", "layer_range")
	if err != nil {
		return nil, err
	}
	layers, err := source.layerRange()
	if err != nil {
		return nil, err
	}
	hops := make([]Hop, layers.size())
	for i := range hops {
		hops[i] = Hop{Model: in.model, Layer: layers[0] + i}
		at := fmt.Sprintf("path[%d]", number+i)
		d.places[at], d.places[at+".model"] = source, in.at
	}
	return hops, nil
}

// readScales reads what the stream is multiplied by at each hop.
func (d *yamlReader) readScales(n *yamlNode) error {
	if n == nil {
		return nil
	}
	path := d.doc.Recipe.Path
	if !n.isList || len(n.list) != len(path) {
		return n.wrong("this must be a list of %d numbers, one for each hop", len(path))
	}
	for i, item := range n.list {
		var err error
		if path[i].Scale, err = item.number(); err != nil {
			return err
		}
		if path[i].Scale == 0 {
			return item.wrong("scale 0 would forget all that came before the hop")
		}
		d.places[fmt.Sprintf("path[%d].scale", i)] = item
	}
	return nil
}

// path writes the blocks of a path, runs of a model's as one slice.
func (w *yamlWriter) path(r Recipe) {
	w.line(0, "slices:")
	for from := 0; from < len(r.Path); {
		to := from + 1
		for to < len(r.Path) && r.Path[to].Model == r.Path[from].Model && r.Path[to].Layer == r.Path[from].Layer+to-from {
			to++
		}
		w.line(1, "- sources:")
		w.line(3, "- model: %s", yamlText(r.Path[from].Model))
		w.line(4, "layer_range: [%d, %d]", r.Path[from].Layer, r.Path[from].Layer+to-from)
		from = to
	}
	w.line(0, "%s:", extensionKey)
	w.line(1, "method: %s", Dataflow)
	if r.Vision != "" {
		w.line(1, "vision: %s", yamlText(r.Vision))
	}
	if r.scaled() {
		scales := make([]float64, len(r.Path))
		for i, h := range r.Path {
			scales[i] = h.scale()
		}
		if len(scales) == 1 {
			w.line(1, "scales: [%s]", yamlNumber(scales[0]))
		} else {
			w.line(1, "scales: %s", w.gradient(scales))
		}
	}
}
