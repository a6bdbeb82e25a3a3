package merge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// ParseRecipe reads a recipe from JSON and fills in the defaults of its method.
// It is strict: a recipe that is too long, has a key twice or one it doesn't
// know, or does not pass [Recipe.Validate], is refused with the field named. A
// weight or density may be a bare number instead of a list of one.
func ParseRecipe(data []byte) (Recipe, error) {
	if len(data) > MaxRecipeBytes {
		return Recipe{}, fault.New(fault.TooLarge, "a recipe of %d bytes: at most %d", len(data), MaxRecipeBytes)
	}
	r, err := parseRecipe(data, "", 0)
	if err != nil {
		return Recipe{}, err
	}
	return r, r.Validate()
}

// parseRecipe reads a recipe that stands at a path, and so deep within others.
func parseRecipe(data []byte, at string, depth int) (Recipe, error) {
	top, err := object(data, at, "method", "base_model", "sources", "slices", "path", "groups", "normalize", "lambda", "rescale", "consensus", "seed", "span", "parameters", "dtype", "tokenizer", "chat_template", "vision", "inputs")
	if err != nil {
		return Recipe{}, err
	}
	var method Method
	if err := top.read("method", &method); err != nil {
		return Recipe{}, err
	}
	r := NewRecipe(method)
	var list, stack, hops []json.RawMessage
	if err := errors.Join(
		top.read("base_model", &r.Base),
		top.read("groups", &r.Groups),
		top.read("normalize", &r.Normalize),
		top.read("lambda", &r.Lambda),
		top.read("rescale", &r.Rescale),
		top.read("consensus", &r.Consensus),
		top.read("seed", &r.Seed),
		top.read("span", &r.Span),
		top.readParameters(&r.Parameters),
		top.read("dtype", &r.DType),
		top.readTokenizer(&r.Tokenizer),
		top.read("chat_template", &r.ChatTemplate),
		top.read("vision", &r.Vision),
		top.read("sources", &list),
		top.read("slices", &stack),
		top.read("path", &hops),
		top.readInputs(&r.Inputs, depth),
	); err != nil {
		return Recipe{}, first(err)
	}
	if top.has("lambda") && r.Lambda == 0 && method != Dataflow {
		return Recipe{}, fault.Bad(top.path("lambda"), "lambda 0 would be the base model, whatever the sources")
	}
	if len(list) > MaxSources {
		return Recipe{}, fault.Bad(top.path("sources"), "%d sources: at most %d can be merged at once", len(list), MaxSources)
	}
	for i, data := range list {
		s, err := parseSource(data, fmt.Sprintf("%s[%d]", top.path("sources"), i))
		if err != nil {
			return Recipe{}, err
		}
		r.Sources = append(r.Sources, s)
	}
	if r.Slices, err = parseSlices(stack, top.path("slices")); err != nil {
		return Recipe{}, err
	}
	if r.Path, err = parsePath(hops, top.path("path")); err != nil {
		return Recipe{}, err
	}
	return r.withDefaults(), nil
}

// parseSource reads one entry of "sources", with a layer_range in slices.
func parseSource(data []byte, at string, more ...string) (Source, error) {
	f, err := object(data, at, append([]string{"model", "weight", "density", "parameters"}, more...)...)
	if err != nil {
		return Source{}, err
	}
	var s Source
	if err := f.read("model", &s.Model); err != nil {
		return Source{}, err
	}
	if err := errors.Join(
		f.readSetting("weight", &s.Weight),
		f.readSetting("density", &s.Density),
		f.readParameters(&s.Parameters),
	); err != nil {
		return Source{}, first(err)
	}
	if len(more) > 0 {
		err = f.readRange(&s.LayerRange)
	}
	return s, err
}

// fields are the members of a JSON object, and where the object stands.
type fields struct {
	at      string
	members map[string]json.RawMessage
}

// object reads a JSON object without believing it: keys must be known, exactly
// as they are written, if any are given, and must not come twice; nothing may
// follow the object.
func object(data []byte, at string, known ...string) (fields, error) {
	return objectOf(maxKeys, data, at, known...)
}

