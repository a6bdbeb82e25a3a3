// Package fault is the vocabulary of failure that every room shares: one small
// error type with a machine-readable code. Rooms say what went wrong in their
// own terms ([NotFound], [Unfit], [Damaged]); only the gateway knows what that
// means over HTTP. Errors without a code are internal: complete in the log,
// and no more than "internal error" to a stranger.
package fault
