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

// readSources reads models or slices, or the one of modules that has them.
func (d *yamlReader) readSources() error {
	from := d.top
	if modules := d.top.get("modules"); modules != nil {
		if err := d.readModule(modules); err != nil {
			return err
		}
		from = d.module
	}
	models, list := from.get("models"), from.get("slices")
	switch {
	case models == nil && list == nil:
		return from.missing("models", "give models, or slices")
	case models != nil && list != nil:
		return list.wrong("give either models or slices")
	}
	n := cmp.Or(models, list)
	if !n.isList {
		return n.wrong("this must be a list")
	}
	if n == list {
		return d.readSlices(n)
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
		setting, place, err := d.resolve(p, in.parameters, (*yamlNode).number)
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

// onlyModule is what mergekit calls the whole of a model that is not made of several
// networks. The models that we know are such.
const onlyModule = "default"

// readModule reads the modules of a model, which says the same in more words: there is
// one.
func (d *yamlReader) readModule(n *yamlNode) error {
	for _, key := range []string{"models", "slices"} {
		if both := d.top.get(key); both != nil {
			return both.wrong("give either modules, or models or slices for the whole model")
		}
	}
	if !n.isMap {
		return n.wrong("this must be a map from modules to what they are made of")
	}
	for _, name := range n.keys {
		if name != onlyModule {
			return n.fields[name].wrong("unknown module %q: the models that can be merged have one, %q", name, onlyModule)
		}
	}
	if d.module = n.get(onlyModule); d.module == nil {
		return n.missing(onlyModule, "it is the whole model")
	}
	return d.module.known("models", "slices", "parameters")
}

// merges gives a parameter that holds for all that is merged: of the module, or else
// at the top.
func (d *yamlReader) merges(name string) *yamlNode {
	return cmp.Or(d.module.get("parameters").get(name), d.top.get("parameters").get(name))
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
