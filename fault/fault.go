package fault

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an [Error] is. The gateway's status table is
// the only place that turns codes into HTTP.
type Code string

// The codes a room may return. Anything without a code is [Internal].
const (
	Invalid     Code = "invalid"       // the caller's input is wrong; Param names the field
	TooLarge    Code = "too_large"     // the input is over a configured limit
	NotFound    Code = "not_found"     // no such model, recipe, search, task or route
	Conflict    Code = "conflict"      // the name is taken, or the state forbids it
	Unfit       Code = "unfit"         // the sources of a recipe cannot be merged together
	Busy        Code = "busy"          // a queue is full; try again later
	Unavailable Code = "unavailable"   // loading, draining, or a store is out of reach
	Damaged     Code = "damaged"       // a file on disk is broken: truncated, malformed, out of bounds
	OutOfMemory Code = "out_of_memory" // it cannot fit the memory budget
	Cancelled   Code = "cancelled"     // the caller went away or cancelled it
	Internal    Code = "internal"      // our fault
)

// Error is the one error type that crosses package borders on purpose: a code
// for machines, a message for people, and the request field at fault, if any.
type Error struct {
	Code    Code
	Message string
	Param   string // the field at fault in the caller's own terms; may be empty
	Err     error  // the cause, for the log and for errors.Is/As; may be nil
}

// Error implements error: the message, then the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error with a formatted message.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error around a cause.
func Wrap(err error, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Err: err}
}

// Bad is the everyday case: the named request field is wrong.
func Bad(param, format string, args ...any) *Error {
	return &Error{Code: Invalid, Param: param, Message: fmt.Sprintf(format, args...)}
}

// CodeOf gives the code of the outermost *Error in err's chain, [Internal] if
// there is none, and "" for a nil error.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
