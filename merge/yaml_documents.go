package merge

import (
	"slices"
	"strings"
)

// yamlDocuments are the recipes of one text, which may name one another.
type yamlDocuments struct {
	all    []*yamlDocument
	byName map[string]*yamlDocument
}

// yamlDocument is one of them.
type yamlDocument struct {
	top     *yamlNode
	doc     Document // once it is read
	used    bool     // another names it
	reading bool     // or one that it names is being read
	read    bool
}

// newYAMLDocuments looks at the names of documents.
func newYAMLDocuments(tops []*yamlNode) (*yamlDocuments, error) {
	ds := &yamlDocuments{byName: map[string]*yamlDocument{}}
	for _, top := range tops {
		d := &yamlDocument{top: top}
		ds.all = append(ds.all, d)
		n := top.get("name")
		if n == nil || len(tops) == 1 {
			continue // alone, the name is how people call it
		}
		name, err := n.text()
		if err != nil {
			return nil, err
		}
		if first := ds.byName[name]; first != nil {
			return nil, n.wrong("%q is the name of the document in line %d already", name, first.top.line)
		}
		ds.byName[name] = d
	}
	return ds, nil
}

// result reads the documents and gives the one recipe that they make: the one
// that no other names.
func (ds *yamlDocuments) result() (Document, error) {
	for _, d := range ds.all {
		if err := ds.resolve(d); err != nil {
			return Document{}, err
		}
	}
	var results []*yamlDocument
	for _, d := range ds.all {
		if !d.used {
			results = append(results, d)
		}
	}
	if len(results) > 1 { // there is one: they are in no circle
		return Document{}, results[1].top.wrong("no other document names this one, nor that in line %d: a recipe has one result", results[0].top.line)
	}
	return results[0].doc, nil
}

// resolve reads a document, and first those that it names.
func (ds *yamlDocuments) resolve(d *yamlDocument) error {
	switch {
	case d.read:
		return nil
	case d.reading:
		return d.top.wrong("this document is made of itself")
	}
	d.reading = true
	reader := yamlReader{top: d.top, places: map[string]*yamlNode{}}
	if err := reader.read(); err != nil {
		return err
	}
	r := reader.doc.Recipe.withDefaults()
	for _, name := range r.Models() {
		if model, adapter := SplitAdapter(name); adapter != "" && ds.byName[model] != nil {
			return d.top.wrong("%q puts an adapter on what another document makes: it can be put on a source alone", name)
		}
		in := ds.byName[name]
		if in == nil {
			continue
		}
		if err := ds.resolve(in); err != nil {
			return err
		}
		in.used = true
		if r.Inputs == nil {
			r.Inputs = map[string]Recipe{}
		}
		r.Inputs[name] = in.doc.Recipe
	}
	d.doc, d.read = Document{Name: reader.doc.Name, Recipe: r}, true
	return reader.placed(r.Validate())
}

// documents writes the recipes within a recipe, each once and before those that
// name it, and then the recipe.
func (w *yamlWriter) documents(r Recipe, name string, layers func(Recipe) (int, error)) error {
	for i, s := range r.Stages() {
		if i > 0 {
			w.out.WriteString("---\n")
		}
		if s.Name == "" {
			s.Name = documentName(r, name)
		}
		w.layers = func() (int, error) { return layers(s.Recipe) }
		if err := w.document(s.Recipe, s.Name); err != nil {
			return err
		}
	}
	return nil
}

// documentName is the name that the result can have in YAML: one that one of its
// parts has would make it a part of itself.
func documentName(r Recipe, name string) string {
	if len(r.Inputs) > 0 && (slices.Contains(r.Leaves(), name) || strings.HasPrefix(name, inputPrefix)) {
		return ""
	}
	return name
}
