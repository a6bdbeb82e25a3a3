package chat

import (
	"errors"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// gonja knows "a if b else c" only as all of an output or of what is set, and
// fails at one in brackets, as Gemma 3's template has it. So those become calls
// of a function. It is given both values: a template must not count on the one
// that isn't chosen being left alone.

const chooseName = "mergeway_choose"

// choose is choose(condition, value, otherwise).
func choose(params *exec.VarArgs) (any, error) {
	if len(params.Args) != 3 {
		return nil, errors.New("a condition has an empty part")
	}
	for _, arg := range params.Args {
		if arg.IsError() {
			return nil, arg
		}
	}
	if params.Args[0].IsTrue() {
		return params.Args[1].Interface(), nil
	}
	return params.Args[2].Interface(), nil
}

// callConditionals rewrites the conditional expressions in brackets, in all
// blocks and outputs of a template.
func callConditionals(source string) string {
	s := scanner{rest: source}
	var out strings.Builder
	for {
		at := strings.IndexByte(s.rest, '{')
		if at < 0 || at+1 == len(s.rest) {
			out.WriteString(s.rest)
			return out.String()
		}
		out.WriteString(s.take(at))
		switch s.rest[1] {
		case '#':
			end := strings.Index(s.rest, "#}")
			if end < 0 {
				end = len(s.rest)
			}
			out.WriteString(s.take(end))
		case '{', '%':
			end := map[byte]string{'{': "}}", '%': "%}"}[s.rest[1]]
			out.WriteString(s.take(2))
			s.end = end
			out.WriteString(s.inside(false))
		default:
			out.WriteString(s.take(1))
		}
	}
}

// scanner reads a template's expressions.
type scanner struct {
	rest  string
	end   string // of the block or output, or of the bracket
	depth int    // brackets that are open
}

func (s *scanner) take(n int) string {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

// inside reads up to the closing bracket, or the end of the block, which it
// leaves, and rewrites what is in deeper brackets; with rewrite, its own
// conditionals too.
func (s *scanner) inside(rewrite bool) string {
	var out strings.Builder
	var p part
	flush := func() {
		if rewrite {
			out.WriteString(p.call())
		} else {
			out.WriteString(p.text())
		}
		p = part{}
	}
	for s.rest != "" && !strings.HasPrefix(s.rest, s.end) {
		switch c := s.rest[0]; {
		case c == '"' || c == '\'':
			p.add(s.take(stringLength(s.rest)))
		case (c == '(' || c == '[' || c == '{') && s.depth < maxDepth:
			p.add(s.take(1))
			outer := s.end
			s.end = map[byte]string{'(': ")", '[': "]", '{': "}"}[c]
			s.depth++
			p.add(s.inside(c != '{'))
			s.depth--
			s.end = outer
			if s.rest != "" {
				p.add(s.take(1))
			}
		case c == ',':
			flush()
			out.WriteString(s.take(1))
		case isWord(c):
			n := 1
			for n < len(s.rest) && isWord(s.rest[n]) {
				n++
			}
			p.add(s.take(n))
		default:
			p.add(s.take(1))
		}
	}
	flush()
	return out.String()
}

// part is an item between commas, in pieces: a conditional's words "if" and
// "else" are pieces of their own.
type part struct{ pieces []string }

func (p *part) add(text string) { p.pieces = append(p.pieces, text) }

func (p *part) text() string { return strings.Join(p.pieces, "") }

// call is the part with its conditional as a call.
func (p *part) call() string {
	prefix, pieces := "", p.pieces
	for i, piece := range pieces { // name=value, of a call
		if piece == "=" && (i+1 == len(pieces) || pieces[i+1] != "=") && (i == 0 || !strings.Contains("=!<>", pieces[i-1])) {
			prefix, pieces = strings.Join(pieces[:i+1], ""), pieces[i+1:]
			break
		}
	}
	return prefix + conditional(pieces)
}

// conditional rewrites a if b else c; c may be another.
func conditional(pieces []string) string {
	whole := strings.Join(pieces, "")
	at := func(word string, from int) int {
		for i := from; i < len(pieces); i++ {
			if pieces[i] == word {
				return i
			}
		}
		return -1
	}
	if first := at("if", 0); first >= 0 {
		otherwise, end := `""`, len(pieces)
		if last := at("else", first); last >= 0 {
			otherwise, end = conditional(pieces[last+1:]), last
		}
		return chooseName + "(" + strings.Join(pieces[first+1:end], "") + ", " + strings.Join(pieces[:first], "") + ", " + otherwise + ")"
	}
	return whole
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// stringLength is how long the literal is that s begins with, quotes included.
func stringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return len(s)
}
