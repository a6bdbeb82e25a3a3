package search

import (
	"context"
	"errors"

	"github.com/mergeway/mergeway/fault"
)

// hindrance keeps a search from going on until somebody sets it right: a source is
// gone, a task is malformed. It pauses the search, which has lost nothing and can be
// resumed; no candidate is to blame for it.
type hindrance struct{ err error }

func (h hindrance) Error() string { return h.err.Error() }
func (h hindrance) Unwrap() error { return h.err }

// hindered makes a hindrance of an error. That of a store or of the end of a process
// is none.
func hindered(err error) error {
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.Invalid, fault.Damaged, fault.Conflict, fault.Unfit:
		return hindrance{err}
	}
	return err
}

// isHindrance tells whether an error is one.
func isHindrance(err error) bool { return errors.As(err, new(hindrance)) }

// blameless looks for who is to blame for an evaluation that failed: if the models
// of the search are not there any more, or no longer what they were, that is a
// hindrance. nil if it was the candidate.
func (x *runner) blameless(ctx context.Context, failure error) error {
	switch fault.CodeOf(failure) {
	case fault.NotFound, fault.Damaged, fault.Conflict, fault.Unfit:
	default:
		return nil
	}
	var depths []int
	err := x.guarded(func() (err error) { depths, err = depthsOf(ctx, x.lab, x.record.Spec, x.record.Inputs); return err })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return hindered(err)
	}
	for i, n := range x.record.depths() {
		if i >= len(depths) || depths[i] != n {
			return hindrance{fault.New(fault.Conflict, "the models have %v blocks, and had %v when the search began", depths, x.record.depths())}
		}
	}
	return nil
}
