package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// inputPrefix begins the name that the canonical form gives to a recipe within a
// recipe.
const inputPrefix = "input-"

// inputDigits is how much of a hash such a name has: 64 bits.
const inputDigits = 16

// inputName names a recipe within another by its content.
func inputName(canonical []byte) string {
	hash := sha256.Sum256(canonical)
	return inputPrefix + hex.EncodeToString(hash[:])[:inputDigits]
}

// isInputName tells whether a name has the form that inputName gives.
func isInputName(name string) bool {
	hash, ok := strings.CutPrefix(name, inputPrefix)
	return ok && len(hash) == inputDigits && strings.Trim(hash, "0123456789abcdef") == ""
}

// named gives the recipe with each of its inputs under the name of its content,
// and what that is. So what people call an input means nothing, and two of the
// same content are one. The recipe is a valid one.
func (r Recipe) named() (Recipe, map[string]json.RawMessage) {
	if len(r.Inputs) == 0 {
		return r, nil
	}
	names := make(map[string]string, len(r.Inputs))
	inputs := make(map[string]Recipe, len(r.Inputs))
	bodies := make(map[string]json.RawMessage, len(r.Inputs))
	for name, in := range r.Inputs {
		body, _ := in.canonical() // a valid recipe can be written
		names[name] = inputName(body)
		inputs[names[name]], bodies[names[name]] = in, body
	}
	r = r.Renamed(names)
	r.Inputs = inputs
	return r, bodies
}

// Renamed gives the recipe with other names of some of its models. Inputs keep
// theirs.
func (r Recipe) Renamed(names map[string]string) Recipe {
	rename := func(name *string) {
		if to, ok := names[*name]; ok {
			*name = to
		}
	}
	rename(&r.Base)
	rename(&r.Vision)
	r.Sources = slices.Clone(r.Sources)
	for i := range r.Sources {
		rename(&r.Sources[i].Model)
	}
	r.Slices = slices.Clone(r.Slices)
	for i := range r.Slices {
		s := &r.Slices[i]
		rename(&s.Base)
		s.Sources = slices.Clone(s.Sources)
		for k := range s.Sources {
			rename(&s.Sources[k].Model)
		}
	}
	r.Path = slices.Clone(r.Path)
	for i := range r.Path {
		rename(&r.Path[i].Model)
	}
	if r.Tokenizer != nil {
		r.Tokenizer = r.Tokenizer.clone()
		r.Tokenizer.models(rename)
	}
	return r
}

// underNames is the same for what is known of the models of a recipe by name.
func underNames[T any](r Recipe, models map[string]T) map[string]T {
	if len(r.Inputs) == 0 {
		return models
	}
	models = maps.Clone(models)
	for name, in := range r.Inputs {
		if m, ok := models[name]; ok {
			body, _ := in.canonical()
			models[inputName(body)] = m
		}
	}
	return models
}

// withInputs gives models that go by the names of their contents, as those that
// [Recipe.Stages] makes do, under the recipe's names for them as well.
func withInputs(r Recipe, models map[string]Model) map[string]Model {
	models = maps.Clone(models)
	for name := range r.Inputs {
		if m, ok := models[r.identity(name)]; ok && models[name] == nil {
			models[name] = m
		}
	}
	return models
}

// identity is what a model of the recipe is, by its name: for one of the inputs
// its content.
func (r Recipe) identity(name string) string {
	if in, ok := r.Inputs[name]; ok {
		body, _ := in.canonical()
		return inputName(body)
	}
	return name
}

// Leaves names every model that the recipe is made of in the end, through all
// recipes within it, each once, in alphabetical order: what has to be there
// before it can be merged, and is not made by a recipe.
func (r Recipe) Leaves() []string {
	found := map[string]bool{}
	r.collectLeaves(found)
	return slices.Sorted(maps.Keys(found))
}

func (r Recipe) collectLeaves(found map[string]bool) {
	for _, name := range r.Models() {
		if in, ok := r.Inputs[name]; ok {
			in.collectLeaves(found)
		} else {
			found[name] = true
		}
	}
	if lender := r.Sees(); lender != "" && r.Inputs[lender].Method == "" {
		found[lender] = true
	}
}

