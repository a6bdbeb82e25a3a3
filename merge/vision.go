package merge

import (
	"maps"
	"slices"
)

// The part of a model that sees pictures (vision tower, projector) is never merged:
// the language model beside it is a plain model, and all that this package does is
// done to that. What sees comes whole from one of the leaves.

// NoVision stands in the place of a lender where the merged model is to see nothing.
const NoVision = "none"

// Sees names the leaf that lends the merged model the part that sees pictures; "" if
// it has none. It is known of recipes that [Recipe.WithVision] has settled.
func (r Recipe) Sees() string {
	if r.Vision == NoVision {
		return ""
	}
	return r.Vision
}

// WithVision gives a recipe that says what it left open of pictures, and the same for
// those within it: who lends the part that sees, which is the parent if that has one,
// or else the only one of the models that has; and, where other models have other
// tokens than the lender, that the merged model has the lender's.
//
// The error is fault.Unfit around a [Misfit]. Leaves that are missing are left to [Fit].
func (r Recipe) WithVision(leaves map[string]Described) (Recipe, error) {
	var report Misfit
	r = report.see(r, leaves)
	return r, report.unfit()
}

// see is WithVision that lists what stands in its way.
func (m *Misfit) see(r Recipe, leaves map[string]Described) Recipe {
	inputs := maps.Clone(r.Inputs)
	for name, in := range inputs {
		var inner Misfit
		inputs[name] = inner.see(in, leaves)
		for _, p := range inner.Problems {
			m.add(p.Kind, p.Model, p.Field, "in the input %q: %s", name, p.Message)
		}
	}
	r.Inputs = inputs
	if r.Vision == NoVision {
		if !slices.ContainsFunc(r.Leaves(), func(leaf string) bool { return leaves[leaf].Vision != nil }) {
			r.Vision = "" // which says it of models that see nothing
		}
		return r
	}
	if r.Vision == "" {
		r.Vision = m.onlyLender(r, leaves)
	} else {
		r.Vision = m.namedLender(r, leaves)
	}
	if r.Vision == "" {
		return r
	}
	lender, there := leaves[r.Vision]
	origin, known := leaves[r.Origin()]
	if !there || !known {
		return r // Fit tells of it
	}
	if theirs, ours := lender.Config.HiddenSize, origin.Config.HiddenSize; theirs != ours {
		m.add(KindVision, r.Vision, "hidden_size", "the projector of %q makes states of %d numbers, and those of the merged model have %d", r.Vision, theirs, ours)
		return r
	}
	return r.speakLike(leaves)
}

// lenderIn gives the leaf through which one of the recipe's models sees; "" if it
// sees nothing.
func (r Recipe) lenderIn(name string, leaves map[string]Described) string {
	if in, ok := r.Inputs[name]; ok {
		return in.Sees()
	}
	if leaves[name].Vision == nil {
		return ""
	}
	return name
}

// onlyLender is the lender of a recipe that names none.
func (m *Misfit) onlyLender(r Recipe, leaves map[string]Described) string {
	if lender := r.lenderIn(r.Parent(), leaves); lender != "" {
		return lender
	}
	var lenders []string
	for _, name := range r.Models() {
		if lender := r.lenderIn(name, leaves); lender != "" && !slices.Contains(lenders, lender) {
			lenders = append(lenders, lender)
		}
	}
	if len(lenders) > 1 {
		m.add(KindVision, "", "vision", `several models see pictures (%s): say with "vision" which of them lends the merged model its vision part, or %q`, shortList(lenders), NoVision)
		return ""
	}
	if len(lenders) == 0 {
		return ""
	}
	return lenders[0]
}

// namedLender is the lender of a recipe that names one: a leaf, or an input that has
// its own from a leaf.
func (m *Misfit) namedLender(r Recipe, leaves map[string]Described) string {
	name := r.Vision
	_, made := r.Inputs[name]
	if _, there := leaves[name]; !made && !there {
		if !slices.Contains(r.Models(), name) {
			m.add(KindModel, name, "vision", "there is no model %q, which is to lend the vision part", name)
		}
		return name
	}
	lender := r.lenderIn(name, leaves)
	if lender == "" {
		m.add(KindVision, name, "vision", "%q has no vision part that it could lend", name)
	}
	return lender
}

// speakLike gives the recipe the tokens of the model that it sees through, where that
// is not what it says or comes to already. If that is not merged, another model may
// have the token for pictures.
func (r Recipe) speakLike(leaves map[string]Described) Recipe {
	if r.Method == Dataflow || r.Tokenizer != nil {
		return r
	}
	models := r.described(leaves)
	names := slices.DeleteFunc(r.parentFirst(), func(name string) bool { return !r.lendsEnds(name) })
	at := slices.IndexFunc(names, func(name string) bool { return r.lenderIn(name, leaves) == r.Vision })
	if at < 0 {
		at = slices.IndexFunc(names, func(name string) bool { return models[name].hasTokenFor(leaves[r.Vision]) })
	}
	if at < 0 {
		return r // Fit tells of it
	}
	differs := at != 0 // the parent
	for _, name := range names {
		differs = differs || models[name].speaksOtherwise(models[names[at]])
	}
	if differs {
		r.Tokenizer = &Tokenizer{Source: names[at]}
	}
	return r
}

// hasTokenFor tells whether a model has the token that stands for pictures where the
// lender of a vision part has it.
func (d Described) hasTokenFor(lender Described) bool {
	if d.Vocabulary == nil || lender.Vocabulary == nil || lender.Vision == nil {
		return false
	}
	token, ok := lender.Vocabulary.Token(lender.Vision.ImageTokenID)
	id, there := d.Vocabulary.ID(token)
	return ok && there && id == lender.Vision.ImageTokenID && int(id) < d.Config.VocabSize
}

// speaksOtherwise tells whether two models have other tokens, or as many rows.
func (d Described) speaksOtherwise(other Described) bool {
	return d.Config.VocabSize != other.Config.VocabSize ||
		d.Vocabulary != nil && other.Vocabulary != nil && !d.Vocabulary.Same(other.Vocabulary)
}

// sight lists what keeps a merged model that otherwise fits from having the vision
// part that its recipe says: that the token which stands for pictures is not where the
// part's own model has it.
func (m *Misfit) sight(r Recipe, leaves map[string]Described, merged Described) {
	lender := leaves[r.Sees()]
	if lender.Vocabulary == nil || merged.Vocabulary == nil {
		return
	}
	token, ok := lender.Vocabulary.Token(lender.Vision.ImageTokenID)
	switch {
	case !ok:
		m.add(KindVision, r.Vision, "image_token_index", "the tokenizer of %q has no token %d, which stands for pictures by its config", r.Vision, lender.Vision.ImageTokenID)
	case !merged.hasTokenFor(lender):
		hint := `"tokenizer": {"source": "` + r.Vision + `"} in the recipe gives it the tokens of its vision part`
		if r.Method == Dataflow {
			hint = "the base_model of a path lends its tokens: let it be the one with the vision part"
		}
		m.add(KindVision, r.Vision, "tokenizer", "the token %q, which stands for pictures in %q, is not token %d of the merged model: %s", token, r.Vision, lender.Vision.ImageTokenID, hint)
	}
}

// validateVision accepts names of models, which need not be merged, and none.
func (r Recipe) validateVision() error {
	if r.Vision == "" || r.Vision == NoVision {
		return nil
	}
	return CheckModel("vision", r.Vision)
}
