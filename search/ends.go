package search

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Cancel ends a search and waits until it has. Its trials are kept. To cancel a
// cancelled search is fine; one that has ended otherwise is a conflict.
func (s *Service) Cancel(ctx context.Context, id string) error {
	return s.halt(ctx, id, store.WishCancel)
}

// Pause lets a search rest, and waits until it does: its place is another's, and
// it goes on when [Service.Resume] says so and not before, whatever becomes of
// processes. The candidate that was being tried is tried again then. To pause a
// paused search is fine; one that has ended is a conflict.
func (s *Service) Pause(ctx context.Context, id string) error {
	return s.halt(ctx, id, store.WishPause)
}

// ends says what becomes of a search by a wish, and what its runner is told.
func ends(w store.Wish) (State, error) {
	if w == store.WishPause {
		return Paused, errPaused
	}
	return Cancelled, errCancelled
}

// halt brings a search to a halt, whoever runs it.
func (s *Service) halt(ctx context.Context, id string, w store.Wish) error {
	state, cause := ends(w)
	for {
		if x := s.find(id); x != nil {
			s.haltActive(x, cause)
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
		case r.State == state:
			return nil
		case r.State.Final():
			return fault.New(fault.Conflict, "search %s is %s already", id, r.State)
		}
		if err := s.bury(ctx, id, cause); fault.CodeOf(err) != fault.Conflict {
			return err
		}
		// Another process runs it, and hears of this when it renews its claim; or
		// it has died, and its claim runs out.
		if err := s.keeper.store.AskOf(ctx, id, w); err != nil {
			return err
		}
		if err := pause(ctx, s.followEvery()); err != nil {
			return err
		}
	}
}

// haltActive begins to bring a search that is active here to a halt.
func (s *Service) haltActive(x *runner, cause error) {
	x.cancel(cause)
	if s.dequeue(x) {
		_ = x.end(cause) // who asked for it looks at what is in the store
		close(x.ended)
		s.retire(x, false)
	}
}

// bury brings a search to a halt that has not ended, yet that nobody runs: one
// that was given up because the store was out of reach for too long, one whose
// process has died, or one that is paused. It is a fault.Conflict if somebody does
// run it.
func (s *Service) bury(ctx context.Context, id string, cause error) error {
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
		x.cancel(cause)
		err = x.end(cause)
		r.Search = x.look()
	}
	s.letGo(claim, r.State.unclaimed())
	return err
}
