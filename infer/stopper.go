package infer

import "strings"

// stopper cuts a growing text before the first stop string. Text that could
// still become one is held back, so that no part of it is ever shown.
type stopper struct {
	stops   []string
	include bool // show the stop string itself
	held    string
}

// push adds text; shown may be given out. If reached isn't empty, it is the stop
// string that ended the text, and nothing more comes.
func (s *stopper) push(text string) (shown, reached string) {
	text = s.held + text
	s.held = ""
	first := -1
	for _, stop := range s.stops {
		if at := strings.Index(text, stop); at >= 0 && (first < 0 || at < first) {
			first, reached = at, stop
		}
	}
	switch {
	case first >= 0 && s.include:
		return text[:first+len(reached)], reached
	case first >= 0:
		return text[:first], reached
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(text)); n > keep; n-- {
			if strings.HasSuffix(text, stop[:n]) {
				keep = n
				break
			}
		}
	}
	s.held = text[len(text)-keep:]
	return text[:len(text)-keep], ""
}

// flush gives what was held back: the text ended before it became a stop string.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
