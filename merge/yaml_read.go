package merge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Document is a recipe as it stands in a file of mergekit's YAML.
type Document struct {
	// Name is what the file calls the recipe; it may be empty.
	Name   string
	Recipe Recipe
}

// The keys of a recipe in mergekit's YAML.
var yamlKeys = []string{
	"name", "merge_method", "base_model", "models", "slices", "parameters", "dtype", "out_dtype", "tokenizer_source",
	"tokenizer", extensionKey,
}

// extensionKey is the map that holds what mergekit has no words for. mergekit
// passes over keys that it doesn't know.
const extensionKey = "mergeway"

// unsupportedYAML are mergekit's keys that have a meaning which a [Recipe] can't
// hold, and what to do about it.
var unsupportedYAML = map[string]string{
	"modules":       "merging parts of a model by themselves is not supported: give models",
	"chat_template": "the merged model has the chat template of its base: leave it out",
}

// ParseYAML reads a recipe as mergekit writes it: models or slices, parameters
// as one number, as a gradient over the layers, or as a list of filters, and
// with mergekit's precedence and defaults. Whatever it can't honour is an error
// that names it with its path and line.
//
// Beyond mergekit's keys there is the map "mergeway", with "rescale", "seed" and
// "groups" as [Recipe] has them. [Recipe.YAML] is the way back.
func ParseYAML(data []byte) (Document, error) {
	top, err := parseYAML(data)
	if err != nil {
		return Document{}, err
	}
	d := yamlReader{top: top, places: map[string]*yamlNode{}}
	if err := d.read(); err != nil {
		return Document{}, err
	}
	d.doc.Recipe = d.doc.Recipe.withDefaults()
	return d.doc, d.placed(d.doc.Recipe.Validate())
}

// yamlReader builds a recipe from a document.
type yamlReader struct {
	top    *yamlNode
	slice  *yamlNode // the one entry of "slices"; nil for "models"
	doc    Document
	places map[string]*yamlNode // where the fields of the recipe, as errors name them, stand in the text
}

// yamlInput is one of the models to merge.
type yamlInput struct {
	at         *yamlNode
	model      string
	parameters *yamlNode // may be nil
}

func (d *yamlReader) read() error {
	for _, key := range d.top.keys {
		if why, ok := unsupportedYAML[key]; ok && d.top.get(key) != nil {
			return d.top.fields[key].wrong("%s", why)
		}
	}
	if err := d.top.known(slices.Concat(yamlKeys, []string{"modules", "chat_template"})...); err != nil {
		return err
	}
	method := d.top.get("merge_method")
	if method == nil {
		return fault.Bad("merge_method", "merge_method is missing: it is one of %s", methodNames())
	}
	name, err := method.text()
	if err != nil {
		return err
	}
	d.doc.Recipe = NewRecipe(Method(name))
	r := &d.doc.Recipe
	d.places["method"] = method
	if _, err := r.Method.choices(); err != nil {
		return d.placed(err)
	}
	if err := errors.Join(
		d.readText("name", "", &d.doc.Name),
		d.readText("base_model", "base_model", &r.Base),
		d.readDType(),
	); err != nil {
		return first(err)
	}
	if err := d.readExtension(); err != nil {
		return err
	}
	if err := d.readSources(); err != nil {
		return err
	}
	if err := d.readShared(); err != nil {
		return err
	}
	return d.readTokenizer()
}

// readText reads a field of the text into the recipe's of another name.
func (d *yamlReader) readText(key, param string, into *string) (err error) {
	if n := d.top.get(key); n != nil {
		d.places[param] = n
		*into, err = n.text()
	}
	return err
}

// readDType reads what weights are rounded to. mergekit computes in dtype and
// stores as out_dtype; here it is always float32, and one rounding.
func (d *yamlReader) readDType() error {
	for _, key := range []string{"dtype", "out_dtype"} {
		if err := d.readText(key, "dtype", &d.doc.Recipe.DType); err != nil {
			return err
		}
	}
	d.doc.Recipe.DType = strings.TrimPrefix(d.doc.Recipe.DType, "torch.")
	return nil
}

