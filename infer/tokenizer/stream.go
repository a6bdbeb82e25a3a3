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
	from      int    // the window begins here
	shown     int    // ids before this one have been shown
	early     string // of the text of those after it, what has been shown as well
	held      int    // tokens since anything was shown
}

// maxHeld is how many tokens may wait for a character to become whole. A
// character has at most 4 bytes; beyond that they are not going to.
const maxHeld = 8

// NewStream starts a new text. Special tokens leave no trace in it.
func (t *Tokenizer) NewStream() *Stream { return &Stream{tokenizer: t} }

// Push adds a token and gives the text that has become whole; often "".
func (s *Stream) Push(id int32) string {
	s.ids = append(s.ids, id)
	s.held++
	text := s.pending()
	switch whole := strings.TrimRight(text, "\uFFFD"); {
	case whole == text || whole == "" && s.held >= maxHeld:
		return s.show(text)
	case whole != "": // the last token ends a character and begins another
		s.early += whole
		s.held = 0
		return whole
	}
	return ""
}

// Flush gives what was held back; broken characters appear as U+FFFD.
func (s *Stream) Flush() string {
	if s.shown == len(s.ids) {
		return ""
	}
	return s.show(s.pending())
}

// pending is the text of the tokens that have not been shown, as far as it
// hasn't been shown itself.
func (s *Stream) pending() string {
	before := s.tokenizer.Decode(s.ids[s.from:s.shown], true)
	text, ok := strings.CutPrefix(s.tokenizer.Decode(s.ids[s.from:], true), before)
	if !ok {
		// The tokens of bytes in a row are characters together or not at all: half
		// a character after a whole one breaks that one, too, which has been shown.
		text = s.tokenizer.Decode(s.ids[s.shown:], true)
	}
	return strings.TrimPrefix(text, s.early)
}

func (s *Stream) show(text string) string {
	if text != "" || s.early != "" { // an invisible token can't carry the window's context
		s.from = s.shown
	}
	s.shown, s.early, s.held = len(s.ids), "", 0
	return text
}
