package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/daulet/tokenizers"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Tokenizer is one model's tokenizer. It is safe for concurrent use.
type Tokenizer struct {
	special *native          // recognises the names of special tokens
	plain   *native          // sees them as text
	ids     map[string]int32 // token → id
	names   []string         // of special tokens
	control map[int32]bool   // special tokens
	nul     map[int32]bool   // tokens with a NUL in their text
	partial map[int32]string // tokens with a part of a character → their bytes
	bos     *int32
	eos     *int32
	pad     *int32
	unknown *int32 // what text that the vocabulary lacks becomes
	byName  tokenNames

	piecesOnce sync.Once
	pieces     []Piece // what each token adds to a text
}

const maxFileBytes = 256 << 20

// File is the name of the file that a tokenizer is read from.
const File = "tokenizer.json"

// Load reads tokenizer.json of a model's folder, and which tokens begin, end and
// fill up a sequence from tokenizer_config.json or special_tokens_map.json.
func Load(dir string) (*Tokenizer, error) {
	data, err := checkpoint.ReadSmall(dir, File, maxFileBytes)
	if err != nil {
		return nil, err
	}
	return LoadAs(dir, data)
}

// LoadVocabulary reads which tokens the tokenizer.json of a model's folder knows.
func LoadVocabulary(dir string) (*Vocabulary, error) {
	data, err := checkpoint.ReadSmall(dir, File, maxFileBytes)
	if err != nil {
		return nil, err
	}
	return ParseVocabulary(data)
}

// LoadAs is [Load] with another text in the place of the folder's tokenizer.json.
func LoadAs(dir string, data []byte) (*Tokenizer, error) {
	t, err := FromBytes(data)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		data, err := checkpoint.ReadSmall(dir, name, maxFileBytes)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var named struct {
			BOS tokenName `json:"bos_token"`
			EOS tokenName `json:"eos_token"`
			Pad tokenName `json:"pad_token"`
		}
		if err := json.Unmarshal(data, &named); err != nil {
			return nil, fault.Wrap(err, fault.Damaged, "%s does not parse", name)
		}
		if id, ok := t.ids[string(named.BOS)]; ok {
			t.bos = &id
		}
		if id, ok := t.ids[string(named.EOS)]; ok {
			t.eos = &id
		}
		if id, ok := t.ids[string(named.Pad)]; ok {
			t.pad = &id
		}
	}
	return t, nil
}

// tokenName is a token written as a string, or as an object with its content.
type tokenName string

// UnmarshalJSON implements json.Unmarshaler.
func (n *tokenName) UnmarshalJSON(data []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(data, &object) == nil {
		*n = tokenName(object.Content)
		return nil
	}
	return json.Unmarshal(data, (*string)(n))
}

