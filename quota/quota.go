package quota

import "time"

// Limits bound one caller. Zero is no limit.
type Limits struct {
	Requests   int `json:"requests_per_minute,omitempty"`
	Tokens     int `json:"tokens_per_minute,omitempty"` // of prompts and replies together
	Concurrent int `json:"concurrent_requests,omitempty"`
}

// Max is the largest limit there may be: so far the arithmetic is exact enough.
const Max = 1_000_000_000

// Limit names one of the limits, in the words of messages.
type Limit string

// The limits that can refuse a request.
const (
	Requests   Limit = "requests per minute"
	Tokens     Limit = "tokens per minute"
	Concurrent Limit = "concurrent requests"
)

// Of gives the limit of a name.
func (l Limits) Of(name Limit) int {
	return map[Limit]int{Requests: l.Requests, Tokens: l.Tokens, Concurrent: l.Concurrent}[name]
}

// Verdict says whether a request may go on.
type Verdict struct {
	Refused  Limit         // the limit that was reached; empty: it may go on
	Retry    time.Duration // when a refused one may be tried again
	Requests Standing      // of a limit that there is
	Tokens   Standing

	// Release says that the request has ended. It is nil if the request was
	// refused.
	Release func()
}

// Standing is how much of a rate is left.
type Standing struct {
	Remaining int
	Reset     time.Duration // until all of it is there again
}

// slotPause is when to try again after too many requests at once: nobody knows
// when one of them ends.
const slotPause = time.Second
