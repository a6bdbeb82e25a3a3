package constrain

import (
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// Vocabulary says what the ids that a model picks from stand for.
type Vocabulary struct {
	Tokenizer *tokenizer.Tokenizer
	// Rows is the number of ids, which is that of the embedding's rows. Those
	// that the tokenizer doesn't know are never allowed.
	Rows int
	// EOS are the ids that end a reply. They are allowed exactly where the text
	// is whole, and stand for nothing else. There may be none.
	EOS []int32
}

// maxPieceBytes is the longest piece that llguidance can hold; no tokenizer has
// one that a grammar would miss.
const maxPieceBytes = 1000

// maxRows is as many tokens as llguidance can tell apart.
const maxRows = 1 << 20

// vocabulary is one made ready for masks.
type vocabulary struct {
	native *nativeVocabulary
	rows   int
	eos    []uint32 // bits of the tokens that end a reply
	text   []uint32 // bits of the tokens that have bytes
	first  []uint32 // bits of those whose bytes are the same at the beginning of a text
}

func newVocabulary(param string, v Vocabulary) (*vocabulary, error) {
	if v.Tokenizer == nil {
		return nil, fault.New(fault.Internal, "a vocabulary without a tokenizer")
	}
	if v.Rows <= 0 || v.Rows > maxRows {
		return nil, fault.New(fault.Internal, "a vocabulary of %d tokens: 1 to %d can be constrained", v.Rows, maxRows)
	}
	made := &vocabulary{rows: v.Rows, eos: newBits(v.Rows), text: newBits(v.Rows), first: newBits(v.Rows)}
	ends := v.ends()
	for _, id := range ends {
		setBit(made.eos, id)
	}
	tokens := make([]string, v.Rows)
	for id, piece := range v.Tokenizer.Pieces() {
		if id >= v.Rows || piece.Bytes == "" || len(piece.Bytes) > maxPieceBytes || hasBit(made.eos, int32(id)) {
			continue
		}
		tokens[id] = piece.Bytes
		setBit(made.text, int32(id))
		if piece.Anywhere {
			setBit(made.first, int32(id))
		}
	}
	var err error
	if made.native, err = newNativeVocabulary(tokens, ends); err != nil {
		return nil, &fault.Error{Code: fault.Invalid, Param: param, Message: "this model's replies can't be constrained", Err: err}
	}
	return made, nil
}

// ends are the tokens that end a reply and can be picked, in order.
func (v Vocabulary) ends() []int32 {
	ends := slices.Clone(v.EOS)
	slices.Sort(ends)
	return slices.DeleteFunc(slices.Compact(ends), func(id int32) bool { return id < 0 || int(id) >= v.Rows })
}

// vocabularyKey is what makes two vocabularies the same.
type vocabularyKey struct {
	tokenizer *tokenizer.Tokenizer
	rows      int
	eos       string
}

func (v Vocabulary) key() vocabularyKey {
	return vocabularyKey{v.Tokenizer, v.Rows, fmt.Sprint(v.ends())}
}
