package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Claims live by the server's clock, which all replicas share.
const clock = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

// What scripts that are about a claim answer.
const (
	claimDone = 0
	claimLost = -1
)

// renewalLost is what the renewal of a lost claim answers in the place of a wish.
const renewalLost = "lost"

// claimScript makes a claim (id, token, owner, milliseconds), or gives the owner
// of the one that lasts.
var claimScript = redis.NewScript(clock + `
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ends and tonumber(ends) > now then return redis.call('HGET', KEYS[2], 'owner') or '' end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'token', ARGV[2], 'owner', ARGV[3])
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[1])
return false`)

// ClaimSearch implements [Store].
func (s *Redis) ClaimSearch(ctx context.Context, id, owner string, ttl time.Duration) (Claim, error) {
	if err := checkClaim(id, owner, ttl); err != nil {
		return Claim{}, err
	}
	c := newClaim(id)
	holder, err := claimScript.Run(ctx, s.client, claimKeys(id), id, c.Token, owner, ttl.Milliseconds()).Text()
	switch {
	case err == redis.Nil:
		return c, nil
	case err != nil:
		return Claim{}, s.fault(ctx, err)
	}
	return Claim{}, claimed(id, holder)
}

// renewScript makes a claim (id, token) last (milliseconds), and gives the wish
// that was noted on it.
var renewScript = redis.NewScript(clock + `
if redis.call('HGET', KEYS[2], 'token') ~= ARGV[2] then return 'lost' end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return redis.call('HGET', KEYS[2], 'wish') or ''`)

// RenewClaim implements [Store].
func (s *Redis) RenewClaim(ctx context.Context, c Claim, ttl time.Duration) (Wish, error) {
	wish, err := renewScript.Run(ctx, s.client, claimKeys(c.SearchID), c.SearchID, c.Token, ttl.Milliseconds()).Text()
	switch {
	case err != nil:
		return NoWish, s.fault(ctx, err)
	case wish == renewalLost:
		return NoWish, ErrClaimLost
	}
	return Wish(wish), nil
}

// endClaimScript lets go of a claim (id, token, 1 if the search has ended).
var endClaimScript = redis.NewScript(`
if redis.call('HGET', KEYS[2], 'token') ~= ARGV[2] then return -1 end
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[2])
else
  redis.call('ZADD', KEYS[1], 0, ARGV[1])
end
return 0`)

// EndClaim implements [Store].
func (s *Redis) EndClaim(ctx context.Context, c Claim, ended bool) error {
	done, err := endClaimScript.Run(ctx, s.client, claimKeys(c.SearchID), c.SearchID, c.Token, ended).Int()
	if err == nil && done == claimLost {
		err = ErrClaimLost
	}
	return s.fault(ctx, err)
}

// askScript notes a wish on a claim that is there.
var askScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[1], 'wish') ~= 'cancel' then
  redis.call('HSET', KEYS[1], 'wish', ARGV[1])
end
return 0`)

// AskOf implements [Store].
func (s *Redis) AskOf(ctx context.Context, searchID string, w Wish) error {
	if err := checkWish(w); err != nil {
		return err
	}
	return s.fault(ctx, askScript.Run(ctx, s.client, []string{keyClaim(searchID)}, string(w)).Err())
}

// freeScript lists the searches whose claim has run out.
var freeScript = redis.NewScript(clock + `
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)`)

// FreeSearches implements [Store].
func (s *Redis) FreeSearches(ctx context.Context) ([]string, error) {
	free, err := freeScript.Run(ctx, s.client, []string{keyClaims}).StringSlice()
	return free, s.fault(ctx, err)
}

func claimKeys(searchID string) []string { return []string{keyClaims, keyClaim(searchID)} }
