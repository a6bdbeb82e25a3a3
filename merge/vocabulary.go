package merge

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Vocabulary is what the [Tokenizer] of a recipe makes of the vocabularies of its
// models: the tokens of the merged model, and for each of its rows where every
// model has it. Embeddings and heads are brought into this order before they are
// merged, so that all that follows (masks, rankings, settings) sees models of one
// vocabulary. It is known from the models' files, without their weights.
//
// The rules are those of mergekit 0.1.5. A token is a model's if its tokenizer
// knows it and its embedding has the row; the rest of an embedding is padding, and
// is left behind.
//
// The tokens of "base" are the parent's, and those of a model the model's. "union"
// is the parent's tokens under their own ids, then what the other models' own
// vocabularies have beyond it, as plain added tokens, then their added tokens, as
// the first model that has one describes it. Last come the tokens that the recipe
// names and nobody has.
//
// A model that lacks a token gets a row for it: what the recipe says of the token,
// or else the row of the only model that has it, or of the base, or the mean of
// those that have it, or zeros if none has. So in methods that merge differences
// from a base, a token that one source brings along is merged as that source has
// it: all models have the same row, and differ in nothing.
//
// It differs from mergekit, on purpose, in this:
//
//   - Models come in order of name, after the parent, and new tokens of a model in
//     order of id. mergekit leaves both to the order of Python's hashes. Tokens that
//     only the recipe names come in order of their text.
//   - Methods that have no base take their first source for it, here as elsewhere,
//     unless the recipe names one. mergekit then takes any.
//   - Tokens that the recipe adds to those of "base" are missing in the base, which
//     mergekit looks for beyond the base's own.
//   - A token that a tokenizer has beyond the rows of its embedding counts as
//     missing; in mergekit it ends the merge, unless it is the base's.
//   - Rows without a token that lie among others are the mean of all, as padding is.
//     mergekit fails.
//   - Models that lend blocks alone, where models are stacked, have no say; but all
//     others have, whichever slice they are in.
//   - A token that the recipe names without a source is treated as all others are.
//   - Where the tokenizer is not the parent's, the ids that begin and end a text are
//     those of the model that lends it. mergekit leaves the parent's in place.
type Vocabulary struct {
	// Tokens are those of the merged model.
	Tokens *tokenizer.Vocabulary
	// Lender is the model that the tokenizer's other files, the chat template and
	// the ids that begin and end a text are taken from; an input is named by its
	// content. See [Recipe.Speaker].
	Lender string
	// Changed tells that the tokens are not just those of the lender's file.
	Changed bool
	// Rows is how many rows the merged embedding has: one for each id, and padding.
	Rows int

	models []string  // in the order in which their rows are added up
	sizes  []int     // of each model: how many rows its embedding has
	own    [][]int32 // of each model: the row that it has each merged one in, or -1
	filled []filled  // rows that not all models have, or that are not to be theirs
	blank  []bool    // rows of no token: the mean of the others
	digest string    // of all of this
}

// filled is a row for models that lack it.
type filled struct {
	row   int
	force bool       // models that have it get this one, too
	from  []rowOfOne // the mean of these; zeros if there are none
}

// rowOfOne is a row of a model's own embedding.
type rowOfOne struct {
	model int // in Vocabulary.models
	row   int32
}

// NewVocabulary works out the vocabulary of a recipe that fits its leaves; nil if
// it has no tokenizer. The error is that of [Fit].
func NewVocabulary(r Recipe, leaves map[string]Described) (*Vocabulary, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if r.Tokenizer == nil {
		return nil, nil
	}
	var report Misfit
	v := report.vocabulary(r, r.described(leaves))
	return v, report.unfit()
}

// MergesTokens reports whether the recipe, or one within it, has a tokenizer: then the
// leaves' tokens have to be known.
func (r Recipe) MergesTokens() bool {
	for _, in := range r.Inputs {
		if in.MergesTokens() {
			return true
		}
	}
	return r.Tokenizer != nil
}

