package store

import (
	"bytes"
	"context"
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// PutSearch implements [Store].
func (s *Bolt) PutSearch(ctx context.Context, search Search) error {
	return s.PutSearchWithTrials(ctx, search, nil)
}

// PutSearchWithTrials implements [Store].
func (s *Bolt) PutSearchWithTrials(ctx context.Context, search Search, trials []Trial) error {
	record, err := encodeSearch(search)
	if err != nil {
		return err
	}
	encoded, err := encodeTrials(search.ID, trials)
	if err != nil {
		return err
	}
	return s.updateSearch(ctx, search.ID, search.Claim, func(tx *bolt.Tx) error {
		if err := tx.Bucket(bucketSearches).Put([]byte(search.ID), record); err != nil {
			return err
		}
		return putTrials(tx, search.ID, encoded)
	})
}

// GetSearch implements [Store].
func (s *Bolt) GetSearch(ctx context.Context, id string) (Search, error) {
	return get[Search](s, ctx, bucketSearches, "search", id)
}

// ListSearches implements [Store].
func (s *Bolt) ListSearches(ctx context.Context) ([]Search, error) {
	all, err := list[Search](s, ctx, bucketSearches, "search")
	sortSearches(all)
	return all, err
}

// PutTrials implements [Store].
func (s *Bolt) PutTrials(ctx context.Context, searchID, claim string, trials []Trial) error {
	encoded, err := encodeTrials(searchID, trials)
	if err != nil {
		return err
	}
	return s.updateSearch(ctx, searchID, claim, func(tx *bolt.Tx) error {
		if tx.Bucket(bucketSearches).Get([]byte(searchID)) == nil {
			return missing("search", searchID)
		}
		return putTrials(tx, searchID, encoded)
	})
}

func putTrials(tx *bolt.Tx, searchID string, trials []encodedTrial) error {
	if len(trials) == 0 {
		return nil
	}
	b, err := tx.Bucket(bucketTrials).CreateBucketIfNotExists([]byte(searchID))
	if err != nil {
		return err
	}
	samples, err := tx.Bucket(bucketSamples).CreateBucketIfNotExists([]byte(searchID))
	if err != nil {
		return err
	}
	for _, t := range trials {
		key := trialKey(t.number)
		if err := b.Put(key, t.data); err != nil {
			return err
		}
		if t.samples == nil {
			err = samples.Delete(key)
		} else {
			err = samples.Put(key, t.samples)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func trialKey(number int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(number)) }

// TrialSamples implements [Store].
func (s *Bolt) TrialSamples(ctx context.Context, searchID string, number int) (samples []byte, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		if tx.Bucket(bucketSearches).Get([]byte(searchID)) == nil {
			return missing("search", searchID)
		}
		samples = bytes.Clone(within(tx, bucketSamples, searchID, string(trialKey(number))))
		return nil
	})
	return samples, err
}

// ListTrials implements [Store].
func (s *Bolt) ListTrials(ctx context.Context, searchID string) ([]Trial, error) {
	page, _, err := s.trials(ctx, searchID, 0, -1)
	return page, err
}

// PageTrials implements [Store].
func (s *Bolt) PageTrials(ctx context.Context, searchID string, offset, limit int) ([]Trial, int, error) {
	if err := checkPage(offset, limit); err != nil {
		return nil, 0, err
	}
	return s.trials(ctx, searchID, offset, limit)
}

// trials reads a page; a negative limit is none.
func (s *Bolt) trials(ctx context.Context, searchID string, offset, limit int) ([]Trial, int, error) {
	page, total := []Trial{}, 0
	err := s.view(ctx, func(tx *bolt.Tx) error {
		if tx.Bucket(bucketSearches).Get([]byte(searchID)) == nil {
			return missing("search", searchID)
		}
		b := tx.Bucket(bucketTrials).Bucket([]byte(searchID))
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, data []byte) error {
			total++
			if total <= offset || limit >= 0 && len(page) == limit {
				return nil
			}
			t := Trial{SearchID: searchID}
			if err := decode(data, "trial of search", searchID, &t); err != nil {
				return err
			}
			page = append(page, t)
			return nil
		})
	})
	if err != nil {
		return nil, 0, err
	}
	return page, total, nil
}
