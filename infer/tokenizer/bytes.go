package tokenizer

import (
	"strings"
	"sync"
)

// tokenNames finds a token's name by its id. It is made when it is first asked
// for: most processes never do, and vocabularies are large.
type tokenNames struct {
	once sync.Once
	byID map[int32]string
}

// Token is a token as the vocabulary writes it; "" if there is none.
func (t *Tokenizer) Token(id int32) string {
	t.byName.once.Do(func() {
		t.byName.byID = make(map[int32]string, len(t.ids))
		for token, id := range t.ids {
			t.byName.byID[id] = token
		}
	})
	return t.byName.byID[id]
}

// TokenBytes gives the bytes that one token stands for, wherever in a text: its
// space in front is there, and half a character is half a character. A special
// token's are those of its name, and a token that doesn't exist has none.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	token := t.Token(id)
	if t.control[id] {
		return []byte(token)
	}
	if raw, ok := t.partial[id]; ok {
		return []byte(raw)
	}
	spelled, isByte := fallbackByte(token)
	if !isByte {
		spelled, isByte = levelBytes(token)
	}
	if isByte && t.nul[id] {
		return []byte(spelled)
	}
	// How a vocabulary is to be read is the decoder's to say: "é" is a byte in one
	// and a letter in another. But it takes the space from a text's beginning.
	text := t.decode([]int32{id}, false)
	for _, reading := range []string{spelled, strings.ReplaceAll(token, "▁", " ")} {
		if reading != "" && (reading == text || reading == " "+text) {
			return []byte(reading)
		}
	}
	return []byte(text)
}
