package tokenizer

import (
	"runtime"

	"github.com/daulet/tokenizers"

	"github.com/mergeway/mergeway/fault"
)

// native is a tokenizer of the native library. Its memory is given back when
// nobody has the tokenizer any more, so that one that was made of others, for a
// recipe that came and went, leaves nothing behind.
type native struct {
	tokenizer *tokenizers.Tokenizer
}

func newNative(data []byte, options ...tokenizers.TokenizerOption) (*native, error) {
	made, err := tokenizers.FromBytes(data, options...)
	if err != nil {
		return nil, fault.Wrap(err, fault.Damaged, "tokenizer.json")
	}
	n := &native{tokenizer: made}
	runtime.AddCleanup(n, func(made *tokenizers.Tokenizer) { _ = made.Close() }, made)
	return n, nil
}

// encode gives the ids of text.
func (n *native) encode(text string) []int32 {
	return n.encodeWith(text, false)
}

// encodeWith is encode with what the tokenizer itself adds to a text, if it may.
func (n *native) encodeWith(text string, added bool) []int32 {
	defer runtime.KeepAlive(n) // the library knows nothing of Go's references
	raw, _ := n.tokenizer.Encode(text, added)
	ids := make([]int32, len(raw))
	for i, id := range raw {
		ids[i] = int32(id)
	}
	return ids
}

// decode gives the text of ids.
func (n *native) decode(ids []int32, skipSpecial bool) string {
	defer runtime.KeepAlive(n)
	raw := make([]uint32, len(ids))
	for i, id := range ids {
		raw[i] = uint32(id)
	}
	return n.tokenizer.Decode(raw, skipSpecial)
}

// vocabSize is the number of tokens, added ones included.
func (n *native) vocabSize() int {
	defer runtime.KeepAlive(n)
	return int(n.tokenizer.VocabSize())
}