// Origin names the leaf that lends the merged model its configuration: the parent,
// or the origin of that.
func (r Recipe) Origin() string {
	parent := r.Parent()
	if in, ok := r.Inputs[parent]; ok {
		return in.Origin()
	}
	return parent
}

// Speaker names the leaf that lends the merged model its tokenizer and chat template:
// the origin, unless a [Tokenizer] says otherwise.
func (r Recipe) Speaker() string {
	name := r.Parent()
	if t := r.Tokenizer.normal(name); t != nil && t.Source != TokensOfAll && t.Source != TokensOfBase {
		name = t.Source
	}
	if in, ok := r.Inputs[name]; ok {
		return in.Speaker()
	}
	return name
}

// Settle says a recipe, and those within it, in the plainest way that means the
// same for leaves of these configurations: slices that are whole models, one
// beside the other, are no slices. What mergekit writes as one slice of the first
// layers is a recipe of slices only if the models have more.
func (r Recipe) Settle(leaves map[string]checkpoint.Config) Recipe {
	if len(r.Inputs) == 0 {
		return r.settle(leaves)
	}
	models, inputs := maps.Clone(leaves), make(map[string]Recipe, len(r.Inputs))
	for name, in := range r.Inputs {
		inputs[name] = in.Settle(leaves)
		models[name] = checkpoint.Config{NumHiddenLayers: inputs[name].layers(leaves)}
	}
	r.Inputs = inputs
	return r.settle(models)
}

// layers is how many blocks the recipe's model has.
func (r Recipe) layers(leaves map[string]checkpoint.Config) int {
	if _, blocks := r.Stacked(); blocks > 0 {
		return blocks
	}
	if in, ok := r.Inputs[r.Parent()]; ok {
		return in.layers(leaves)
	}
	return leaves[r.Parent()].NumHiddenLayers
}

// Nesting tells how many recipes there are within the recipe, at any depth, and
// how deep: 0 and 0 for a plain one. Of one beyond the limits of this package
// it tells no more than that it is.
func (r Recipe) Nesting() (inputs, depth int) {
	left := MaxInputs + 1
	return r.nesting(&left, MaxDepth+1)
}

// nesting counts no more inputs than are left, down to a depth.
func (r Recipe) nesting(left *int, deepest int) (inputs, depth int) {
	for _, in := range r.Inputs {
		if *left == 0 || deepest == 0 {
			break
		}
		*left--
		n, below := in.nesting(left, deepest-1)
		inputs, depth = inputs+n+1, max(depth, below+1)
	}
	return inputs, depth
}

// checkNesting refuses what would take long to look through.
func (r Recipe) checkNesting() error {
	switch inputs, depth := r.Nesting(); {
	case depth > MaxDepth:
		return fault.Bad("inputs", "recipes within recipes more than %d deep", MaxDepth)
	case inputs > MaxInputs:
		return fault.Bad("inputs", "more than %d recipes within the recipe", MaxInputs)
	}
	return nil
}

// validateInputs checks the recipes within the recipe, and that each has a use.
func (r Recipe) validateInputs() error {
	models := r.Models()
	for _, name := range models {
		if model, adapter := SplitAdapter(name); adapter != "" && r.Inputs[model].Method != "" {
			return fault.Bad("inputs."+model, "an adapter can be put on a source alone, and %q is an input", model)
		}
		if _, ok := r.Inputs[name]; !ok && isInputName(name) {
			return fault.Bad("inputs", "there is no %q: names of this form are those of inputs", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
		if err := CheckName("inputs", name); err != nil {
			return err
		}
		if !slices.Contains(models, name) {
			return fault.Bad("inputs."+name, "nothing uses the input %q", name)
		}
		if r.Inputs[name].ChatTemplate != "" {
			return fault.Bad("inputs."+name+".chat_template", "nothing is written by the chat template of an input: give it to the recipe that uses it")
		}
		if r.Inputs[name].Method == Dataflow {
			return fault.Bad("inputs."+name+".method", "%q makes no weights that another recipe could use", string(Dataflow))
		}
		if err := r.Inputs[name].validate(); err != nil {
			return inside("inputs."+name, err)
		}
	}
	return nil
}

// inside says of an error about a field that the field is within another.
func inside(field string, err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	moved := *f
	if moved.Param = field; f.Param != "" {
		moved.Param += "." + f.Param
	}
	return &moved
}
