package merge

import (
	"slices"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Recipe says how to make one model out of others. It is a value: two recipes
// that mean the same model have the same [Recipe.Canonical] bytes, and its
// [Recipe.Digest] names the merged weights before they exist.
//
// A Recipe made in Go may leave Groups, Lambda, Rescale and DType at their zero
// values, which then stand for the defaults; [NewRecipe] fills them in.
type Recipe struct {
	// Method is the way of merging, such as "dare_ties".
	Method Method `json:"method"`
	// Base is the model that every source was fine-tuned from. "linear" has no
	// use for its weights. In every method the base lends the merged model its
	// configuration, tokenizer and chat template; "linear" may leave it out,
	// and then the first source does.
	Base string `json:"base_model,omitempty"`
	// Sources are the models to merge, at most [MaxSources], no name twice.
	Sources []Source `json:"sources"`
	// Groups says what one of several values of a [Setting] covers.
	Groups Grouping `json:"groups"`
	// Normalize divides by the sum of the weights, in "ties" and "dare_ties" by
	// the sum of those that had a say in the entry.
	Normalize bool `json:"normalize"`
	// Lambda scales the merged difference before it is added to the base.
	// It is never zero: that would be the base, whatever the sources.
	Lambda float64 `json:"lambda"`
	// Rescale says how to make up for dropped entries: "density", "l1", "none".
	Rescale string `json:"rescale,omitempty"`
	// Seed chooses the random masks of the "dare" methods.
	Seed uint64 `json:"seed,omitempty"`
	// DType is what the merged weights are rounded to, once: "bfloat16",
	// "float16" or "float32".
	DType string `json:"dtype"`

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
	// and need not sum to one.
	Weight Setting `json:"weight" swaggertype:"array,number"`
	// Density is the share of entries to keep, in (0, 1]. None means 1: keep all.
	Density Setting `json:"density,omitzero" swaggertype:"array,number"`
}

// setting is the one that mergekit gives a name.
func (s *Source) setting(name string) *Setting {
	if name == "density" {
		return &s.Density
	}
	return &s.Weight
}

// NewRecipe is a recipe of the given method with the defaults of that method,
// still without sources. The method need not be known: Validate will say so.
func NewRecipe(m Method) Recipe {
	c := methods[m]
	return Recipe{Method: m, Normalize: c.normalize}.withDefaults()
}

// withDefaults fills in what the zero value leaves open.
func (r Recipe) withDefaults() Recipe {
	if r.Groups == "" {
		r.Groups = WholeModel
	}
	if r.Lambda == 0 {
		r.Lambda = 1
	}
	if r.Rescale == "" {
		r.Rescale = methods[r.Method].rescale
	}
	if r.DType == "" {
		r.DType = "bfloat16"
	}
	if r.Base == "" && !r.Method.NeedsBase() && len(r.Sources) > 0 {
		r.Base = r.Sources[0].Model
	}
	return r
}

// Models names every model the recipe mentions, each once, in alphabetical
// order: what has to be there before it can be merged.
func (r Recipe) Models() []string {
	r = r.withDefaults()
	var names []string
	if r.Base != "" {
		names = append(names, r.Base)
	}
	for _, s := range r.Sources {
		names = append(names, s.Model)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Parent names the model that lends the merged one its configuration,
// tokenizer and chat template: the base, or in "linear" without a base the
// first source.
func (r Recipe) Parent() string { return r.withDefaults().Base }

// places are those of the tensors of a model that the recipe merges.
func (r Recipe) places(c checkpoint.Config) []place {
	params := arch.Params(c)
	places := make([]place, len(params))
	for i, p := range params {
		places[i] = newPlace(p, r.Groups, c.NumHiddenLayers)
	}
	return places
}
