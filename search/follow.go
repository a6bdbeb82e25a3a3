package search

import (
	"context"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// follow streams the events of a search that isn't active here as they come into
// the store, until the search ends, ctx does, or the service stops.
func (s *Service) follow(ctx context.Context, id string, after int) <-chan Event {
	out := make(chan Event)
	go func() {
		defer close(out)
		for {
			events, more, err := s.eventsAfter(ctx, id, after)
			if code := fault.CodeOf(err); err != nil && code != fault.Unavailable {
				return
			}
			var taken bool
			if after, taken = deliver(ctx, out, events, after); !taken {
				return
			}
			if err == nil && !more {
				return
			}
			select {
			case <-time.After(s.followEvery()):
			case <-ctx.Done():
				return
			case <-s.ctx.Done(): // nobody knows when it goes on
				if len(events) == 0 {
					return
				}
			}
		}
	}()
	return out
}

// followEvery is how often the store is asked about a search that another process
// runs.
func (s *Service) followEvery() time.Duration { return min(s.claimEvery, maxFollowEvery) }

// eventsAfter gives the events in the store that are numbered higher than after,
// up to the first that isn't there yet: a search and its trials are read one after
// the other, and written meanwhile. It tells whether there will be more.
func (s *Service) eventsAfter(ctx context.Context, id string, after int) (events []Event, more bool, err error) {
	r, trials, err := s.keeper.loadAll(ctx, id)
	if err != nil {
		return nil, true, err
	}
	for _, e := range r.replay(trials) {
		switch {
		case e.Number <= after:
			continue
		case e.Number > after+1 && !r.State.Final():
			return events, true, nil
		}
		events, after = append(events, e), e.Number
	}
	return events, !r.State.Final(), nil
}
