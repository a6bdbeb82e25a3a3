package merge

import (
	"cmp"
	"maps"
	"slices"
)

// Recipe says how to make one model out of others. It is a value: two recipes
// that mean the same model have the same [Recipe.Canonical] bytes, and its
// [Recipe.Digest] names the merged weights before they exist.
//
// A Recipe made in Go may leave Groups, Lambda, Rescale, Span and DType at their
// zero values, which then stand for the defaults; [NewRecipe] fills them in.
type Recipe struct {
	// Method is the way of merging, such as "dare_ties".
	Method Method `json:"method"`
	// Base is the model that every source was fine-tuned from. "linear" and others
	// have no use for its weights. In every method the base lends the merged model
	// its configuration, tokenizer and chat template; methods that need none may
	// leave it out, and then the first source does.
	Base string `json:"base_model,omitempty"`
	// Sources are the models to merge, at most [MaxSources], no name twice.
	Sources []Source `json:"sources,omitempty"`
	// Slices stand in place of Sources where the model is stacked of runs of the
	// sources' blocks. It has as many blocks as they have together.
	Slices []Slice `json:"slices,omitempty"`
	// Path is the way of the tokens through the blocks of the models, of at most
	// [MaxHops] hops, in place of Sources where Method is [Dataflow].
	Path []Hop `json:"path,omitempty"`
	// Groups says what one of several values of a [Setting] covers.
	Groups Grouping `json:"groups"`
	// Normalize divides by the sum of the weights, in "ties" and its kin by the
	// sum of those that had a say in the entry. A parameter of this name, of ones and
	// zeros, says it for each tensor, and leaves the others to this.
	Normalize bool `json:"normalize"`
	// Lambda scales the merged difference before it is added to the base.
	// It is never zero: that would be the base, whatever the sources. A parameter of
	// this name says it for each tensor, and leaves the others to this.
	Lambda float64 `json:"lambda"`
	// Rescale says how to make up for dropped entries: "density", "l1", "l2", "none".
	// A parameter of this name, of ones and zeros, says in which tensors.
	Rescale string `json:"rescale,omitempty"`
	// Consensus says how signs are elected, in methods that hear only who agrees:
	// "sum", which is the default, or "count".
	Consensus string `json:"consensus,omitempty"`
	// Seed chooses the random masks of the methods that draw.
	Seed uint64 `json:"seed,omitempty"`
	// Span says what is one vector where vectors are compared: the whole "tensor",
	// or each of its "rows" or "columns".
	Span string `json:"span,omitempty"`
	// Parameters are what the method takes besides, such as "t" of "slerp".
	Parameters Parameters `json:"parameters,omitempty" swaggertype:"object,number"`
	// DType is what the merged weights are rounded to, once: "bfloat16",
	// "float16" or "float32".
	DType string `json:"dtype"`
	// Tokenizer says which tokens the merged model has; nil: those of its parent, in
	// the rows in which all models have them.
	Tokenizer *Tokenizer `json:"tokenizer,omitempty"`

	// ChatTemplate says which chat template the merged model has: that of most of its
	// models ("auto"), a common one by its name, such as "chatml", or this text. None:
	// that of its parent.
	ChatTemplate string `json:"chat_template,omitempty"`

	// Vision names the model that lends the merged one the part that sees pictures,
	// which need not be one of those that are merged, or is [NoVision]. None: see
	// [Recipe.WithVision].
	Vision string `json:"vision,omitempty"`

	// Vocabulary is what the Tokenizer makes of the models' vocabularies, as
	// [NewVocabulary] works it out; the executor needs it if there is a Tokenizer. It
	// is no part of the canonical form.
	Vocabulary *Vocabulary `json:"-"`

	// Inputs are models that other recipes make, by names that mean something in
	// this recipe alone: a source or base of that name is the model made.
	Inputs map[string]Recipe `json:"inputs,omitempty"`

	// Layers is how many blocks the models are said to have, by slices that cover
	// them all; 0 if nothing is said. [CheckFit] compares. It adds nothing to what
	// is merged, and is no part of the canonical form.
	Layers int `json:"-"`
}

