package store

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

const (
	keyResponses = prefix + "responses"
	keyResponse  = prefix + "response:" // and the id
)

// putResponse writes a response, and forgets the oldest until at most so many
// are left. Redis forgets those whose time is over by itself; their ids go here,
// as far as nothing older is in the way, a hundred at a time. STRLEN and ZCARD
// fail on keys of another program before anything is written.
var putResponse = redis.NewScript(`
redis.call('STRLEN', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
local extra = redis.call('ZCARD', KEYS[1]) + 1 - tonumber(ARGV[5])
for i = 1, math.max(extra, 100) do
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
  if not oldest or i > extra and redis.call('EXISTS', ARGV[6] .. oldest) == 1 then break end
  redis.call('DEL', ARGV[6] .. oldest)
  redis.call('ZREM', KEYS[1], oldest)
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2])
redis.call('PEXPIREAT', KEYS[2], ARGV[4])`)

// PutResponse implements [Store].
func (s *Redis) PutResponse(ctx context.Context, r Response, most int) error {
	data, err := encodeResponse(r, most)
	if err != nil {
		return err
	}
	err = putResponse.Run(ctx, s.client, []string{keyResponses, keyResponse + r.ID},
		r.ID, data, r.CreatedAt.UnixMilli(), r.ExpiresAt.UnixMilli(), most, keyResponse).Err()
	if errors.Is(err, redis.Nil) { // it returns nothing
		return nil
	}
	return s.fault(ctx, err)
}

// GetResponse implements [Store].
func (s *Redis) GetResponse(ctx context.Context, id string) (Response, error) {
	var r Response
	data, err := s.client.Get(ctx, keyResponse+id).Bytes()
	if errors.Is(err, redis.Nil) {
		return r, missing("response", id)
	}
	if err != nil {
		return r, s.fault(ctx, err)
	}
	err = decode(data, "response", id, &r)
	return r, err
}

// deleteResponse forgets a response and says whether it was there.
var deleteResponse = redis.NewScript(`
redis.call('STRLEN', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])`)

// DeleteResponse implements [Store].
func (s *Redis) DeleteResponse(ctx context.Context, id string) error {
	n, err := deleteResponse.Run(ctx, s.client, []string{keyResponses, keyResponse + id}, id).Int()
	if err == nil && n == 0 {
		return missing("response", id)
	}
	return s.fault(ctx, err)
}
