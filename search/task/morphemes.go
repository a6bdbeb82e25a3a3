package task

import (
	"strings"

	"github.com/ikawaha/kagome-dict/ipa"
	"github.com/ikawaha/kagome/v2/tokenizer"

	"github.com/mergeway/mergeway/fault"
)

// morphemes cuts Japanese text into morphemes, by the IPA dictionary: the one that
// MeCab comes with.
type morphemes struct{ tokenizer *tokenizer.Tokenizer }

// newMorphemes opens the dictionary, which is read once in a process.
func newMorphemes() (*morphemes, error) {
	t, err := tokenizer.New(ipa.Dict(), tokenizer.OmitBosEos())
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the dictionary of morphemes")
	}
	return &morphemes{t}, nil
}

// of gives the morphemes of a text, without the white space between them.
func (m *morphemes) of(text string) []string {
	var words []string
	for _, word := range m.tokenizer.Wakati(text) {
		if strings.TrimSpace(word) != "" {
			words = append(words, word)
		}
	}
	return words
}