// Source is one of the models that a recipe merges.
type Source struct {
	// Model is its name.
	Model string `json:"model"`
	// Weight says how much of it goes into the merge. Weights may be negative,
	// and need not sum to one. Methods that find them out themselves take none.
	Weight Setting `json:"weight,omitzero" swaggertype:"array,number"`
	// Density is the share of entries to keep, in (0, 1]. None means 1: keep all.
	Density Setting `json:"density,omitzero" swaggertype:"array,number"`
	// Parameters are what the method takes besides, such as "gamma" of
	// "breadcrumbs".
	Parameters Parameters `json:"parameters,omitempty" swaggertype:"object,number"`
	// LayerRange says which of its blocks a slice takes; in slices only.
	LayerRange Range `json:"layer_range,omitzero" swaggertype:"array,integer"`
}

// Parameters are settings by name.
type Parameters map[string]Setting

// get gives a parameter as mergekit names it.
func (s Source) get(c choices, name string) Setting {
	switch name {
	case c.weightName():
		return s.Weight
	case "density":
		return s.Density
	}
	return s.Parameters[name]
}

// set is the other way of get.
func (s *Source) set(c choices, name string, to Setting) {
	switch name {
	case c.weightName():
		s.Weight = to
	case "density":
		s.Density = to
	default:
		s.Parameters = s.Parameters.with(name, to)
	}
}

// with sets one more parameter; a zero setting is left out.
func (p Parameters) with(name string, to Setting) Parameters {
	if to.IsZero() {
		return p
	}
	p = maps.Clone(p)
	if p == nil {
		p = Parameters{}
	}
	p[name] = to
	return p
}

// NewRecipe is a recipe of the given method with the defaults of that method,
// still without sources. The method need not be known: Validate will say so.
func NewRecipe(m Method) Recipe {
	c := methods[m]
	return Recipe{Method: m, Normalize: c.normalize}.withDefaults()
}

// withDefaults fills in what the zero value leaves open.
func (r Recipe) withDefaults() Recipe {
	if r.Method == Dataflow {
		return r
	}
	c := methods[r.Method]
	if r.Groups == "" {
		r.Groups = WholeModel
	}
	if r.Lambda == 0 {
		r.Lambda = 1
	}
	if r.Rescale == "" {
		r.Rescale = c.rescale
	}
	if r.Span == "" && len(c.spans) > 0 {
		r.Span = c.spans[0]
	}
	if r.DType == "" {
		r.DType = "bfloat16"
	}
	if r.Base == "" && c.base == ignoresBase && len(r.Sources) > 0 {
		r.Base = r.Sources[0].Model
	}
	if r.Base == "" && c.base == ignoresBase && len(r.Slices) > 0 && len(r.Slices[0].Sources) > 0 {
		r.Base = r.Slices[0].Sources[0].Model
	}
	if c.unit {
		r.Sources = withUnits(r.Sources)
	}
	return r
}

// Models names every model the recipe mentions, its inputs among them, each
// once, in alphabetical order: what has to be there before it can be merged.
func (r Recipe) Models() []string {
	r = r.withDefaults()
	var names []string
	if r.Base != "" {
		names = append(names, r.Base)
	}
	for _, s := range r.Sources {
		names = append(names, s.Model)
	}
	for _, s := range r.Slices {
		for _, source := range s.Sources {
			names = append(names, source.Model)
		}
	}
	for _, h := range r.Path {
		names = append(names, h.Model)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Merges reports whether the recipe takes weights of a model other than as a base.
func (r Recipe) Merges(model string) bool {
	is := func(s Source) bool { return s.Model == model }
	return slices.ContainsFunc(r.Sources, is) ||
		slices.ContainsFunc(r.Path, func(h Hop) bool { return h.Model == model }) ||
		slices.ContainsFunc(r.Slices, func(s Slice) bool {
			base := cmp.Or(s.Base, r.Base)
			return slices.ContainsFunc(s.Sources, func(source Source) bool { return is(source) && !s.uses(methods[r.Method], base, source) })
		})
}

// Parent names the model that lends the merged one its configuration,
// tokenizer and chat template: the base. Without one it is the first source, or,
// in methods that would do something with a base, the first by name; an input's
// is that of its content.
func (r Recipe) Parent() string {
	if r = r.withDefaults(); r.Base != "" {
		return r.Base
	}
	if models := r.Models(); len(models) > 0 {
		return slices.MinFunc(models, func(a, b string) int { return cmp.Compare(r.identity(a), r.identity(b)) })
	}
	return ""
}
