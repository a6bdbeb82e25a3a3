package merge

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mergeway/mergeway/fault"
)

// Tokenizer says which tokens the merged model has. Embeddings and heads are then
// merged token by token, whatever rows the models have them in; see [Vocabulary].
// Without one, row is merged with row, and the tokenizer is the parent's.
type Tokenizer struct {
	// Source is where the tokens come from: "union" is all that the models have
	// between them, "base" those of the recipe's parent, and anything else the name
	// of one of the recipe's models. None means "union".
	Source string `json:"source"`
	// Tokens are tokens that the merged model has in any case, and where the rows of
	// each come from.
	Tokens map[string]TokenRow `json:"tokens,omitempty"`
	// PadToMultipleOf rounds the number of rows up. The rows that are added are the
	// mean of the others. 0 adds none.
	PadToMultipleOf int `json:"pad_to_multiple_of,omitempty"`
}

// The sources of a [Tokenizer] that are no model.
const (
	TokensOfAll  = "union"
	TokensOfBase = "base"
)

// TokenRow says what a model has in its embedding for a token that it doesn't know.
type TokenRow struct {
	// Source gives the row; nil leaves it to the rule for all tokens.
	Source *RowSource `json:"source,omitempty" swaggertype:"object" extensions:"x-union=object|string"`
	// Force gives that row to models that know the token, too.
	Force bool `json:"force,omitempty"`
}

// RowSource is a row of an embedding: that of the token itself in a model, or by
// Kind another. As JSON it is the model's name alone, or an object.
type RowSource struct {
	Kind    string // "", [RowZero] or [RowOfToken]
	Model   string
	Token   string // of [RowOfToken]: this one,
	TokenID *int   // or the one of this id
}

// The kinds of a [RowSource].
const (
	RowZero    = "zero"
	RowOfToken = "model_token"
)

// The limits of a tokenizer.
const (
	// MaxTokenRows is how many tokens a recipe may say something about.
	MaxTokenRows = 1024
	// MaxPadding bounds what the number of rows is rounded up to.
	MaxPadding = 1 << 16
	// maxTokenID is far above the id of any token.
	maxTokenID = 1 << 22
)

// models calls visit with each name of a model in it, which visit may change.
func (t *Tokenizer) models(visit func(name *string)) {
	if t.Source != TokensOfAll && t.Source != TokensOfBase && t.Source != "" {
		visit(&t.Source)
	}
	for _, token := range slices.Sorted(maps.Keys(t.Tokens)) {
		if row := t.Tokens[token]; row.Source != nil && row.Source.Kind != RowZero {
			visit(&row.Source.Model)
		}
	}
}

// clone copies all that models could change.
func (t *Tokenizer) clone() *Tokenizer {
	if t == nil {
		return nil
	}
	out := *t
	out.Tokens = maps.Clone(t.Tokens)
	for token, row := range out.Tokens {
		if row.Source != nil {
			source := *row.Source
			out.Tokens[token] = TokenRow{Source: &source, Force: row.Force}
		}
	}
	return &out
}

// normal is the tokenizer in the one form that all of the same meaning share.
func (t *Tokenizer) normal(parent string) *Tokenizer {
	if t == nil {
		return nil
	}
	t = t.clone()
	switch t.Source {
	case "":
		t.Source = TokensOfAll
	case parent:
		t.Source = TokensOfBase
	}
	if len(t.Tokens) == 0 {
		t.Tokens = nil
	}
	if t.PadToMultipleOf == 1 {
		t.PadToMultipleOf = 0
	}
	return t
}

// validate checks a tokenizer of a recipe with these models.
func (t *Tokenizer) validate(models []string) error {
	if t == nil {
		return nil
	}
	if s := t.Source; s != "" && s != TokensOfAll && s != TokensOfBase && !slices.Contains(models, s) {
		return fault.Bad("tokenizer.source", "unknown tokenizer source %q: it is %q, %q, or one of the recipe's models", s, TokensOfAll, TokensOfBase)
	}
	if t.PadToMultipleOf < 0 || t.PadToMultipleOf > MaxPadding {
		return fault.Bad("tokenizer.pad_to_multiple_of", "%d rows to a multiple: it is a number from 1 to %d", t.PadToMultipleOf, MaxPadding)
	}
	if len(t.Tokens) > MaxTokenRows {
		return tooManyTokens(len(t.Tokens))
	}
	for _, token := range slices.Sorted(maps.Keys(t.Tokens)) {
		at := "tokenizer.tokens." + token
		if token == "" || len(token) > MaxName || !utf8.ValidString(token) || strings.Contains(token, "\x00") {
			return fault.Bad("tokenizer.tokens", "%q is no token: it is text of 1 to %d bytes", token, MaxName)
		}
		row := t.Tokens[token]
		if row.Source == nil {
			if row.Force {
				return fault.Bad(at+".force", "force needs a source, whose row the token gets in every model")
			}
			continue
		}
		if err := row.Source.validate(at+".source", models); err != nil {
			return err
		}
	}
	return nil
}

func tooManyTokens(n int) error {
	return fault.Bad("tokenizer.tokens", "%d tokens: at most %d", n, MaxTokenRows)
}

// validate checks the source of a row that stands at a path.
func (s RowSource) validate(at string, models []string) error {
	switch s.Kind {
	case RowZero:
		if s.Model != "" || s.Token != "" || s.TokenID != nil {
			return fault.Bad(at, "a row of kind %q takes no model and no token", RowZero)
		}
		return nil
	case RowOfToken:
		if (s.Token == "") == (s.TokenID == nil) {
			return fault.Bad(at, "a row of kind %q needs either token or token_id", RowOfToken)
		}
		if id := s.TokenID; id != nil && (*id < 0 || *id >= maxTokenID) {
			return fault.Bad(at+".token_id", "%d is no id of a token", *id)
		}
	case "":
		if s.Token != "" || s.TokenID != nil {
			return fault.Bad(at, "a row of another token has the kind %q", RowOfToken)
		}
	default:
		return fault.Bad(at+".kind", "unknown kind of row %q: it is %s or %s", s.Kind, RowZero, RowOfToken)
	}
	if !slices.Contains(models, s.Model) {
		return fault.Bad(at, "%q is none of the recipe's models, whose rows are at hand", s.Model)
	}
	return nil
}