// WithVocabularies gives a fitting recipe, and those within it, the vocabularies that
// find works out for those that have a tokenizer, inputs first.
func (r Recipe) WithVocabularies(find func(Recipe) (*Vocabulary, error)) (_ Recipe, err error) {
	inputs := maps.Clone(r.Inputs)
	for name, in := range inputs {
		if inputs[name], err = in.WithVocabularies(find); err != nil {
			return r, err
		}
	}
	r.Inputs, r.Vocabulary = inputs, nil
	if r.Tokenizer != nil {
		r.Vocabulary, err = find(r)
	}
	return r, err
}

// words is what the model's tokenizer is made of, by the recipe or by an input that
// lends it; nil if it is just a leaf's.
func (r Recipe) words() *Vocabulary {
	if in, ok := r.Inputs[r.Parent()]; ok && r.Tokenizer == nil {
		return in.words()
	}
	return r.Vocabulary
}

// vocabulary works out the vocabulary of a valid recipe with a tokenizer, and lists
// what stands in its way; nil then.
func (m *Misfit) vocabulary(r Recipe, models map[string]Described) *Vocabulary {
	models = underNames(r, models)
	r, _ = r.named()
	r = r.withDefaults()
	parent := r.Parent()
	t := r.Tokenizer.normal(parent)
	v := &Vocabulary{Lender: parent, models: append([]string{parent}, slices.DeleteFunc(r.Models(), func(name string) bool {
		return name == parent || !r.lendsEnds(name)
	})...)}
	if t.Source != TokensOfAll && t.Source != TokensOfBase {
		v.Lender = t.Source
	}
	words, ok := m.words(v.models, models)
	t.models(func(name *string) {
		if v.index(*name) < 0 {
			m.add(KindVocabulary, *name, "tokenizer", "%q lends blocks alone, neither embeddings nor a head: it has no say in the vocabulary", *name)
			ok = false
		}
	})
	if !ok {
		return nil
	}
	lender := v.index(v.Lender)
	v.Tokens = words[lender]
	if t.Source == TokensOfAll {
		v.Tokens = words[0].Union(words[1:]...)
	}
	v.Tokens = v.Tokens.With(slices.Sorted(maps.Keys(t.Tokens))...)
	v.Changed = v.Tokens != models[v.Lender].Vocabulary || models[v.Lender].Coined
	v.Rows = v.Tokens.Rows()
	if n := t.PadToMultipleOf; n > 0 {
		v.Rows = (v.Rows + n - 1) / n * n
	}
	base := v.index(r.Base)
	for _, name := range v.models {
		v.sizes = append(v.sizes, models[name].Config.VocabSize)
	}
	v.place(words)
	if !m.fill(v, t, words, models, base) {
		return nil
	}
	if err := v.config(models[parent].Config, models[v.Lender].Config).Validate(); err != nil {
		m.add(KindVocabulary, v.Lender, "tokenizer", "the merged model would have %d rows: %s", v.Rows, err)
		return nil
	}
	v.digest = v.sum()
	return v
}

// words gives the tokens that each model has rows for.
func (m *Misfit) words(names []string, models map[string]Described) ([]*tokenizer.Vocabulary, bool) {
	words := make([]*tokenizer.Vocabulary, len(names))
	good := true
	for i, name := range names {
		d, there := models[name]
		if !there {
			good = false // as is said already
			continue
		}
		if d.Vocabulary == nil {
			m.add(KindVocabulary, name, tokenizer.File, "%q has no %s, whose tokens could be merged", name, tokenizer.File)
			good = false
			continue
		}
		var err error
		if words[i], err = d.Vocabulary.Within(d.Config.VocabSize); err != nil {
			m.add(KindVocabulary, name, tokenizer.File, "the tokens of %q that its embedding has no rows for can't be left out: %s", name, err)
			good = false
		}
	}
	return words, good
}

// index finds a model; -1 if there is none of that name.
func (v *Vocabulary) index(model string) int { return slices.Index(v.models, model) }