// readExtension reads what mergekit has no words for.
func (d *yamlReader) readExtension() error {
	r := &d.doc.Recipe
	if r.Rescale == RescaleDensity {
		r.Rescale = RescaleL1 // mergekit's default
	}
	ext := d.top.get(extensionKey)
	if ext == nil {
		return nil
	}
	if err := ext.known("rescale", "seed", "groups"); err != nil {
		return err
	}
	if n := ext.get("groups"); n != nil {
		text, err := n.text()
		if err != nil {
			return err
		}
		d.places["groups"], r.Groups = n, Grouping(text)
	}
	if n := ext.get("seed"); n != nil {
		seed, err := n.whole()
		if err != nil {
			return err
		}
		r.Seed = seed
	}
	return nil
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
		if in.model == r.Base && c.base == needsBase {
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
			*s.setting(p) = foldGroups(setting, r.Groups)
		}
		if v, ok := s.Weight.uniform(); ok && v == 0 && in.model == r.Base {
			continue // it only lends its configuration, see YAML
		}
		if s.Weight.IsZero() {
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

// readShared reads the parameters of the whole merge.
func (d *yamlReader) readShared() error {
	c := methods[d.doc.Recipe.Method]
	names := slices.Concat(c.ownNames(), c.sharedNames())
	if err := d.checkParameters(d.top.get("parameters"), names, "of the merge"); err != nil {
		return err
	}
	if err := d.checkParameters(d.slice.get("parameters"), names, "of a slice"); err != nil {
		return err
	}
	r := &d.doc.Recipe
	for _, p := range c.sharedNames() {
		n := cmp.Or(d.slice.get("parameters").get(p), d.top.get("parameters").get(p))
		if n == nil {
			continue
		}
		d.places[p] = n
		var err error
		switch p {
		case "normalize":
			r.Normalize, err = n.truth()
		case "rescale":
			var yes bool
			yes, err = n.truth()
			r.Rescale = RescaleNone
			if yes {
				r.Rescale = RescaleL1
			}
		case "lambda":
			if r.Lambda, err = n.number(); err == nil && r.Lambda == 0 {
				err = n.wrong("lambda 0 would be the base model, whatever the sources")
			}
		case "int8_mask": // how mergekit saves memory, and nothing to us
			_, err = n.truth()
		}
		if err != nil {
			return err
		}
	}
	if n := d.top.get(extensionKey).get("rescale"); n != nil { // the more precise word wins
		var err error
		d.places["rescale"] = n
		if r.Rescale, err = n.text(); err != nil {
			return err
		}
	}
	return nil
}

// readTokenizer accepts the tokenizer that the merged model has anyway.
func (d *yamlReader) readTokenizer() error {
	n := d.top.get("tokenizer_source")
	if t := d.top.get("tokenizer"); t != nil {
		if n != nil {
			return t.wrong("give either tokenizer or tokenizer_source")
		}
		if err := t.known("source"); err != nil {
			return err
		}
		if n = t.get("source"); n == nil {
			return t.wrong(`the source is missing: "base" is supported`)
		}
	}
	if n == nil {
		return nil
	}
	source, err := n.text()
	if err != nil {
		return err
	}
	parent := d.doc.Recipe.Parent()
	if source != "base" && source != parent {
		return n.wrong("%q is not supported: the merged model has the tokenizer of %q", source, parent)
	}
	return nil
}

// placed says of an error about a field of the recipe where in the text it is.
func (d *yamlReader) placed(err error) error {
	var f *fault.Error
	if err == nil || !errors.As(err, &f) {
		return err
	}
	for param := f.Param; param != ""; param = param[:max(0, strings.LastIndexAny(param, ".["))] {
		if n := d.places[param]; n != nil {
			return n.wrong("%s", f.Message)
		}
	}
	return err
}
