package merge

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// normal is the recipe in the one form that every recipe of the same meaning
// shares: defaults filled in, sources in order of name, settings in
// their shortest form, and nothing that its method would not look at. The executor
// merges this form, so that equal recipes give equal bits.
func (r Recipe) normal() Recipe {
	r, _ = r.named()
	return r.settled()
}

// settled is normal for a recipe whose inputs have the names of their content.
func (r Recipe) settled() Recipe {
	if r.Method == Dataflow {
		return r
	}
	r = r.withDefaults()
	r.Tokenizer = r.Tokenizer.normal(r.Parent())
	if len(r.Slices) > 0 {
		return r.normalSlices()
	}
	c := methods[r.Method]
	r.Lambda += 0 // -0 becomes 0; harmless elsewhere
	if !r.Method.Sparsifies() {
		r.Rescale = ""
	}
	if !r.Method.Random() {
		r.Seed = 0
	}
	if r.Consensus == ConsensusSum {
		r.Consensus = ""
	}
	given := r.Parameters
	r.Parameters = given.normal(c.shared)
	r.settleEach(given)
	single := r.Parameters.single()
	sources := make([]Source, len(r.Sources))
	all := 1.0
	for i, s := range r.Sources {
		s.Weight = s.Weight.normal(nil)
		s.Density = s.Density.normal(&all)
		if v, uniform := s.Density.uniform(); !r.Method.Sparsifies() || uniform && v == all {
			s.Density = Setting{}
		}
		s.Parameters = s.Parameters.normal(c.own)
		single = single && len(s.Weight.Values) <= 1 && len(s.Density.Values) <= 1 && s.Parameters.single()
		sources[i] = s
	}
	if single {
		r.Groups = WholeModel
	}
	slices.SortStableFunc(sources, func(a, b Source) int { return cmp.Compare(a.Model, b.Model) })
	r.Sources = sources
	return r
}

// normal has every parameter of a method, in its one form; nil if it has none.
func (p Parameters) normal(of []parameter) Parameters {
	if len(of) == 0 {
		return nil
	}
	out := Parameters{}
	for _, q := range of {
		fallback := &q.fallback
		if q.required {
			fallback = nil
		}
		out[q.name] = p[q.name].normal(fallback)
	}
	return out
}

// single reports whether nothing in it depends on layer groups.
func (p Parameters) single() bool {
	for _, s := range p {
		if len(s.Values) > 1 {
			return false
		}
	}
	return true
}

// Canonical is the recipe as JSON in one form only: recipes of the same meaning
// have the same bytes. Keys are sorted, numbers have their shortest form, there
// is no space, defaults are written out, sources are in order of name, settings
// are in their shortest form, and what the method doesn't look at is
// left out. Inputs are in their canonical form, too, and named by a hash of it.
// [ParseRecipe] reads it back to a recipe of the same canonical form. It is
// fault.TooLarge if that would be too long for it.
func (r Recipe) Canonical() ([]byte, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	body, err := r.canonical()
	if err == nil && len(body) > MaxRecipeBytes {
		err = fault.New(fault.TooLarge, "a recipe of %d bytes with all its defaults: at most %d", len(body), MaxRecipeBytes)
	}
	return body, err
}

// canonical is Canonical for a recipe that is known to be valid.
func (r Recipe) canonical() ([]byte, error) {
	r, inputs := r.named()
	object := r.settled().canonicalObject()
	if len(inputs) > 0 {
		object["inputs"] = inputs
	}
	body, err := marshal(object) // maps are written with their keys sorted
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "writing a recipe")
	}
	return body, nil
}

// canonicalObject is the canonical form, inputs aside, of a recipe in its normal
// form.
func (r Recipe) canonicalObject() map[string]any {
	if r.Method == Dataflow {
		return r.canonicalPath()
	}
	c := methods[r.Method]
	object := map[string]any{"method": r.Method, "dtype": r.DType}
	if len(r.Slices) > 0 {
		object["slices"] = r.canonicalSlices(c)
	} else {
		sources := make([]map[string]any, len(r.Sources))
		for i, s := range r.Sources {
			sources[i] = s.canonical(c)
		}
		object["sources"], object["groups"] = sources, r.Groups
	}
	if r.Base != "" {
		object["base_model"] = r.Base
	}
	if c.normalizes() {
		object["normalize"] = r.Normalize
	}
	if c.scales() || r.Method == Linear { // which had it before others hadn't
		object["lambda"] = r.Lambda
	}
	if r.Consensus != "" {
		object["consensus"] = r.Consensus
	}
	if r.Span != "" {
		object["span"] = r.Span
	}
	if r.Parameters != nil {
		object["parameters"] = r.Parameters
	}
	if r.Method.Sparsifies() {
		object["rescale"] = r.Rescale
	}
	if r.Method.Random() {
		object["seed"] = r.Seed
	}
	if r.Tokenizer != nil {
		object["tokenizer"] = r.Tokenizer
	}
	if r.ChatTemplate != "" {
		object["chat_template"] = r.ChatTemplate
	}
	if r.Vision != "" {
		object["vision"] = r.Vision
	}
	return object
}

// canonical is Canonical's object for a source.
func (s Source) canonical(c choices) map[string]any {
	object := map[string]any{"model": s.Model}
	if c.weight != noWeight {
		object["weight"] = s.Weight
	}
	if !s.Density.IsZero() {
		object["density"] = s.Density
	}
	if s.Parameters != nil {
		object["parameters"] = s.Parameters
	}
	return object
}

// digestVersion is part of every digest: it changes when the same recipe begins
// to mean other weights, such as with a new mask generator.
const digestVersion = "mergeway recipe 1\n"

// Digest names the merged weights: a hash over the canonical recipe and the
// digests of the models it names. Those of its leaves are given; an input has
// that of its recipe. It has the form "sha256:" and 64 hex digits.
func (r Recipe) Digest(leaves map[string]string) (string, error) {
	if _, err := r.Canonical(); err != nil {
		return "", err
	}
	return r.digest(leaves)
}

// digest is Digest for a recipe that is known to be valid.
func (r Recipe) digest(leaves map[string]string) (string, error) {
	body, err := r.canonical()
	if err != nil {
		return "", err
	}
	r, _ = r.named()
	h := sha256.New()
	h.Write([]byte(digestVersion))
	h.Write(body)
	names := r.Models()
	if lender := r.Sees(); lender != "" && !slices.Contains(names, lender) {
		names = append(names, lender)
	}
	for _, name := range names { // which are free of line ends
		digest := leaves[name]
		if in, ok := r.Inputs[name]; ok {
			if digest, err = in.digest(leaves); err != nil {
				return "", err
			}
		}
		if digest == "" {
			return "", fault.New(fault.NotFound, "no digest for model %q, which the recipe names", name)
		}
		h.Write([]byte("\n" + name + " " + digest))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}
