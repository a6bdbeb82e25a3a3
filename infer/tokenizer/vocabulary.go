package tokenizer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// Vocabulary is which tokens a tokenizer.json knows, and under which ids. It is
// read without making the tokenizer itself, and can be written again with tokens
// added or left out; everything else in the file stays as it is.
type Vocabulary struct {
	file   map[string]json.RawMessage // members of the file
	model  map[string]json.RawMessage // members of its "model"
	pieces map[string]int32           // the model's own tokens
	added  []AddedToken               // those beside the model, by id
	ids    map[string]int32           // all of them
}

// AddedToken is a token that is found in a text before the model sees it.
type AddedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// ParseVocabulary reads the tokens of a tokenizer.json.
func ParseVocabulary(data []byte) (*Vocabulary, error) {
	if holdsNUL(data) {
		return nil, fault.New(fault.Damaged, "tokenizer.json holds a NUL character")
	}
	v := &Vocabulary{ids: map[string]int32{}}
	if err := json.Unmarshal(data, &v.file); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "tokenizer.json does not parse")
	}
	if err := json.Unmarshal(v.file["model"], &v.model); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "tokenizer.json has no model")
	}
	var err error
	if v.pieces, err = parsePieces(v.model["vocab"]); err != nil {
		return nil, err
	}
	if raw, ok := v.file["added_tokens"]; ok {
		if err := json.Unmarshal(raw, &v.added); err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "tokenizer.json: added_tokens does not parse")
		}
	}
	slices.SortStableFunc(v.added, func(a, b AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	maps.Copy(v.ids, v.pieces)
	for _, a := range v.added {
		v.ids[a.Content] = a.ID
	}
	for token, id := range v.ids {
		if id < 0 {
			return nil, fault.New(fault.Damaged, "tokenizer.json: token %q has the id %d", token, id)
		}
	}
	return v, nil
}

// parsePieces reads the vocabulary of a model: BPE and its like list it as an
// object, Unigram as a list of pairs.
func parsePieces(data json.RawMessage) (map[string]int32, error) {
	var pieces map[string]int32
	if err := json.Unmarshal(data, &pieces); err == nil && pieces != nil {
		return pieces, nil
	}
	var pairs [][]any
	if err := json.Unmarshal(data, &pairs); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "tokenizer.json has no vocabulary")
	}
	if pairs == nil {
		return nil, fault.New(fault.Damaged, "tokenizer.json has no vocabulary")
	}
	pieces = make(map[string]int32, len(pairs))
	for i, pair := range pairs {
		if len(pair) == 0 {
			return nil, fault.New(fault.Damaged, "tokenizer.json: entry %d of the vocabulary is empty", i)
		}
		if token, ok := pair[0].(string); ok {
			pieces[token] = int32(i)
		}
	}
	return pieces, nil
}

// ID looks a token up.
func (v *Vocabulary) ID(token string) (int32, bool) {
	id, ok := v.ids[token]
	return id, ok
}

// Same tells whether another vocabulary has the same tokens under the same ids.
func (v *Vocabulary) Same(other *Vocabulary) bool { return v == other || maps.Equal(v.ids, other.ids) }

// Token gives the token of an id.
func (v *Vocabulary) Token(id int32) (string, bool) {
	for token, at := range v.ids {
		if at == id {
			return token, true
		}
	}
	return "", false
}

// Len is the number of tokens.
func (v *Vocabulary) Len() int { return len(v.ids) }

// Rows is how many rows an embedding needs to have one for every token.
func (v *Vocabulary) Rows() int {
	rows := 0
	for _, id := range v.ids {
		rows = max(rows, int(id)+1)
	}
	return rows
}

// Tokens lists all tokens by id.
func (v *Vocabulary) Tokens() []string {
	return slices.SortedFunc(maps.Keys(v.ids), func(a, b string) int {
		return cmp.Or(cmp.Compare(v.ids[a], v.ids[b]), cmp.Compare(a, b))
	})
}

// Added lists the tokens beside the model's own, by id.
func (v *Vocabulary) Added() []AddedToken { return slices.Clone(v.added) }

// Within is the vocabulary without the tokens that an embedding of so many rows
// has none for; itself if there are no such tokens. Merges that make a token
// which is gone, or are made of one, go with it.
func (v *Vocabulary) Within(rows int) (*Vocabulary, error) {
	if v.Rows() <= rows {
		return v, nil
	}
	beyond := func(_ string, id int32) bool { return int(id) >= rows }
	out := &Vocabulary{
		file: maps.Clone(v.file), model: maps.Clone(v.model), pieces: maps.Clone(v.pieces), ids: maps.Clone(v.ids),
		added: slices.DeleteFunc(slices.Clone(v.added), func(a AddedToken) bool { return beyond(a.Content, a.ID) }),
	}
	maps.DeleteFunc(out.pieces, beyond)
	maps.DeleteFunc(out.ids, beyond)
	if len(out.pieces) == len(v.pieces) {
		return out, nil
	}
	if err := out.rewriteModel(rows); err != nil {
		return nil, err
	}
	return out, nil
}

