package chat

import (
	"errors"
	"fmt"
)

// The template engine follows nesting on Go's stack, and a stack that overflows
// ends the process: no recover catches it. So what could nest without bound is
// bounded: brackets before a template is compiled, macros while it runs.

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
	return nil
}
