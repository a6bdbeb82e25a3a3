package quota

import (
	"context"
	"sync"
	"time"
)

// Local keeps the buckets of one process in its memory.
type Local struct {
	now func() time.Duration // since some beginning

	mu       sync.Mutex
	accounts map[string]*account
	sweepAt  int // so many accounts are looked through for those that can be forgotten
}

// account is one caller.
type account struct {
	requests, tokens bucket
	running          int
}

// fewAccounts are never looked through.
const fewAccounts = 1024

// NewLocal makes a Local without callers.
func NewLocal() *Local {
	began := time.Now()
	return &Local{now: func() time.Duration { return time.Since(began) }, accounts: map[string]*account{}, sweepAt: fewAccounts}
}

// Take lets a request of a caller in, or says why not.
func (q *Local) Take(_ context.Context, caller string, l Limits) Verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.account(caller, l)
	var refused Limit
	switch {
	case l.Concurrent > 0 && a.running >= l.Concurrent:
		refused = Concurrent
	case l.Requests > 0 && a.requests.level < 1:
		refused = Requests
	case l.Tokens > 0 && a.tokens.level < 1:
		refused = Tokens
	default:
		if l.Requests > 0 {
			a.requests.level--
		}
		a.running++
	}
	v := l.verdict(refused, a.requests.level, a.tokens.level)
	if refused == "" {
		v.Release = sync.OnceFunc(func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			a.running--
		})
	}
	return v
}

// Charge takes tokens that were used out of a caller's bucket.
func (q *Local) Charge(_ context.Context, caller string, l Limits, tokens int) {
	if l.Tokens == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.account(caller, l).tokens.level -= float64(tokens)
}

// account gives a caller's account as it is now.
func (q *Local) account(caller string, l Limits) *account {
	now := q.now()
	a := q.accounts[caller]
	if a == nil {
		if len(q.accounts) >= q.sweepAt {
			q.sweep(now)
		}
		a = &account{}
		q.accounts[caller] = a
	}
	a.requests.fill(l.Requests, now)
	a.tokens.fill(l.Tokens, now)
	return a
}

// sweep forgets accounts that say no more than new ones would: callers without
// keys are addresses, and there are many.
func (q *Local) sweep(now time.Duration) {
	for caller, a := range q.accounts {
		if a.requests.full(now) && a.tokens.full(now) && a.running == 0 {
			delete(q.accounts, caller)
		}
	}
	q.sweepAt = max(fewAccounts, 2*len(q.accounts))
}