// objectOf is object for one of that many keys at the most.
func objectOf(most int, data []byte, at string, known ...string) (fields, error) {
	f := fields{at: at, members: make(map[string]json.RawMessage, len(known))}
	whole := at
	if whole == "" {
		whole = "recipe"
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil {
		return f, notJSON(err, whole)
	}
	if open != json.Delim('{') {
		return f, fault.Bad(at, "%s is not a JSON object", whole)
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return f, notJSON(err, whole)
		}
		key := token.(string) // the decoder lets only strings stand here
		if len(known) > 0 && !slices.Contains(known, key) {
			return f, fault.Bad(f.path(key), "unknown key %q in %s: known are %s", key, whole, strings.Join(known, ", "))
		}
		if len(f.members) == most || len(key) > MaxName {
			return f, fault.Bad(at, "more than %d keys, or one of more than %d bytes, in %s", most, MaxName, whole)
		}
		if f.has(key) {
			return f, fault.Bad(f.path(key), "key %q comes twice in %s", key, whole)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return f, notJSON(err, whole)
		}
		f.members[key] = value
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return f, notJSON(err, whole)
	}
	if _, err := dec.Token(); err != io.EOF {
		return f, fault.Bad(at, "there is something after the end of %s", whole)
	}
	return f, nil
}

// maxKeys is how many keys an object may have.
const maxKeys = 64

// notJSON is the error for text that isn't JSON.
func notJSON(err error, what string) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fault.Wrap(err, fault.Invalid, "%s is not valid JSON", what)
}

// path is the member's full name, as in "sources[1].weight".
func (f fields) path(key string) string {
	if f.at == "" {
		return key
	}
	return f.at + "." + key
}

// has reports whether the member is there.
func (f fields) has(key string) bool {
	_, ok := f.members[key]
	return ok
}

// read decodes a member into the value; the value stays as it is if there is no
// such member. An explicit null is refused: leave the member out instead.
func (f fields) read(key string, into any) error {
	data, ok := f.members[key]
	if !ok {
		return nil
	}
	if string(data) == "null" {
		return fault.Bad(f.path(key), "%s is null: leave it out to get the default", f.path(key))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &fault.Error{Code: fault.Invalid, Param: f.path(key), Message: f.path(key) + " has the wrong type or range", Err: err}
	}
	return nil
}

// readSetting does the same for a setting.
func (f fields) readSetting(key string, into *Setting) (err error) {
	if data, ok := f.members[key]; ok {
		*into, err = parseSetting(data, f.path(key))
	}
	return err
}

// readParameters reads settings by name. Which names there may be depends on the
// method: Validate knows.
func (f fields) readParameters(into *Parameters) error {
	data, ok := f.members["parameters"]
	if !ok {
		return nil
	}
	inner, err := object(data, f.path("parameters"))
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(inner.members)) {
		var s Setting
		if err := inner.readSetting(key, &s); err != nil {
			return err
		}
		if s.IsZero() {
			return fault.Bad(inner.path(key), "a list of no numbers")
		}
		*into = into.with(key, s)
	}
	return nil
}

// readInputs reads the recipes within a recipe.
func (f fields) readInputs(into *map[string]Recipe, depth int) error {
	data, ok := f.members["inputs"]
	if !ok {
		return nil
	}
	if depth == MaxDepth {
		return fault.Bad(f.path("inputs"), "recipes within recipes more than %d deep", MaxDepth)
	}
	inner, err := object(data, f.path("inputs"))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(inner.members)) {
		r, err := parseRecipe(inner.members[name], inner.path(name), depth+1)
		if err != nil {
			return err
		}
		if *into == nil {
			*into = map[string]Recipe{}
		}
		(*into)[name] = r
	}
	return nil
}

// first is the first of joined errors: one problem at a time reads better, and
// keeps the field's name.
func first(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()[0]
	}
	return err
}
