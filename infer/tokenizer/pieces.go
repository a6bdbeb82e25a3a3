package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Piece is what one token adds to a text.
type Piece struct {
	// Bytes follow on the text before them; they may be a part of a character.
	// Empty where a token adds nothing, can't be decoded exactly, or adds
	// something else in other company.
	Bytes string
	// Anywhere tells that a text which begins with the token begins with these
	// bytes. Many tokenizers drop the space before the first word.
	Anywhere bool
}

// Pieces gives the piece of every token, by id. They are found by decoding, so
// that they are what [Stream] shows, whatever the tokenizer is made of; a
// special token has none. They are found once, at some microseconds a token.
// The caller must not change them.
func (t *Tokenizer) Pieces() []Piece {
	t.piecesOnce.Do(func() { t.pieces = t.findPieces() })
	return t.pieces
}

func (t *Tokenizer) findPieces() []Piece {
	ids := make([]int32, 0, len(t.ids))
	for _, id := range t.ids {
		if id >= 0 && !t.control[id] && !t.nul[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	between, ok := t.plainToken(ids)
	if !ok {
		return nil
	}
	text := t.decode([]int32{between}, true)
	found := make([]Piece, ids[len(ids)-1]+1)
	for _, id := range ids {
		alone := t.decode([]int32{id}, true)
		if raw, partial := t.partial[id]; partial {
			// A decoder can't show a part of a character, but its first byte.
			_, first := utf8.DecodeRuneInString(raw)
			_, shown := utf8.DecodeRuneInString(alone)
			same := raw[:first] == alone[:shown] || !utf8.ValidString(raw[:first])
			found[id] = Piece{Bytes: raw, Anywhere: same}
			continue
		}
		last, ok := strings.CutPrefix(t.decode([]int32{between, id}, true), text)
		if !ok || t.decode([]int32{between, id, between}, true) != text+last+text {
			continue
		}
		found[id] = Piece{Bytes: last, Anywhere: alone == last}
	}
	return found
}

// plainToken finds a token that is some letters or digits wherever it stands: it
// shows what its neighbours add.
func (t *Tokenizer) plainToken(ids []int32) (int32, bool) {
	for _, id := range ids {
		text := t.decode([]int32{id}, true)
		if text == "" || strings.ContainsFunc(text, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			continue
		}
		if t.decode([]int32{id, id}, true) == text+text {
			return id, true
		}
	}
	return 0, false
}