// place looks up which row each model has each token in.
func (v *Vocabulary) place(words []*tokenizer.Vocabulary) {
	v.blank = make([]bool, v.Rows)
	for row := range v.blank {
		v.blank[row] = true
	}
	v.own = make([][]int32, len(words))
	for i := range words {
		v.own[i] = make([]int32, v.Rows)
		for row := range v.own[i] {
			v.own[i][row] = -1
		}
	}
	for _, token := range v.Tokens.Tokens() {
		row, _ := v.Tokens.ID(token)
		v.blank[row] = false
		for i, w := range words {
			if id, ok := w.ID(token); ok {
				v.own[i][row] = id
			}
		}
	}
}

// fill decides what models have in the rows that they lack.
func (m *Misfit) fill(v *Vocabulary, t *Tokenizer, words []*tokenizer.Vocabulary, models map[string]Described, base int) bool {
	good := true
	for _, token := range v.Tokens.Tokens() {
		id, _ := v.Tokens.ID(token)
		row := int(id)
		said := t.Tokens[token]
		have := v.have(row)
		if len(have) == len(v.models) && !said.Force {
			continue
		}
		f := filled{row: row, force: said.Force}
		switch {
		case said.Source != nil:
			from, why := said.Source.find(v, token, words, models)
			if why != "" {
				m.add(KindVocabulary, said.Source.Model, "tokenizer.tokens."+token, "%s", why)
				good = false
			}
			f.from = from
		case base >= 0 && v.own[base][row] >= 0:
			f.from = []rowOfOne{{base, v.own[base][row]}}
		default:
			f.from = have
		}
		v.filled = append(v.filled, f)
	}
	return good
}

// have lists the models that have a row of their own.
func (v *Vocabulary) have(row int) []rowOfOne {
	var all []rowOfOne
	for i := range v.models {
		if own := v.own[i][row]; own >= 0 {
			all = append(all, rowOfOne{i, own})
		}
	}
	return all
}

// find gives the row that a source means for a token, none for zeros, or why there
// is no such row.
func (s RowSource) find(v *Vocabulary, token string, words []*tokenizer.Vocabulary, models map[string]Described) (from []rowOfOne, why string) {
	if s.Kind == RowZero {
		return nil, ""
	}
	at := rowOfOne{model: v.index(s.Model)}
	if s.TokenID != nil {
		if rows := models[s.Model].Config.VocabSize; *s.TokenID >= rows {
			return nil, fmt.Sprintf("token %q is to have row %d of %q, which has %d rows", token, *s.TokenID, s.Model, rows)
		}
		at.row = int32(*s.TokenID)
		return []rowOfOne{at}, ""
	}
	wanted := token
	if s.Kind == RowOfToken {
		wanted = s.Token
	}
	id, ok := words[at.model].ID(wanted)
	if !ok {
		return nil, fmt.Sprintf("token %q is to have the row of %q in %q, which has no such token", token, wanted, s.Model)
	}
	at.row = id
	return []rowOfOne{at}, ""
}

// config is the configuration of the merged model, given those of the recipe's
// parent and of the lender.
func (v *Vocabulary) config(parent, lender checkpoint.Config) checkpoint.Config {
	parent.VocabSize = v.Rows
	parent.BOSTokenID, parent.EOSTokenIDs = lender.BOSTokenID, lender.EOSTokenIDs
	return parent
}

// AlignedBytes is the memory that it takes at most to have an embedding of each model
// in the order of the vocabulary, while a model of this configuration is made.
func (v *Vocabulary) AlignedBytes(c checkpoint.Config) int64 {
	const float32Bytes = 4
	return int64(len(v.models)) * int64(v.Rows) * int64(c.HiddenSize) * float32Bytes
}

// sum is a hash over where all rows come from.
func (v *Vocabulary) sum() string {
	h := sha256.New()
	fmt.Fprintln(h, v.models, v.sizes, v.own, v.filled, v.blank)
	return hex.EncodeToString(h.Sum(nil))
}
