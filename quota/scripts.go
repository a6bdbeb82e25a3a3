package quota

import "github.com/redis/go-redis/v9"

// The buckets of [Shared] are hashes of level and at, microseconds by the clock
// of the server: those of the gateways may differ. Slots, the requests that run,
// are members of a sorted set by when they end if nobody renews them: a gateway
// that died gives them back so.

// fillScript is what bucket.fill does. A bucket that would be full again is as
// good as none, so it expires.
const fillScript = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function fill(key, cap)
  if cap == 0 then return 0 end
  local found = redis.call('HMGET', key, 'level', 'at')
  if not found[1] then return cap end
  return math.min(cap, found[1] + cap * math.max(0, now - found[2]) / 60000000)
end
local function keep(key, cap, level)
  redis.call('HSET', key, 'level', string.format('%.6f', level), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, math.ceil((cap - level) / cap * 60000) + 1000)
end
`

// takeScript lets a request in, or not. It gives what refused it, and both levels.
var takeScript = redis.NewScript(fillScript + `
local rpm, tpm, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local requests, tokens = fill(KEYS[1], rpm), fill(KEYS[2], tpm)
local refused = ''
if most > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now))
  if redis.call('ZCARD', KEYS[3]) >= most then refused = 'concurrent requests' end
end
if refused == '' and rpm > 0 and requests < 1 then refused = 'requests per minute' end
if refused == '' and tpm > 0 and tokens < 1 then refused = 'tokens per minute' end
if refused == '' then
  if rpm > 0 then
    requests = requests - 1
    keep(KEYS[1], rpm, requests)
  end
  if most > 0 then
    redis.call('ZADD', KEYS[3], string.format('%.0f', now + ARGV[5] * 1000), ARGV[4])
    redis.call('PEXPIRE', KEYS[3], ARGV[5])
  end
end
return {refused, string.format('%.6f', requests), string.format('%.6f', tokens)}`)

// chargeScript takes tokens out of a bucket.
var chargeScript = redis.NewScript(fillScript + `
local cap = tonumber(ARGV[1])
keep(KEYS[1], cap, fill(KEYS[1], cap) - ARGV[2])
return 1`)

// renewScript says of slots that they still run. One that isn't there any more
// stays away: it may just have been given back.
var renewScript = redis.NewScript(`
local time = redis.call('TIME')
local ends = string.format('%.0f', time[1] * 1000000 + time[2] + ARGV[1] * 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)
