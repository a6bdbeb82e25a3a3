package infer

import "strings"

// stopper cuts a growing text before the first stop string. Text that could
// still become one is held back, so that no part of it is ever shown.
type stopper struct {
	stops   []string
	include bool // show the stop string itself
	held    string
}

// push adds text; shown may be given out, and stopped says that a stop string
// was reached and nothing more comes.
func (s *stopper) push(text string) (shown string, stopped bool) {
	text = s.held + text
	s.held = ""
	first, found := -1, ""
	for _, stop := range s.stops {
		if at := strings.Index(text, stop); at >= 0 && (first < 0 || at < first) {
			first, found = at, stop
		}
	}
	switch {
	case first >= 0 && s.include:
		return text[:first+len(found)], true
	case first >= 0:
		return text[:first], true
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
	return text[:len(text)-keep], false
}

// flush gives what was held back: the text ended before it became a stop string.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
