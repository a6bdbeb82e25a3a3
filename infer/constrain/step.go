package constrain

import (
	"strings"

	"github.com/mergeway/mergeway/fault"
)

// stepFault says what kind of failure llguidance met in the middle of a text.
func stepFault(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "NoExtension"):
		return fault.Wrap(err, fault.Invalid, "no token of this model's vocabulary can follow")
	case strings.HasPrefix(text, "lexer error"), strings.HasPrefix(text, "parser error"), strings.Contains(text, "Current row has"):
		return fault.Wrap(err, fault.TooLarge, "the constraint is too complex")
	}
	return fault.Wrap(err, fault.Internal, "token mask")
}
