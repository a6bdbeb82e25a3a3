package search

import (
	"context"
	"errors"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Several processes may share a store. Who runs a search has a claim of it, and
// renews it; everything that is written of the search is written under the claim,
// so that a process that lost it can do no harm, whenever it finds out.

const (
	// renewals is how often a claim is renewed while it lasts.
	renewals = 5
	// maxFollowEvery is the longest time between two looks at what another process
	// does.
	maxFollowEvery = time.Second
	// claimTimeout bounds one question about a claim.
	claimTimeout = 5 * time.Second
)

// claim makes a claim of a search; fault.Conflict if another process has one.
func (s *Service) claim(ctx context.Context, id string) (store.Claim, error) {
	return s.keeper.store.ClaimSearch(ctx, id, s.owner, s.keeper.ttl)
}

// letGo ends a claim. If the store can't be told, it runs out by itself.
func (s *Service) letGo(c store.Claim, ended bool) {
	ctx, cancel := context.WithTimeout(context.Background(), claimTimeout)
	defer cancel()
	if err := s.keeper.store.EndClaim(ctx, c, ended); err != nil && !errors.Is(err, store.ErrClaimLost) {
		s.log.Warn("the claim of a search runs out by itself", "search", c.SearchID, "error", err)
	}
}

// keepClaim renews the claim of an active search until the search is no longer
// active, and ends it then. Meanwhile it does what other processes ask for.
func (s *Service) keepClaim(x *runner) {
	defer func() { s.letGo(x.keeper.claim, x.look().State.unclaimed()) }()
	tick := time.NewTicker(s.claimEvery)
	defer tick.Stop()
	for {
		select {
		case <-x.ended:
			return
		case <-tick.C:
		}
		ctx, done := context.WithTimeout(context.Background(), claimTimeout)
		wish, err := x.keeper.renew(ctx)
		done()
		switch {
		case errors.Is(err, store.ErrClaimLost):
			s.giveUp(x)
		case err != nil: // it lasts for a while, and what is saved tells if it didn't
			x.log.Warn("the claim of the search was not renewed", "error", err)
		case wish != store.NoWish:
			_, cause := ends(wish)
			s.haltActive(x, cause)
		}
	}
}

// giveUp stops work on a search that another process has.
func (s *Service) giveUp(x *runner) {
	x.cancel(store.ErrClaimLost)
	if s.dequeue(x) {
		x.leave()
		s.retire(x, false)
	}
}

// adopt continues a search, if it has not ended and nobody else has a claim of it.
func (s *Service) adopt(ctx context.Context, id string) error {
	if s.find(id) != nil {
		return nil
	}
	claim, err := s.claim(ctx, id)
	if fault.CodeOf(err) == fault.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	r, trials, err := s.keeper.loadAll(ctx, id)
	switch code := fault.CodeOf(err); {
	case code == fault.Unavailable || code == fault.Cancelled: // it is the store that is out of order, not the search
		s.letGo(claim, false)
		return err
	case code == fault.NotFound: // claimed, and never stored
		s.letGo(claim, true)
		return nil
	case err != nil:
		s.log.Error("a search can't continue", "search", id, "error", err)
		s.letGo(claim, true)
		return nil
	case r.State.unclaimed():
		s.letGo(claim, true)
		return nil
	}
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.log.Info("search continues", "search", id, "state", r.State, "trials", len(trials))
		s.enqueue(newRunner(s.ctx, s, r, trials, claim))
	}
	s.mu.Unlock()
	if stopped {
		s.letGo(claim, false)
		return errStopping
	}
	return nil
}

// adoptFree continues searches that nobody has a claim of any more, as long as
// there is a place to run them, until the service stops.
func (s *Service) adoptFree() {
	tick := time.NewTicker(s.claimEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		free, err := s.keeper.store.FreeSearches(s.ctx)
		for _, id := range free {
			if err == nil && s.hasPlace() {
				err = s.adopt(s.ctx, id)
			}
		}
		if err != nil && s.ctx.Err() == nil {
			s.log.Warn("searches that nobody runs were not looked for", "error", err)
		}
	}
}

// hasPlace tells whether another search could run at once.
func (s *Service) hasPlace() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running+len(s.queue)+s.planned < s.maxConcurrent
}