// rewriteModel writes the model's vocabulary and merges with the pieces that are
// left.
func (v *Vocabulary) rewriteModel(rows int) (err error) {
	var list []json.RawMessage
	if json.Unmarshal(v.model["vocab"], &list) == nil {
		v.model["vocab"], err = writeJSON(list[:min(rows, len(list))])
		return err
	}
	if v.model["vocab"], err = writeJSON(v.pieces); err != nil {
		return err
	}
	raw, ok := v.model["merges"]
	if !ok {
		return nil
	}
	var merges []json.RawMessage
	if err := json.Unmarshal(raw, &merges); err != nil {
		return fault.Wrap(err, fault.Damaged, "tokenizer.json: merges do not parse")
	}
	kept := merges[:0]
	for _, m := range merges {
		left, right, err := parseMerge(m)
		if err != nil {
			return err
		}
		if v.knows(left) && v.knows(right) && v.knows(left+right) {
			kept = append(kept, m)
		}
	}
	v.model["merges"], err = writeJSON(kept)
	return err
}

// knows tells whether a token is one of the model's own.
func (v *Vocabulary) knows(piece string) bool {
	_, ok := v.pieces[piece]
	return ok
}

// parseMerge reads the two pieces of a merge: "a b", or in newer files ["a", "b"].
func parseMerge(data []byte) (left, right string, err error) {
	var pair []string
	if json.Unmarshal(data, &pair) != nil {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return "", "", fault.Wrap(err, fault.Damaged, "tokenizer.json: a merge does not parse")
		}
		pair = strings.Split(text, " ")
	}
	if len(pair) != 2 {
		return "", "", fault.New(fault.Damaged, "tokenizer.json: a merge of %d pieces", len(pair))
	}
	return pair[0], pair[1], nil
}

// Union is the vocabulary with the tokens of others that it lacks, each of them
// as one more added token: first those that the others' models know, then their
// added ones, both by id, one vocabulary after another. What one of them adds is
// an added token in the union, too, as the first of them describes it.
func (v *Vocabulary) Union(others ...*Vocabulary) *Vocabulary {
	known := map[string]bool{} // to be added as others describe it
	var plain, described []AddedToken
	for _, o := range slices.Concat([]*Vocabulary{v}, others) {
		for _, a := range o.added {
			if !known[a.Content] {
				known[a.Content] = true
				described = append(described, a)
			}
		}
	}
	for _, o := range others {
		for _, token := range o.Tokens() {
			if _, mine := v.ids[token]; !mine && !known[token] {
				plain = append(plain, asText(token))
			}
		}
	}
	return v.with(slices.Concat(plain, described))
}

// With is the vocabulary with more tokens, of those that it lacks.
func (v *Vocabulary) With(tokens ...string) *Vocabulary {
	var added []AddedToken
	for _, token := range tokens {
		if _, ok := v.ids[token]; !ok {
			added = append(added, asText(token))
		}
	}
	return v.with(added)
}

// asText is a token that is nothing but its text.
func asText(token string) AddedToken { return AddedToken{Content: token, Normalized: true} }

// with adds tokens. The library numbers added tokens itself when it reads the
// file, so they get the numbers that it will give them: a token that the model
// knows keeps its own; others follow on the last added one, or on the model's.
func (v *Vocabulary) with(tokens []AddedToken) *Vocabulary {
	out := &Vocabulary{file: v.file, model: v.model, pieces: v.pieces, added: slices.Clone(v.added), ids: maps.Clone(v.ids)}
	next, there := int32(len(v.pieces)), map[string]bool{}
	for _, a := range v.added {
		next = max(next, a.ID+1)
		there[a.Content] = true
	}
	for _, a := range tokens {
		if there[a.Content] || a.Content == "" {
			continue
		}
		there[a.Content] = true
		id, ok := out.ids[a.Content]
		if !ok {
			id = next
			next++
		}
		a.ID, out.ids[a.Content] = id, id
		out.added = append(out.added, a)
	}
	if len(out.added) == len(v.added) {
		return v
	}
	slices.SortStableFunc(out.added, func(a, b AddedToken) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// JSON is the tokenizer.json of the vocabulary.
func (v *Vocabulary) JSON() ([]byte, error) {
	file := maps.Clone(v.file)
	var err error
	if file["model"], err = writeJSON(v.model); err != nil {
		return nil, err
	}
	if file["added_tokens"], err = writeJSON(v.added); err != nil {
		return nil, err
	}
	return writeJSON(file)
}

// writeJSON is json.Marshal that leaves <, > and & as they are.
func writeJSON(v any) (json.RawMessage, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "writing tokenizer.json")
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}
