package search

import (
	"context"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// Get gives a search.
func (s *Service) Get(ctx context.Context, id string) (Search, error) {
	if x := s.find(id); x != nil {
		return x.look(), nil
	}
	r, err := s.keeper.load(ctx, id)
	if err != nil {
		return r.Search, err
	}
	return s.upToDate(ctx, r)
}

// upToDate is a search that isn't active here. While another process runs it, its
// trials know more than its record, which is written once a generation. The record
// alone will do where they can't be read.
func (s *Service) upToDate(ctx context.Context, r record) (Search, error) {
	if r.State.Final() {
		return r.Search, nil
	}
	trials, err := s.keeper.trials(ctx, r)
	if code := fault.CodeOf(err); code == fault.Unavailable || code == fault.Cancelled {
		return Search{}, err
	}
	if err != nil {
		return r.Search, nil
	}
	return r.Search.counted(trials), nil
}

// List gives all searches, the newest first. One that can't be read is shown as
// failed.
func (s *Service) List(ctx context.Context) ([]Search, error) {
	stored, err := s.keeper.store.ListSearches(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Search, 0, len(stored))
	for _, one := range stored {
		if x := s.find(one.ID); x != nil {
			all = append(all, x.look())
			continue
		}
		r, err := decodeRecord(one)
		if err != nil {
			r.Search = Search{ID: one.ID, State: Failed, Reason: err.Error(), CreatedAt: one.CreatedAt}
		} else if r.Search, err = s.upToDate(ctx, r); err != nil {
			return nil, err
		}
		all = append(all, r.Search)
	}
	slices.SortStableFunc(all, func(a, b Search) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, nil
}

// Trials gives the trials of a search in the order of their numbers.
func (s *Service) Trials(ctx context.Context, id string) ([]Trial, error) {
	r, err := s.keeper.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.keeper.trials(ctx, r)
}

// Events streams the events of a search that are numbered higher than after,
// past ones first, until the search ends or ctx does. How fast they are read is
// the reader's business.
func (s *Service) Events(ctx context.Context, id string, after int) (<-chan Event, error) {
	if after < 0 {
		return nil, fault.Bad("after", "events are numbered from 1: after can't be %d", after)
	}
	if x := s.find(id); x != nil {
		return x.events.watch(ctx, after), nil
	}
	r, trials, err := s.keeper.loadAll(ctx, id)
	if err != nil {
		return nil, err
	}
	if !r.State.Final() {
		return s.follow(ctx, id, after), nil
	}
	l := newEventLog(r.replay(trials))
	l.close()
	return l.watch(ctx, after), nil
}
