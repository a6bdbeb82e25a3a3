package merge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// yamlInput is one of the models to merge.
type yamlInput struct {
	at         *yamlNode
	model      string
	layers     Range     // in a slice
	parameters *yamlNode // may be nil
}

// readSources reads models or slices.
func (d *yamlReader) readSources() error {
	key := d.slicesOrModels()
	if key == "" {
		return d.top.missing("models", "give models, or slices")
	}
	n := d.top.fields[key]
	if !n.isList {
		return n.wrong("this must be a list")
	}
	if key == "slices" {
		return d.readSlices(n)
	}
	if both := d.top.get("slices"); both != nil {
		return both.wrong("give either models or slices")
	}
	inputs := make([]yamlInput, len(n.list))
	for i, m := range n.list {
		var err error
		if inputs[i], err = readInput(m, "model", "parameters"); err != nil {
			return err
		}
	}
	d.places["sources"] = n
	return d.readModels(n, inputs)
}

// readModels reads what is merged as a whole, which stands in a list.
func (d *yamlReader) readModels(list *yamlNode, inputs []yamlInput) error {
	r := &d.doc.Recipe
	c := methods[r.Method]
	if r.Base != "" && c.base == ignoresBase && !slices.ContainsFunc(inputs, func(in yamlInput) bool { return in.model == r.Base }) {
		// mergekit adds the base to the models of a method that knows no base.
		inputs = append(inputs, yamlInput{at: d.top.fields["base_model"], model: r.Base})
	}
	if len(inputs) > MaxSources+1 {
		return list.wrong("%d models: at most %d can be merged at once", len(inputs), MaxSources)
	}
	for _, in := range inputs {
		if in.model == r.Base && c.base != ignoresBase {
			if err := d.checkParameters(in.parameters, c.ownNames(), "of a model"); err != nil {
				return err
			}
			continue // nothing but its weights matter
		}
		in.layers = Range{} // all of them
		s, err := d.readSource(in, fmt.Sprintf("sources[%d]", len(r.Sources)))
		if err != nil {
			return err
		}
		if v, ok := s.Weight.uniform(); ok && v == 0 && in.model == r.Base && r.Method == Linear {
			continue // it only lends its configuration, see YAML
		}
		r.Sources = append(r.Sources, s)
	}
	return nil
}

// readSource reads the numbers of a model, which is a field of the recipe.
func (d *yamlReader) readSource(in yamlInput, at string) (Source, error) {
	r := &d.doc.Recipe
	c := methods[r.Method]
	s := Source{Model: in.model, LayerRange: in.layers}
	if err := d.checkParameters(in.parameters, c.ownNames(), "of a model"); err != nil {
		return s, err
	}
	d.places[at], d.places[at+".model"] = in.at, in.at
	for _, p := range c.ownNames() {
		setting, place, err := d.resolve(p, in.parameters)
		if err != nil {
			return s, err
		}
		d.places[at+"."+p] = cmp.Or(place, in.at)
		s.set(c, p, foldGroups(setting, r.Groups))
	}
	if c.unit && !s.Weight.IsZero() && !s.Weight.covers() {
		s.Weight.Rules = append(s.Weight.Rules, Rule{Gradient: []float64{1}}) // mergekit's default
	}
	if s.Weight.IsZero() && r.Method.Weighs() && !c.unit {
		return s, in.at.wrong("%q needs a weight of every model, and %q has none", string(r.Method), in.model)
	}
	return s, nil
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
	if strings.Contains(name, "@") {
		return yamlInput{}, m.wrong("%q names a revision after the @, which is not supported: sources are folders", name)
	}
	return yamlInput{at: m, model: name, parameters: n.get("parameters")}, nil
}
