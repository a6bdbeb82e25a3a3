package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// encodePlain encodes text that may name no control token. The native library
// doesn't look for their names then, but the model may still find one that its
// vocabulary lists as a piece like any other: Unigram always, BPE with
// ignore_merges. Such a name is cut in two before it is encoded.
func (t *Tokenizer) encodePlain(text string) []int32 {
	ids := t.plain.encode(text)
	if !slices.ContainsFunc(ids, t.isControl) {
		return ids
	}
	ids = ids[:0]
	for _, part := range t.cutNames(text) {
		ids = append(ids, t.plain.encode(part)...)
	}
	// What is left was spelled otherwise and made a name by the normalizer.
	return slices.DeleteFunc(ids, t.isControl)
}

// isControl tells whether text must not become this token: any special one but
// that for unknown text.
func (t *Tokenizer) isControl(id int32) bool {
	return t.control[id] && (t.unknown == nil || id != *t.unknown)
}

// cutNames splits text after the first character of each special token's name in it.
func (t *Tokenizer) cutNames(text string) []string {
	var parts []string
	from := 0
	for at := range text {
		for _, name := range t.names {
			if !strings.HasPrefix(text[at:], name) {
				continue
			}
			_, first := utf8.DecodeRuneInString(name)
			if len(name) > first {
				parts = append(parts, text[from:at+first])
				from = at + first
				break
			}
		}
	}
	return append(parts, text[from:])
}
