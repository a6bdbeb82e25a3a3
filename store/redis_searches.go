package store

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// PutSearch implements [Store].
func (s *Redis) PutSearch(ctx context.Context, search Search) error {
	return s.PutSearchWithTrials(ctx, search, nil)
}

// PutSearchWithTrials implements [Store].
func (s *Redis) PutSearchWithTrials(ctx context.Context, search Search, trials []Trial) error {
	record, err := encodeSearch(search)
	if err != nil {
		return err
	}
	encoded, err := encodeTrials(search.ID, trials)
	if err != nil {
		return err
	}
	_, err = s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, keySearches, search.ID, record)
		queueTrials(ctx, p, search.ID, encoded)
		return nil
	})
	return s.fault(ctx, err)
}

// GetSearch implements [Store].
func (s *Redis) GetSearch(ctx context.Context, id string) (Search, error) {
	return hget[Search](ctx, s, keySearches, "search", id)
}

// ListSearches implements [Store].
func (s *Redis) ListSearches(ctx context.Context) ([]Search, error) {
	all, err := hlist[Search](ctx, s, keySearches, "search")
	sortSearches(all)
	return all, err
}

// PutTrials implements [Store]. Searches are never deleted, so one that was
// there a moment ago still is.
func (s *Redis) PutTrials(ctx context.Context, searchID string, trials []Trial) error {
	encoded, err := encodeTrials(searchID, trials)
	if err != nil {
		return err
	}
	there, err := s.client.HExists(ctx, keySearches, searchID).Result()
	if err != nil {
		return s.fault(ctx, err)
	}
	if !there {
		return missing("search", searchID)
	}
	if len(encoded) == 0 {
		return nil
	}
	_, err = s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		queueTrials(ctx, p, searchID, encoded)
		return nil
	})
	return s.fault(ctx, err)
}

// queueTrials adds the writing of trials to a transaction. A trial is a member
// of a sorted set, its number the score; its number is also part of its JSON, so
// that two trials are never the same member.
func queueTrials(ctx context.Context, p redis.Pipeliner, searchID string, trials []encodedTrial) {
	key := keyTrials(searchID)
	for _, t := range trials {
		number := strconv.Itoa(t.number)
		p.ZRemRangeByScore(ctx, key, number, number)
		p.ZAdd(ctx, key, redis.Z{Score: float64(t.number), Member: t.data})
	}
}

// ListTrials implements [Store].
func (s *Redis) ListTrials(ctx context.Context, searchID string) ([]Trial, error) {
	page, _, err := s.trials(ctx, searchID, 0, -1)
	return page, err
}

// PageTrials implements [Store].
func (s *Redis) PageTrials(ctx context.Context, searchID string, offset, limit int) ([]Trial, int, error) {
	if err := checkPage(offset, limit); err != nil {
		return nil, 0, err
	}
	last := int64(offset) + int64(limit) - 1
	if last < 0 { // overflow
		last = -1
	}
	return s.trials(ctx, searchID, int64(offset), last)
}

// trials reads the trials from position first to position last; -1 is the end.
func (s *Redis) trials(ctx context.Context, searchID string, first, last int64) ([]Trial, int, error) {
	key := keyTrials(searchID)
	var there *redis.BoolCmd
	var total *redis.IntCmd
	var found *redis.StringSliceCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		there = p.HExists(ctx, keySearches, searchID)
		total = p.ZCard(ctx, key)
		found = p.ZRange(ctx, key, first, last)
		return nil
	})
	if err != nil {
		return nil, 0, s.fault(ctx, err)
	}
	if !there.Val() {
		return nil, 0, missing("search", searchID)
	}
	page := make([]Trial, len(found.Val()))
	for i, data := range found.Val() {
		page[i].SearchID = searchID
		if err := decode([]byte(data), "trial of search", searchID, &page[i]); err != nil {
			return nil, 0, err
		}
	}
	return page, int(total.Val()), nil
}
