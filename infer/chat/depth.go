package chat

import (
	"errors"
	"fmt"
	"regexp"
)

// The template engine follows nesting on Go's stack, and a stack that overflows
// ends the process: no recover catches it. So what could nest without bound is
// refused before it runs: deep brackets, and macros that call themselves.

// maxDepth is how deep brackets may nest. Real templates stay below ten.
const maxDepth = 200

var errTooDeep = errors.New("it nests too deep")

// checkDepth refuses templates whose work could nest without bound.
func checkDepth(source string) error {
	depth := 0
	for _, c := range source {
		switch c {
		case '(', '[', '{':
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: more than %d brackets are open", errTooDeep, maxDepth)
			}
		case ')', ']', '}':
			depth = max(0, depth-1)
		}
	}
	return checkMacros(source)
}

var (
	macroBegin = regexp.MustCompile(`\{%[-+]?\s*macro\s+(\w+)`)
	macroEnd   = regexp.MustCompile(`\{%[-+]?\s*endmacro\b`)
	word       = regexp.MustCompile(`\w+`)
)

// checkMacros refuses macros that call themselves, also by way of others. It goes
// by the names in their bodies, which is on the safe side.
func checkMacros(source string) error {
	names := macroBegin.FindAllStringSubmatchIndex(source, -1)
	mentions := map[string][]string{} // of each macro: the words in its body
	for _, at := range names {
		body := source[at[1]:]
		if end := macroEnd.FindStringIndex(body); end != nil {
			body = body[:end[0]]
		}
		name := source[at[2]:at[3]]
		mentions[name] = append(mentions[name], word.FindAllString(body, -1)...)
	}
	const (
		open   = 1
		closed = 2
	)
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		switch state[name] {
		case open:
			return fmt.Errorf("%w: macro %q calls itself", errTooDeep, name)
		case closed:
			return nil
		}
		state[name] = open
		for _, other := range mentions[name] {
			if _, isMacro := mentions[other]; !isMacro {
				continue
			}
			if err := visit(other); err != nil {
				return err
			}
		}
		state[name] = closed
		return nil
	}
	for name := range mentions {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}
