package merge

import (
	"errors"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Document is a recipe as it stands in mergekit's YAML.
type Document struct {
	// Name is what the file calls the recipe; it may be empty.
	Name   string
	Recipe Recipe
}

// The keys of a recipe in mergekit's YAML.
var yamlKeys = []string{
	"name", "merge_method", "base_model", "models", "slices", "modules", "parameters", "dtype", "out_dtype", "tokenizer_source",
	"tokenizer", "chat_template", extensionKey,
}

// extensionKey is the map that holds what mergekit has no words for. mergekit
// passes over keys that it doesn't know.
const extensionKey = "mergeway"

// ParseYAML reads a recipe as mergekit writes it: models or slices, parameters
// as one number, as a gradient over the layers, or as a list of filters, and
// with mergekit's precedence and defaults. Whatever it can't honour is an error
// that names it with its path and line. Of "modules" there is one, the "default".
//
// Of several documents those with a name are models that others may use: what
// mergekit-multi reads. They become the inputs of the one that no other names.
//
// Beyond mergekit's keys there is the map "mergeway", with "rescale",
// "consensus", "seed", "groups" and "vision" as [Recipe] has them, and "method" and "scales" of
// a path, whose blocks are written as slices. [Recipe.YAML] is the way back.
func ParseYAML(data []byte) (Document, error) {
	tops, err := parseYAML(data)
	if err != nil {
		return Document{}, err
	}
	documents, err := newYAMLDocuments(tops)
	if err != nil {
		return Document{}, err
	}
	return documents.result()
}

// yamlReader builds a recipe from a document.
type yamlReader struct {
	top    *yamlNode
	module *yamlNode   // the one of "modules"; nil if there are none
	slices []*yamlNode // nil for "models"
	slice  *yamlNode   // the one at hand
	doc    Document
	places map[string]*yamlNode // where the fields of the recipe, as errors name them, stand in the text
}

func (d *yamlReader) read() error {
	if err := d.top.known(yamlKeys...); err != nil {
		return err
	}
	method := d.top.get("merge_method")
	if method == nil {
		return d.top.missing("merge_method", "it is one of %s", methodNames())
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
		d.readText("name", "name", &d.doc.Name),
		d.readText("base_model", "base_model", &r.Base),
		d.readText("chat_template", "chat_template", &r.ChatTemplate),
		d.readDType(),
	); err != nil {
		return first(err)
	}
	if how := d.top.get(extensionKey).get("method"); how != nil {
		return d.readPath(how)
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
	if err := ext.known("rescale", "consensus", "seed", "groups", "vision"); err != nil {
		return err
	}
	if err := d.readVision(ext); err != nil {
		return err
	}
	if n := ext.get("consensus"); n != nil {
		text, err := n.text()
		if err != nil {
			return err
		}
		d.places["consensus"], r.Consensus = n, text
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

// readVision reads who lends the part that sees pictures.
func (d *yamlReader) readVision(ext *yamlNode) (err error) {
	if n := ext.get("vision"); n != nil {
		d.places["vision"] = n
		d.doc.Recipe.Vision, err = n.text()
	}
	return err
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
