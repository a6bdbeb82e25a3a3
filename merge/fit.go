package merge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Described is what is known of a model before its weights are read.
type Described struct {
	Config checkpoint.Config
	// Tensors are those of its files; nil if nothing is known of them.
	Tensors []checkpoint.TensorInfo
	// Tokens is how many rows of its embedding its tokenizer has words for; 0 if
	// that is not known.
	Tokens int
	// Vocabulary is what its tokenizer knows; nil if nothing is known of it. Recipes
	// with a [Tokenizer] need it.
	Vocabulary *tokenizer.Vocabulary
	// Vision is the part of it that sees pictures; nil if it has none.
	Vision *checkpoint.VisionConfig
	// Coined tells that the vocabulary is no file's, but made by a recipe.
	Coined bool
}

// configurations are those of models.
func configurations(models map[string]Described) map[string]checkpoint.Config {
	configs := make(map[string]checkpoint.Config, len(models))
	for name, m := range models {
		configs[name] = m.Config
	}
	return configs
}

// CheckFit is [Fit] for the models that a recipe names itself, its inputs among
// them, of which nothing but their configurations is known.
func CheckFit(r Recipe, configs map[string]checkpoint.Config) error {
	if err := r.Validate(); err != nil {
		return err
	}
	models := make(map[string]Described, len(configs))
	for name, c := range configs {
		models[name] = Described{Config: c}
	}
	var report Misfit
	report.fit(r, models)
	return report.unfit()
}

// Fit says whether the models that a valid recipe is made of ([Recipe.Leaves])
// can be merged with one another: fault.Unfit around a [Misfit], with every
// problem listed, as they are mended in one go. An invalid recipe is
// fault.Invalid.
//
// What shapes the weights or gives them their meaning has to be the same in all
// models. What only says how a model is used (its longest context, its sliding
// window, the epsilon of its norms, the dtype of its file) need not be: the
// merged model has it from its parent. The blocks of a path are used as they are,
// so that there windows, epsilons and dtypes count as well.
func Fit(r Recipe, leaves map[string]Described) error {
	if err := r.Validate(); err != nil {
		return err
	}
	var report Misfit
	report.fitAll(report.see(r, leaves), leaves)
	return report.unfit()
}

// Describe tells what is known of the model that a recipe will make of such
// leaves, which fit it.
func Describe(r Recipe, leaves map[string]Described) Described {
	models := r.described(leaves)
	if r.Tokenizer != nil && r.Vocabulary == nil {
		r.Vocabulary = new(Misfit).vocabulary(r, models)
	}
	d := models[r.Parent()]
	d.Vision = leaves[r.Sees()].Vision
	if v := r.Vocabulary; v != nil {
		d.Vocabulary, d.Coined, d.Tokens = v.Tokens, v.Changed, v.Tokens.Rows()
	}
	d.Config = r.Config(configurations(models))
	d.Config.DType = newProgram(r.normal(), methods[r.Method]).round
	d.Tensors = storedAs(d.Config, d.Config.DType)
	return d
}

// described tells what is known of the models that a recipe names itself. One that
// isn't there is left out.
func (r Recipe) described(leaves map[string]Described) map[string]Described {
	models := map[string]Described{}
	for _, name := range r.Models() {
		if in, ok := r.Inputs[name]; ok {
			models[name] = Describe(in, leaves)
		} else if d, there := leaves[name]; there {
			models[name] = d
		}
	}
	return models
}

// fitAll lists what keeps a recipe, and those within it, from being merged.
func (m *Misfit) fitAll(r Recipe, leaves map[string]Described) {
	models := map[string]Described{}
	whole := true
	for _, name := range r.Models() {
		in, ok := r.Inputs[name]
		if !ok {
			if d, there := leaves[name]; there {
				models[name] = d
			}
			continue
		}
		var inner Misfit
		inner.fitAll(in, leaves)
		for _, p := range inner.Problems {
			m.add(p.Kind, p.Model, p.Field, "in the input %q: %s", name, p.Message)
		}
		if len(inner.Problems) > 0 {
			whole = false // what it would have been is not known
			continue
		}
		models[name] = Describe(in, leaves)
	}
	if !whole {
		return
	}
	r.Vocabulary = m.fit(r, models)
	if len(m.Problems) == 0 && r.Sees() != "" {
		m.sight(r, leaves, Describe(r, leaves))
	}
}

