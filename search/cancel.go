package search

import (
	"context"

	"github.com/mergeway/mergeway/fault"
)

// Cancel ends a search and waits until it has. Its trials are kept. To cancel a
// cancelled search is fine; one that has ended otherwise is a conflict.
func (s *Service) Cancel(ctx context.Context, id string) error {
	for {
		if x := s.find(id); x != nil {
			s.cancelActive(x)
			select {
			case <-x.ended:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		r, err := s.keeper.load(ctx, id)
		switch {
		case err != nil:
			return err
		case r.State == Cancelled:
			return nil
		case r.State.Final():
			return fault.New(fault.Conflict, "search %s is %s already", id, r.State)
		}
		if err := s.bury(ctx, id); fault.CodeOf(err) != fault.Conflict {
			return err
		}
		// Another process runs it, and hears of this when it renews its claim; or
		// it has died, and its claim runs out.
		if err := s.keeper.store.AskToCancel(ctx, id); err != nil {
			return err
		}
		if err := pause(ctx, s.followEvery()); err != nil {
			return err
		}
	}
}

// cancelActive begins to cancel a search that is active here.
func (s *Service) cancelActive(x *runner) {
	x.cancel(errCancelled)
	if s.dequeue(x) {
		_ = x.end(errCancelled) // who cancels looks at what is in the store
		close(x.ended)
		s.retire(x, false)
	}
}

// bury cancels a search that has not ended, yet that nobody runs: one that was
// given up because the store was out of reach for too long, or whose process has
// died. It is a fault.Conflict if somebody does run it.
func (s *Service) bury(ctx context.Context, id string) error {
	if s.ctx.Err() != nil {
		return errStopping
	}
	claim, err := s.claim(ctx, id)
	if err != nil {
		return err
	}
	r, trials, err := s.keeper.loadAll(ctx, id) // anew: it may have gone on before the claim
	if err == nil && !r.State.Final() {
		x := newRunner(s.ctx, s, r, trials, claim)
		x.cancel(errCancelled)
		err = x.end(errCancelled)
		r.Search = x.look()
	}
	s.letGo(claim, r.State.Final())
	return err
}