// FromBytes makes a tokenizer from the text of a tokenizer.json.
func FromBytes(data []byte) (*Tokenizer, error) {
	// Parsed here first: what is not JSON must not reach the native library.
	var file struct {
		AddedTokens []struct {
			ID      int32  `json:"id"`
			Content string `json:"content"`
			Special bool   `json:"special"`
		} `json:"added_tokens"`
		Model struct {
			Vocab   json.RawMessage `json:"vocab"`
			Unknown string          `json:"unk_token"`
			UnkID   *int32          `json:"unk_id"` // Unigram's
		} `json:"model"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "tokenizer.json does not parse")
	}
	if holdsNUL(data) {
		return nil, fault.New(fault.Damaged, "tokenizer.json holds a NUL character")
	}
	t := &Tokenizer{control: map[int32]bool{}}
	pieces, err := parsePieces(file.Model.Vocab)
	if err != nil {
		return nil, err
	}
	t.ids = pieces
	for _, added := range file.AddedTokens {
		t.ids[added.Content] = added.ID
		if added.Special && added.Content != "" {
			t.names = append(t.names, added.Content)
			t.control[added.ID] = true
		}
	}
	if id, ok := t.ids[file.Model.Unknown]; ok {
		t.unknown = &id
	} else {
		t.unknown = file.Model.UnkID
	}
	if t.special, err = newNative(data); err != nil {
		return nil, err
	}
	if t.plain, err = newNative(data, tokenizers.WithEncodeSpecialTokens()); err != nil {
		return nil, err
	}
	t.nul, t.partial = t.tokensWithNUL(), t.partialTokens()
	return t, nil
}

// holdsNUL tells whether a string of a JSON text has a NUL in it: "\u0000" where
// the backslash isn't itself escaped. The native library dies of one in what it
// wants to complain about.
func holdsNUL(data []byte) bool {
	const nul = `\u0000`
	for {
		at := bytes.Index(data, []byte(nul))
		if at < 0 {
			return false
		}
		if before := data[:at]; (at-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return true
		}
		data = data[at+len(nul):]
	}
}

// tokensWithNUL finds the tokens that the native library can't decode, because
// to it NUL is the end of a string: that of byte 0, "<0x00>" where the
// vocabulary falls back to bytes, and those with "\u0100", which is how
// vocabularies of bytes write it.
func (t *Tokenizer) tokensWithNUL() map[int32]bool {
	found := map[int32]bool{}
	for token, id := range t.ids {
		if token == "<0x00>" || strings.Contains(token, "\u0100") {
			if t.decode([]int32{id}, false) == "" {
				found[id] = true
			}
		}
	}
	return found
}

// Encode gives the ids of text and adds nothing to them: no beginning or end of
// sequence. With parseSpecial the name of a special token ("</s>") becomes that
// token, for text that comes from a template; without, it is text like any
// other, for text that comes from a user.
//
// Bytes that are not UTF-8, and NUL, which the native library would take for
// the end, are encoded as U+FFFD.
func (t *Tokenizer) Encode(text string, parseSpecial bool) []int32 {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if parseSpecial {
		return t.special.encode(text)
	}
	return t.encodePlain(text)
}

// Decode gives the text of ids. With skipSpecial special tokens leave no trace.
// A token with a NUL in it is U+FFFD.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var text strings.Builder
	for {
		at := slices.IndexFunc(ids, func(id int32) bool { return t.nul[id] })
		if at < 0 {
			text.WriteString(t.decode(ids, skipSpecial))
			return text.String()
		}
		text.WriteString(t.decode(ids[:at], skipSpecial))
		text.WriteRune(utf8.RuneError)
		ids = ids[at+1:]
	}
}

func (t *Tokenizer) decode(ids []int32, skipSpecial bool) string {
	return t.special.decode(ids, skipSpecial)
}

// TokenID looks a token up by its name in the vocabulary.
func (t *Tokenizer) TokenID(token string) (int32, bool) {
	id, ok := t.ids[token]
	return id, ok
}

// SpecialNames lists the names of the special tokens, such as "</s>".
func (t *Tokenizer) SpecialNames() []string { return t.names }

// IsSpecial tells whether a token is a special one.
func (t *Tokenizer) IsSpecial(id int32) bool { return t.control[id] }

// VocabSize is the number of tokens, added ones included.
func (t *Tokenizer) VocabSize() int { return t.special.vocabSize() }

// TextRows is how many rows an embedding must have for every token that text can
// become. Special tokens may lie beyond: Gemma 3's tokenizer has one for images
// that its text models have no row for.
func (t *Tokenizer) TextRows() int {
	rows := 0
	for _, id := range t.ids {
		if !t.control[id] {
			rows = max(rows, int(id)+1)
		}
	}
	return rows
}

// Begins tells whether the tokenizer itself, as transformers uses it, begins each
// text with [Tokenizer.BOS]. Encode never does.
func (t *Tokenizer) Begins() bool {
	added := t.special.encodeWith("", true)
	return t.bos != nil && len(added) > 0 && added[0] == *t.bos
}

// BOS is the token that begins a sequence, if the model has one.
func (t *Tokenizer) BOS() (int32, bool) { return deref(t.bos) }

// EOS is the token that ends a sequence, if the model has one.
func (t *Tokenizer) EOS() (int32, bool) { return deref(t.eos) }

// Pad is the token that fills up shorter sequences of a batch, if the model
// names one.
func (t *Tokenizer) Pad() (int32, bool) { return deref(t.pad) }

func deref(p *int32) (int32, bool) {
	if p == nil {
		return 0, false
	}
	return *p, true
}

// Name gives the text of one token as a template writes it; "" if there is none.
func (t *Tokenizer) Name(id int32) string { return t.Decode([]int32{id}, false) }