// fit does the same for the models that a recipe names itself. It gives the
// vocabulary of a recipe with a tokenizer.
func (m *Misfit) fit(r Recipe, models map[string]Described) *Vocabulary {
	r = r.withDefaults()
	for _, name := range r.Models() {
		if d, ok := models[name]; ok {
			m.files(name, d)
		} else {
			m.add(KindModel, name, "", "there is no model %q", name)
		}
	}
	parent, ok := models[r.Parent()]
	if !ok {
		return nil
	}
	for _, name := range r.Models() {
		if d, ok := models[name]; ok && name != r.Parent() {
			m.differences(r, r.Parent(), parent, name, d)
		}
	}
	switch {
	case r.Method == Dataflow:
		m.walk(r, models)
	case len(r.Slices) > 0:
		m.stack(r, underNames(r, models))
	default:
		m.numbers(r, parent.Config)
	}
	if r.Tokenizer != nil && known(r, models) {
		return m.vocabulary(r, models)
	}
	return nil
}

// known tells whether anything is known of the models' vocabularies.
func known(r Recipe, models map[string]Described) bool {
	return slices.ContainsFunc(r.Models(), func(name string) bool { return models[name].Vocabulary != nil })
}

// files compares a model's tensors with what its configuration asks for.
func (m *Misfit) files(name string, d Described) {
	if d.Tensors == nil {
		return
	}
	stored := make(map[string]checkpoint.TensorInfo, len(d.Tensors))
	for _, t := range d.Tensors {
		stored[t.Name] = t
	}
	var missing []string
	for _, p := range arch.Params(d.Config) {
		t, ok := stored[p.Name]
		switch {
		case !ok:
			missing = append(missing, p.Name)
		case !slices.Equal(t.Shape, p.Shape):
			m.add(KindShape, name, p.Name, "tensor %s of %q is %v, by its config %v", p.Name, name, t.Shape, p.Shape)
		}
	}
	switch n := len(missing); {
	case n == 1:
		m.add(KindTensors, name, missing[0], "%q has no tensor %s, which its config asks for", name, missing[0])
	case n > 1:
		m.add(KindTensors, name, missing[0], "%q has no tensors %s, which its config asks for", name, shortList(missing))
	}
}

// shortList names the first few.
func shortList(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// numbers lists what of the recipe's numbers does not go with the models.
func (m *Misfit) numbers(r Recipe, c checkpoint.Config) {
	if r.Layers != 0 && r.Layers != c.NumHiddenLayers {
		m.add(KindLayers, r.Parent(), "", "layer_range ends at %d and %q has %d layers", r.Layers, r.Parent(), c.NumHiddenLayers)
	}
	groups := r.Groups.Count(c.NumHiddenLayers)
	check := func(of, name string, s Setting) {
		if n := len(s.Values); n > 1 && n != groups {
			m.add(KindNumbers, of, name, "%s of %q has %d values for the %d layer groups of grouping %q", name, of, n, groups, string(r.Groups))
		}
	}
	choices := methods[r.Method]
	for _, s := range r.Sources {
		for _, name := range choices.ownNames() {
			check(s.Model, name, s.get(choices, name))
		}
	}
	for _, q := range choices.wholeMerge() {
		check("the merge", q.name, r.Parameters[q.name])
	}
	m.mean(r, c)
}

// mean names the first tensor in which a weighted mean is undefined.
func (m *Misfit) mean(r Recipe, c checkpoint.Config) {
	if !r.normalizesAny() || r.Method.NeedsBase() {
		return
	}
	for _, p := range r.parts(c) {
		for t := range p.params {
			if !p.recipe.normalizesAt(p.places[t]) {
				continue
			}
			if sum := p.weightSum(t); math.Abs(sum) < minDivisor {
				m.add(KindNumbers, "", p.params[t].Name, "the weights in %s sum to %v, so their mean is undefined", p.params[t].Name, sum)
				return
			}
		}
	}
}
