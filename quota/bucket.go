package quota

import (
	"math"
	"time"
)

// bucket is one rate of one caller: what was in it, and when. The scripts of
// [Shared] do the same sums.
type bucket struct {
	perMinute int     // zero: nobody wanted it yet
	level     float64 // below zero after a charge that nobody could foresee
	at        time.Duration
}

// fill brings the bucket to now. A new one is full. Requests that this rate does
// not bound leave it alone.
func (b *bucket) fill(perMinute int, now time.Duration) {
	if perMinute == 0 {
		return
	}
	if b.perMinute == 0 {
		b.level = float64(perMinute)
	}
	gained := float64(perMinute) * max(0, now-b.at).Minutes()
	b.perMinute, b.level, b.at = perMinute, min(float64(perMinute), b.level+gained), now
}

// full tells whether the bucket is as a new one would be.
func (b *bucket) full(now time.Duration) bool {
	b.fill(b.perMinute, now)
	return b.level == float64(b.perMinute)
}

// standing is how a bucket of this level looks from outside.
func standing(level float64, perMinute int) Standing {
	return Standing{Remaining: max(0, int(math.Floor(level))), Reset: until(float64(perMinute), level, perMinute)}
}

// until is how long it takes from one level to another.
func until(target, level float64, perMinute int) time.Duration {
	return time.Duration(math.Ceil(max(0, target-level) / float64(perMinute) * float64(time.Minute)))
}

// verdict makes a Verdict of what was found: what refused, and the levels after
// the request was let in or not.
func (l Limits) verdict(refused Limit, requests, tokens float64) Verdict {
	v := Verdict{Refused: refused}
	if l.Requests > 0 {
		v.Requests = standing(requests, l.Requests)
	}
	if l.Tokens > 0 {
		v.Tokens = standing(tokens, l.Tokens)
	}
	switch refused {
	case Requests:
		v.Retry = until(1, requests, l.Requests)
	case Tokens:
		v.Retry = until(1, tokens, l.Tokens)
	case Concurrent:
		v.Retry = slotPause
	}
	return v
}
