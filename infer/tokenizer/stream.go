package tokenizer

import "strings"

// Stream turns ids into text one at a time. Japanese characters take three
// bytes and are often split over tokens: bytes are held back until a character
// is whole, so that no half character is ever shown.
//
// The text of a token can depend on the one before it (a leading space is
// dropped at the start only), so each step decodes a short window that begins
// at the last token already shown.
type Stream struct {
	tokenizer *Tokenizer
	ids       []int32
	from      int // the window begins here
	shown     int // ids before this one have been shown
}

// maxHeld is how many tokens may wait for a character to become whole. A
// character has at most 4 bytes; beyond that they are not going to.
const maxHeld = 8

// NewStream starts a new text. Special tokens leave no trace in it.
func (t *Tokenizer) NewStream() *Stream { return &Stream{tokenizer: t} }

// Push adds a token and gives the text that has become whole; often "".
func (s *Stream) Push(id int32) string {
	s.ids = append(s.ids, id)
	text := s.pending()
	if strings.HasSuffix(text, "\uFFFD") && len(s.ids)-s.shown < maxHeld {
		return ""
	}
	return s.show(text)
}

// Flush gives what was held back; broken characters appear as U+FFFD.
func (s *Stream) Flush() string {
	if s.shown == len(s.ids) {
		return ""
	}
	return s.show(s.pending())
}

// pending is the text of the tokens that have not been shown.
func (s *Stream) pending() string {
	before := s.tokenizer.Decode(s.ids[s.from:s.shown], true)
	return strings.TrimPrefix(s.tokenizer.Decode(s.ids[s.from:], true), before)
}

func (s *Stream) show(text string) string {
	if text != "" { // an invisible token can't carry the window's context
		s.from = s.shown
	}
	s.shown = len(s.ids)
	return text
}
