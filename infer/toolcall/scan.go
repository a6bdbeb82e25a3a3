package toolcall

import "encoding/json"

// scanner follows one JSON value byte by byte and refuses the first that is
// wrong.
type scanner struct {
	open    []byte // the brackets that are: '{' and '['
	state   state
	literal []byte // a number, true, false or null, as far as it has been read
	hex     int    // digits of a \u that are still to come
	isKey   bool   // the string is a key
}

// state is what a scanner waits for.
type state int

const (
	value     state = iota
	firstItem       // a value, or ]
	firstKey        // a key, or }
	nextKey         // a key
	colon           // between key and value
	comma           // or the closing bracket
	inString        // its next character
	inEscape        // what follows a backslash
	inHex           // a digit of \u
	inLiteral       // more of it, or what ends it
	whole           // nothing: the value is there
)

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// push takes the next byte and tells whether the text can still become a value.
func (s *scanner) push(b byte) bool {
	switch s.state {
	case inString, inEscape, inHex:
		return s.within(b)
	case inLiteral:
		if b == '-' || b == '+' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == 'E' {
			s.literal = append(s.literal, b)
			return len(s.literal) <= maxLiteral
		}
		if !json.Valid(s.literal) {
			return false
		}
		s.end()
		return s.push(b)
	}
	if isSpace(b) {
		return true
	}
	switch s.state {
	case value, firstItem:
		if b == ']' && s.state == firstItem {
			return s.close('[')
		}
		return s.begin(b)
	case firstKey, nextKey:
		if b == '}' && s.state == firstKey {
			return s.close('{')
		}
		s.state, s.isKey = inString, true
		return b == '"'
	case colon:
		s.state = value
		return b == ':'
	case comma:
		last := s.open[len(s.open)-1]
		switch {
		case b == ',' && last == '{':
			s.state = nextKey
			return true
		case b == ',':
			s.state = value
			return true
		case b == '}':
			return s.close('{')
		case b == ']':
			return s.close('[')
		}
	}
	return false
}

// maxLiteral is the longest number: more digits mean nothing to anybody.
const maxLiteral = 400

// begin takes the first byte of a value.
func (s *scanner) begin(b byte) bool {
	switch {
	case b == '{':
		s.open, s.state = append(s.open, b), firstKey
	case b == '[':
		s.open, s.state = append(s.open, b), firstItem
	case b == '"':
		s.state, s.isKey = inString, false
	case b == '-' || b >= '0' && b <= '9' || b == 't' || b == 'f' || b == 'n':
		s.literal, s.state = append(s.literal[:0], b), inLiteral
	default:
		return false
	}
	return true
}

// within takes a byte of a string.
func (s *scanner) within(b byte) bool {
	switch {
	case s.state == inHex:
		if s.hex--; s.hex == 0 {
			s.state = inString
		}
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
	case s.state == inEscape && b == 'u':
		s.state, s.hex = inHex, 4
		return true
	case s.state == inEscape:
		s.state = inString
		switch b {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			return true
		}
		return false
	case b == '\\':
		s.state = inEscape
	case b == '"' && s.isKey:
		s.state = colon
	case b == '"':
		s.end()
	}
	return b >= ' '
}

// close takes a closing bracket.
func (s *scanner) close(opened byte) bool {
	last := len(s.open) - 1
	if s.open[last] != opened {
		return false
	}
	s.open = s.open[:last]
	s.end()
	return true
}

// end is done with a value.
func (s *scanner) end() {
	s.state = comma
	if len(s.open) == 0 {
		s.state = whole
	}
}

// depth is how many brackets are open.
func (s *scanner) depth() int { return len(s.open) }
