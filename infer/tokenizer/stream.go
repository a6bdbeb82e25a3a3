package tokenizer

import (
	"slices"
	"strings"
)

// Stream turns ids into text one at a time. Japanese characters take three
// bytes and are often split over tokens: bytes are held back until a character
// is whole, so that no half character is ever shown.
//
// The text of a token can depend on the one before it (a leading space is
// dropped at the start only), so each step decodes a short window that begins
// at the last token already shown.
type Stream struct {
	tokenizer *Tokenizer
	named     []int32 // special tokens that are shown, by their names
	ids       []int32
	from      int    // the window begins here
	shown     int    // ids before this one have been shown
	early     string // of the text of those after it, what has been shown as well
}

// NewStream starts a new text. Special tokens leave no trace in it, but those
// that are to be named.
func (t *Tokenizer) NewStream(named ...int32) *Stream { return &Stream{tokenizer: t, named: named} }

// contextTokens are how many tokens before a text its first one can depend on.
const contextTokens = 8

// NewStreamAfter starts a text that goes on from other tokens, whose own text it
// does not give again: the first of its words keeps the space that decoders drop
// at the start of a text.
func (t *Tokenizer) NewStreamAfter(before []int32, named ...int32) *Stream {
	s := t.NewStream(named...)
	for _, id := range before[max(0, len(before)-contextTokens):] {
		if !t.control[id] {
			s.ids = append(s.ids, id)
		}
	}
	s.shown = len(s.ids)
	return s
}

// Push adds a token and gives the text that has become whole; often "".
func (s *Stream) Push(id int32) string {
	if s.tokenizer.control[id] && !slices.Contains(s.named, id) { // no text, and not in the way of a character's bytes
		return ""
	}
	s.ids = append(s.ids, id)
	tail, within := s.tokenizer.unfinished(s.ids[s.shown:])
	if !within { // the tail's tokens hold nothing else: all before them is whole, or never will be
		return s.show(len(s.ids) - tail)
	}
	// The tail's first token ends one character and begins another. Such tokens are
	// of vocabularies of bytes, which decode half a character to one U+FFFD.
	whole := strings.TrimSuffix(s.pending(len(s.ids)), "\uFFFD")
	s.early += whole
	return whole
}

// Flush gives what was held back; broken characters appear as U+FFFD.
func (s *Stream) Flush() string { return s.show(len(s.ids)) }

// pending is the text of the tokens before to that have not been shown, as far
// as it hasn't been shown itself.
func (s *Stream) pending(to int) string {
	before := s.decode(s.ids[s.from:s.shown])
	text, ok := strings.CutPrefix(s.decode(s.ids[s.from:to]), before)
	if !ok {
		// The tokens of bytes in a row are characters together or not at all: half
		// a character after a whole one breaks that one, too, which has been shown.
		text = s.decode(s.ids[s.shown:to])
	}
	return strings.TrimPrefix(text, s.early)
}

// decode gives the text of some of the tokens: there are no special ones among
// them but those that are named.
func (s *Stream) decode(ids []int32) string { return s.tokenizer.Decode(ids, len(s.named) == 0) }

// show gives the text of the tokens before to and is done with them.
func (s *Stream) show(to int) string {
	if to == s.shown {
		return ""
	}
	text := s.pending(to)
	if text != "" || s.early != "" { // an invisible token can't carry the window's context
		s.from = s.shown
	}
	s.shown, s.early = to, ""
	return text
}
