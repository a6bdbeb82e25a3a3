package search

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// flakyStore is a store that can be out of reach for a while, or do what it is
// asked and yet say that it didn't.
type flakyStore struct {
	Store

	mu      sync.Mutex
	asleep  bool
	lying   bool          // writes of trials arrive, but are reported as lost
	refused int           // calls since it fell asleep or began to lie
	wanted  int           // how many refusals are waited for
	enough  chan struct{} // closed when there were as many

	frozen atomic.Bool // claims can't be renewed
}

// Sleep puts the store out of reach. The channel is closed when it has refused
// n calls.
func (s *flakyStore) Sleep(n int) <-chan struct{} { return s.disturb(n, true, false) }

// Lie makes the store report writes of trials as lost.
func (s *flakyStore) Lie(n int) <-chan struct{} { return s.disturb(n, false, true) }

// Wakeup ends Sleep and Lie.
func (s *flakyStore) Wakeup() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep, s.lying = false, false
}

func (s *flakyStore) disturb(n int, asleep, lying bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep, s.lying, s.refused, s.wanted, s.enough = asleep, lying, 0, n, make(chan struct{})
	return s.enough
}

// call does something, unless the store is asleep.
func (s *flakyStore) call(trials bool, do func() error) error {
	s.mu.Lock()
	asleep, lying := s.asleep, s.lying && trials
	if asleep || lying {
		if s.refused++; s.refused == s.wanted {
			defer close(s.enough)
		}
	}
	s.mu.Unlock()
	unreachable := fault.New(fault.Unavailable, "the store is out of reach")
	if asleep {
		return unreachable
	}
	if err := do(); err != nil || !lying {
		return err
	}
	return unreachable
}

func (s *flakyStore) PutSearch(ctx context.Context, x store.Search) error {
	return s.call(false, func() error { return s.Store.PutSearch(ctx, x) })
}

func (s *flakyStore) PutSearchWithTrials(ctx context.Context, x store.Search, trials []store.Trial) error {
	return s.call(true, func() error { return s.Store.PutSearchWithTrials(ctx, x, trials) })
}

func (s *flakyStore) PutTrials(ctx context.Context, id, claim string, trials []store.Trial) error {
	return s.call(true, func() error { return s.Store.PutTrials(ctx, id, claim, trials) })
}

func (s *flakyStore) GetSearch(ctx context.Context, id string) (x store.Search, err error) {
	err = s.call(false, func() error { x, err = s.Store.GetSearch(ctx, id); return err })
	return x, err
}

func (s *flakyStore) ListSearches(ctx context.Context) (all []store.Search, err error) {
	err = s.call(false, func() error { all, err = s.Store.ListSearches(ctx); return err })
	return all, err
}

func (s *flakyStore) ListTrials(ctx context.Context, id string) (all []store.Trial, err error) {
	err = s.call(false, func() error { all, err = s.Store.ListTrials(ctx, id); return err })
	return all, err
}

func (s *flakyStore) ClaimSearch(ctx context.Context, id, owner string, ttl time.Duration) (c store.Claim, err error) {
	err = s.call(false, func() error { c, err = s.Store.ClaimSearch(ctx, id, owner, ttl); return err })
	return c, err
}

func (s *flakyStore) RenewClaim(ctx context.Context, c store.Claim, ttl time.Duration) (w store.Wish, err error) {
	if s.frozen.Load() {
		return store.NoWish, fault.New(fault.Unavailable, "the store is out of reach")
	}
	err = s.call(false, func() error { w, err = s.Store.RenewClaim(ctx, c, ttl); return err })
	return w, err
}

func (s *flakyStore) EndClaim(ctx context.Context, c store.Claim, ended bool) error {
	return s.call(false, func() error { return s.Store.EndClaim(ctx, c, ended) })
}

func (s *flakyStore) FreeSearches(ctx context.Context) (free []string, err error) {
	err = s.call(false, func() error { free, err = s.Store.FreeSearches(ctx); return err })
	return free, err
}
