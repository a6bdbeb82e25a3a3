package search

import (
	"context"

	"github.com/mergeway/mergeway/fault"
)

// Resume lets a paused search wait for a place again. One that isn't paused goes
// on by itself, and is left alone; one that has ended is a conflict.
func (s *Service) Resume(ctx context.Context, id string) error {
	for {
		r, err := s.keeper.load(ctx, id)
		switch {
		case err != nil:
			return err
		case r.State.Final():
			return fault.New(fault.Conflict, "search %s is %s: it can't go on; clone it to search again", id, r.State)
		case r.State != Paused:
			return nil
		}
		if err := s.reserve(); err != nil {
			return err
		}
		err = s.resume(ctx, id)
		s.runners.Done()
		if fault.CodeOf(err) != fault.Conflict {
			return err
		}
		// It has been paused this moment, or somebody else resumes or cancels it.
		if err := pause(ctx, s.followEvery()); err != nil {
			return err
		}
	}
}

// resume is one attempt at [Service.Resume], with a place in the queue reserved.
// It is a fault.Conflict if somebody has a claim of the search.
func (s *Service) resume(ctx context.Context, id string) error {
	planned := true
	drop := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if planned {
			s.planned--
			planned = false
		}
	}
	defer drop()
	if x := s.find(id); x != nil { // it came to a halt and is about to be forgotten
		return fault.New(fault.Conflict, "search %s is still active", id)
	}
	claim, err := s.claim(ctx, id)
	if err != nil {
		return err
	}
	r, trials, err := s.keeper.loadAll(ctx, id)
	if err != nil || r.State != Paused {
		s.letGo(claim, err != nil || r.State.unclaimed())
		return err
	}
	x := newRunner(s.ctx, s, r, trials, claim)
	if err := x.change(ctx, x.record, Queued, ""); err != nil {
		s.letGo(claim, true)
		return err
	}
	drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enqueue(x)
	return nil
}
