package device

import (
	"fmt"
	"runtime/debug"

	"github.com/mergeway/mergeway/fault"
)

// Try runs fn and turns a panic into an error, so that no panic of GoMLX's
// graph building crosses a package border. what says what was being done.
// Errors that fn returns pass through unchanged.
func Try(what string, fn func() error) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case error:
			err = fault.Wrap(cause, fault.Internal, "%s", what)
		default:
			err = fault.Wrap(fmt.Errorf("%v\n%s", cause, debug.Stack()), fault.Internal, "%s", what)
		}
	}()
	return fn()
}
