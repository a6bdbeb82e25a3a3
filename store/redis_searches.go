package store

import (
	"context"
	"errors"
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
	return s.checkpoint(ctx, search.ID, search.Claim, record, encoded)
}

// The codes of a checkpoint that was not made.
const (
	searchMissing = 0
	searchTaken   = -1 // the claim isn't the search's
)

// checkpointScript writes the record of a search, or with an empty one only
// wants it to be there, and trials, under a claim unless its token is empty (id,
// token, record, then number, trial and samples of each). A trial is a member of a sorted
// set, its number the score; its number is also part of its JSON, so that two
// trials are never the same member. A script and not MULTI: EXEC goes on after a
// command that failed, so a key of another program would leave half of a
// checkpoint. ZCARD and HLEN fail on such keys before the search is written.
var checkpointScript = redis.NewScript(`
redis.call('ZCARD', KEYS[2])
redis.call('HLEN', KEYS[4])
if ARGV[2] ~= '' and redis.call('HGET', KEYS[3], 'token') ~= ARGV[2] then return -1 end
if ARGV[3] == '' then
  if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
for i = 4, #ARGV, 3 do
  redis.call('ZREMRANGEBYSCORE', KEYS[2], ARGV[i], ARGV[i])
  redis.call('ZADD', KEYS[2], ARGV[i], ARGV[i+1])
  if ARGV[i+2] == '' then
    redis.call('HDEL', KEYS[4], ARGV[i])
  else
    redis.call('HSET', KEYS[4], ARGV[i], ARGV[i+2])
  end
end
return 1`)

// checkpoint runs the script.
func (s *Redis) checkpoint(ctx context.Context, id, claim string, record []byte, trials []encodedTrial) error {
	args := make([]any, 0, 3+3*len(trials))
	args = append(args, id, claim, record)
	for _, t := range trials {
		args = append(args, t.number, t.data, t.samples)
	}
	done, err := checkpointScript.Run(ctx, s.client, []string{keySearches, keyTrials(id), keyClaim(id), keySamples(id)}, args...).Int()
	switch {
	case err != nil:
		return s.fault(ctx, err)
	case done == searchTaken:
		return ErrClaimLost
	case done == searchMissing:
		return missing("search", id)
	}
	return nil
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

// PutTrials implements [Store].
func (s *Redis) PutTrials(ctx context.Context, searchID, claim string, trials []Trial) error {
	encoded, err := encodeTrials(searchID, trials)
	if err != nil {
		return err
	}
	return s.checkpoint(ctx, searchID, claim, nil, encoded)
}

// ListTrials implements [Store].
func (s *Redis) ListTrials(ctx context.Context, searchID string) ([]Trial, error) {
	page, _, err := s.trials(ctx, searchID, 0, -1)
	return page, err
}

// TrialSamples implements [Store].
func (s *Redis) TrialSamples(ctx context.Context, searchID string, number int) ([]byte, error) {
	var there *redis.BoolCmd
	var found *redis.StringCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		there = p.HExists(ctx, keySearches, searchID)
		found = p.HGet(ctx, keySamples(searchID), strconv.Itoa(number))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, s.fault(ctx, err)
	}
	if !there.Val() {
		return nil, missing("search", searchID)
	}
	samples, err := found.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return samples, s.fault(ctx, err)
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
