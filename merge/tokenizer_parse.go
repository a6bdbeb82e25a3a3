package merge

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// wireRow is a [RowSource] that is an object in JSON.
type wireRow struct {
	Kind    string `json:"kind"`
	Model   string `json:"model,omitempty"`
	Token   string `json:"token,omitempty"`
	TokenID *int   `json:"token_id,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (s RowSource) MarshalJSON() ([]byte, error) {
	if s.Kind == "" {
		return marshal(s.Model)
	}
	return marshal(wireRow(s))
}

// readTokenizer reads the tokenizer of a recipe.
func (f fields) readTokenizer(into **Tokenizer) error {
	data, ok := f.members["tokenizer"]
	if !ok {
		return nil
	}
	inner, err := object(data, f.path("tokenizer"), "source", "tokens", "pad_to_multiple_of")
	if err != nil {
		return err
	}
	t := &Tokenizer{Source: TokensOfAll}
	if err := inner.read("source", &t.Source); err != nil {
		return err
	}
	if err := inner.read("pad_to_multiple_of", &t.PadToMultipleOf); err != nil {
		return err
	}
	if inner.has("pad_to_multiple_of") && t.PadToMultipleOf == 0 {
		return fault.Bad(inner.path("pad_to_multiple_of"), "nothing is a multiple of 0: leave it out to add no rows")
	}
	if data, ok := inner.members["tokens"]; ok {
		if t.Tokens, err = parseTokenRows(data, inner.path("tokens")); err != nil {
			return err
		}
	}
	*into = t
	return nil
}

// parseTokenRows reads rows by token.
func parseTokenRows(data []byte, at string) (map[string]TokenRow, error) {
	f, err := objectOf(MaxTokenRows, data, at)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]TokenRow, len(f.members))
	for _, token := range slices.Sorted(maps.Keys(f.members)) {
		inner, err := object(f.members[token], f.path(token), "source", "force")
		if err != nil {
			return nil, err
		}
		var row TokenRow
		if err := inner.read("force", &row.Force); err != nil {
			return nil, err
		}
		if data, ok := inner.members["source"]; ok {
			source, err := parseRowSource(data, inner)
			if err != nil {
				return nil, err
			}
			row.Source = &source
		}
		rows[token] = row
	}
	return rows, nil
}

// parseRowSource reads the member "source" of a row.
func parseRowSource(data []byte, of fields) (RowSource, error) {
	at := of.path("source")
	if data[0] != '{' {
		var s RowSource
		return s, of.read("source", &s.Model)
	}
	f, err := object(data, at, "kind", "model", "token", "token_id")
	if err != nil {
		return RowSource{}, err
	}
	if !f.has("kind") {
		return RowSource{}, fault.Bad(f.path("kind"), "%s needs a kind: %s or %s", at, RowZero, RowOfToken)
	}
	var s RowSource
	for _, member := range []struct {
		key  string
		into any
	}{{"kind", &s.Kind}, {"model", &s.Model}, {"token", &s.Token}} {
		if err := f.read(member.key, member.into); err != nil {
			return RowSource{}, err
		}
	}
	if f.has("token_id") {
		s.TokenID = new(int)
		if err := f.read("token_id", s.TokenID); err != nil {
			return RowSource{}, err
		}
	}
	if s.Kind == "" {
		return RowSource{}, fault.Bad(f.path("kind"), "unknown kind of row %q: it is %s or %s", s.Kind, RowZero, RowOfToken)
	}
	return s, nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *RowSource) UnmarshalJSON(data []byte) error {
	f, err := object(fmt.Appendf(nil, `{"source": %s}`, data), "")
	if err != nil {
		return err
	}
	parsed, err := parseRowSource(json.RawMessage(f.members["source"]), f)
	if err == nil {
		*s = parsed
	}
	return err
}
