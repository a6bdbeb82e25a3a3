package merge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// yamlInput is one of the models to merge.
type yamlInput struct {
	at         *yamlNode
	model      string
	parameters *yamlNode // may be nil
}

// readSources reads models or slices.
func (d *yamlReader) readSources() error {
	inputs, err := d.inputs()
	if err != nil {
		return err
	}
	r := &d.doc.Recipe
	c := methods[r.Method]
	if r.Base != "" && c.base == ignoresBase && !slices.ContainsFunc(inputs, func(in yamlInput) bool { return in.model == r.Base }) {
		// mergekit adds the base to the models of a method that knows no base.
		inputs = append(inputs, yamlInput{at: d.top.fields["base_model"], model: r.Base})
	}
	if len(inputs) > MaxSources+1 {
		return d.top.fields[cmp.Or(d.slicesOrModels(), "models")].wrong("%d models: at most %d can be merged at once", len(inputs), MaxSources)
	}
	for _, in := range inputs {
		if err := d.checkParameters(in.parameters, c.ownNames(), "of a model"); err != nil {
			return err
		}
		if in.model == r.Base && c.base != ignoresBase {
			continue // nothing but its weights matter
		}
		at := fmt.Sprintf("sources[%d]", len(r.Sources))
		d.places[at], d.places[at+".model"] = in.at, in.at
		s := Source{Model: in.model}
		for _, p := range c.ownNames() {
			setting, place, err := d.resolve(p, in.parameters)
			if err != nil {
				return err
			}
			d.places[at+"."+p] = cmp.Or(place, in.at)
			s.set(c, p, foldGroups(setting, r.Groups))
		}
		if v, ok := s.Weight.uniform(); ok && v == 0 && in.model == r.Base && r.Method == Linear {
			continue // it only lends its configuration, see YAML
		}
		if s.Weight.IsZero() && r.Method.Weighs() && !c.unit {
			return in.at.wrong("%q needs a weight of every model, and %q has none", string(r.Method), in.model)
		}
		r.Sources = append(r.Sources, s)
	}
	return nil
}

// slicesOrModels is the key that the models stand in; empty if there is none.
func (d *yamlReader) slicesOrModels() string {
	for _, key := range []string{"models", "slices"} {
		if d.top.get(key) != nil {
			return key
		}
	}
	return ""
}

// inputs lists what is to be merged.
func (d *yamlReader) inputs() ([]yamlInput, error) {
	key := d.slicesOrModels()
	if key == "" {
		return nil, fault.Bad("models", "there are no models: give models, or slices")
	}
	n := d.top.fields[key]
	if !n.isList {
		return nil, n.wrong("this must be a list")
	}
	d.places["sources"] = n
	var inputs []yamlInput
	if key == "models" {
		if both := d.top.get("slices"); both != nil {
			return nil, both.wrong("give either models or slices")
		}
		for _, m := range n.list {
			in, err := readInput(m, "model", "parameters")
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, in)
		}
		return inputs, nil
	}
	if len(n.list) != 1 {
		return nil, n.wrong("%d slices: only one that covers all layers of its models is supported", len(n.list))
	}
	d.slice = n.list[0]
	if err := d.slice.known("sources", "parameters"); err != nil {
		return nil, err
	}
	sources := d.slice.get("sources")
	if sources == nil || !sources.isList {
		return nil, d.slice.wrong("a slice needs a list of sources")
	}
	for _, m := range sources.list {
		in, err := readInput(m, "model", "layer_range", "parameters")
		if err != nil {
			return nil, err
		}
		if err := d.readRange(m); err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// readInput reads one model with its parameters.
func readInput(n *yamlNode, keys ...string) (yamlInput, error) {
	if err := n.known(keys...); err != nil {
		return yamlInput{}, err
	}
	m := n.get("model")
	if m == nil {
		return yamlInput{}, n.wrong("the model is missing")
	}
	name, err := m.text()
	if err != nil {
		return yamlInput{}, err
	}
	switch {
	case strings.Contains(name, "+"):
		return yamlInput{}, m.wrong("%q names a LoRA adapter after the +, which is not supported", name)
	case strings.Contains(name, "@"):
		return yamlInput{}, m.wrong("%q names a revision after the @, which is not supported: sources are folders", name)
	}
	return yamlInput{at: m, model: name, parameters: n.get("parameters")}, nil
}

// readRange reads the layers of a slice's source, which must be all of them.
// How many that are is checked once the models are known.
func (d *yamlReader) readRange(n *yamlNode) error {
	r := n.get("layer_range")
	if r == nil {
		return n.wrong("layer_range is missing")
	}
	if !r.isList || len(r.list) != 2 {
		return r.wrong("this must be a list of two numbers")
	}
	from, err := r.list[0].whole()
	if err != nil {
		return err
	}
	to, err := r.list[1].whole()
	if err != nil {
		return err
	}
	layers := &d.doc.Recipe.Layers
	if from != 0 || to == 0 || to > MaxGradient || *layers != 0 && *layers != int(to) {
		return r.wrong("only the layers from 0 to the last, the same of every model, are supported")
	}
	*layers = int(to)
	return nil
}
