package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/mergeway/mergeway/fault"
)

// meta identifies a state of the recipes, aliases and keys in a database.
type meta struct {
	lineage string // drawn when the database is first used; "" for one that was emptied
	epoch   int64  // counts how often lost state was put back
	version int64  // counts changes
}

// follows tells whether a state is another one, or what became of it since.
func (m meta) follows(earlier meta) bool {
	return m.lineage == earlier.lineage && m.epoch == earlier.epoch && m.version >= earlier.version
}

// notice is one change: what a record is now. Its text on the channel is the
// version, who made it, the kind, the key as JSON and the record, a line each.
type notice struct {
	version int64
	by      string // the Redis.name through which the change was made
	kind    string
	key     string
	record  []byte // empty: it was deleted
}

// The kinds of notices.
const (
	kindRecipe = "recipe"
	kindAlias  = "alias"
	kindKey    = "key"
	kindAll    = "all" // much has changed: read everything again
)

// text is the notice without its version, which only the script knows.
func (n notice) text() string {
	key, _ := json.Marshal(n.key) // a string can always be written
	return fmt.Sprintf("%s\n%s\n%s\n%s", n.by, n.kind, key, n.record)
}

// parseNotice reads a notice as it comes from the channel.
func parseNotice(text string) (n notice, err error) {
	lines := bytes.SplitN([]byte(text), []byte("\n"), 5)
	if len(lines) != 5 {
		return n, fault.New(fault.Damaged, "a notice of %d lines", len(lines))
	}
	if n.version, err = strconv.ParseInt(string(lines[0]), 10, 64); err != nil {
		return n, fault.Wrap(err, fault.Damaged, "a notice without a version")
	}
	if err := json.Unmarshal(lines[3], &n.key); err != nil {
		return n, fault.Wrap(err, fault.Damaged, "a notice without a key")
	}
	n.by, n.kind, n.record = string(lines[1]), string(lines[2]), lines[4]
	return n, nil
}

// changing begins every script that changes recipes, aliases or keys. It refuses a
// database that has lost the state it was opened with, or holds another, and gives
// the script a function that counts a change and tells it.
//
//	KEYS  meta, and the script's own from 2
//	ARGV  lineage, channel, text of the notice, and the script's own from 4
const changing = `
if redis.call('HGET', KEYS[1], 'lineage') ~= ARGV[1] then return {-1, ''} end
local function tell()
  local version = redis.call('HINCRBY', KEYS[1], 'version', 1)
  redis.call('PUBLISH', ARGV[2], version .. '\n' .. ARGV[3])
  return {version, ''}
end
`

// outcome is what a script with [changing] says: the version that it made, or a
// number of its own that isn't positive, and a text.
type outcome struct {
	code int64
	text string
}

// change runs a script that begins with [changing].
func (s *Redis) change(ctx context.Context, script *redis.Script, lineage string, n *notice, keys []string, args ...any) (outcome, error) {
	n.by = s.name
	reply, err := script.Run(ctx, s.client, append([]string{keyMeta}, keys...), append([]any{lineage, s.channel, n.text()}, args...)...).Slice()
	if err != nil {
		return outcome{}, s.fault(ctx, err)
	}
	code, _ := reply[0].(int64)
	text, _ := reply[1].(string)
	if code == otherState {
		return outcome{}, fault.New(fault.Unavailable, "Redis at %s has lost its state, or holds another than it did", s.addr)
	}
	n.version = max(code, 0)
	return outcome{code, text}, nil
}

// deleteScript deletes a record (key).
var deleteScript = redis.NewScript(changing + `
if redis.call('HDEL', KEYS[2], ARGV[4]) == 0 then return {0, ''} end
return tell()`)

// deleteRecord deletes a record that nothing depends on, and gives the notice of it.
func (s *Redis) deleteRecord(ctx context.Context, lineage, kind, hash, key string) (notice, error) {
	n := notice{kind: kind, key: key}
	done, err := s.change(ctx, deleteScript, lineage, &n, []string{hash}, key)
	if err == nil && done.code == 0 {
		err = missing(kind, key)
	}
	return n, err
}

// otherState is the code of a script that found another lineage.
const otherState = -1

// where reads what identifies the state that is there now.
func (s *Redis) where(ctx context.Context) (meta, error) {
	found, err := s.client.HMGet(ctx, keyMeta, "lineage", "epoch", "version").Result()
	if err != nil {
		return meta{}, s.fault(ctx, err)
	}
	return parseMeta(found)
}

func parseMeta(fields []any) (m meta, err error) {
	m.lineage, _ = fields[0].(string)
	for i, number := range []*int64{&m.epoch, &m.version} {
		if text, there := fields[i+1].(string); there {
			if *number, err = strconv.ParseInt(text, 10, 64); err != nil {
				return meta{}, fault.Wrap(err, fault.Damaged, "what identifies the state in Redis can't be read")
			}
		}
	}
	return m, nil
}

// snapshot reads all recipes, aliases and keys as they are at one moment.
func (s *Redis) snapshot(ctx context.Context) (*view, error) {
	var identity *redis.SliceCmd
	var recipes, aliases, keys *redis.MapStringStringCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		identity = p.HMGet(ctx, keyMeta, "lineage", "epoch", "version")
		recipes = p.HGetAll(ctx, keyRecipes)
		aliases = p.HGetAll(ctx, keyAliases)
		keys = p.HGetAll(ctx, keyKeys)
		return nil
	})
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	v := newView()
	if v.meta, err = parseMeta(identity.Val()); err != nil {
		return nil, err
	}
	err = errors.Join(
		decodeAll(recipes.Val(), kindRecipe, v.recipes),
		decodeAll(aliases.Val(), kindAlias, v.aliases),
		decodeAll(keys.Val(), kindKey, v.keys),
	)
	return v, err
}

func decodeAll[T any](found map[string]string, kind string, into map[string]T) error {
	for key, data := range found {
		var record T
		if err := decode([]byte(data), kind, key, &record); err != nil {
			return err
		}
		into[key] = record
	}
	return nil
}

// restoreScript puts records back, if the state is still the one that they were
// missed in.
//
//	KEYS  meta, format, recipes, aliases, keys
//	ARGV  the state that was seen: lineage, epoch, version; the one that it is
//	      from now on: lineage, epoch, version; format; channel; text of the
//	      notice; then for each record the index of its key, its field, itself
var restoreScript = redis.NewScript(`
local now = redis.call('HMGET', KEYS[1], 'lineage', 'epoch', 'version')
for i, missing in ipairs({'', '0', '0'}) do
  if (now[i] or missing) ~= ARGV[i] then return 0 end
end
for i = 10, #ARGV, 3 do
  redis.call('HSET', KEYS[tonumber(ARGV[i])], ARGV[i+1], ARGV[i+2])
end
redis.call('SETNX', KEYS[2], ARGV[7])
redis.call('HSET', KEYS[1], 'lineage', ARGV[4], 'epoch', ARGV[5], 'version', ARGV[6])
redis.call('PUBLISH', ARGV[8], ARGV[6] .. '\n' .. ARGV[9])
return 1`)

// restore puts records back that the state seen lacks. It says whether the state was
// still the same.
func (s *Redis) restore(ctx context.Context, seen, next meta, lost records) (bool, error) {
	args := []any{seen.lineage, seen.epoch, seen.version, next.lineage, next.epoch, next.version,
		format, s.channel, notice{by: s.name, kind: kindAll}.text()}
	hashes := []string{keyMeta, keyMark, keyRecipes, keyAliases, keyKeys}
	add := func(hash, key string, record any) error {
		data, err := encode(record)
		args = append(args, 1+slices.Index(hashes, hash), key, data)
		return err
	}
	var err error
	for _, r := range lost.recipes {
		err = errors.Join(err, add(keyRecipes, r.ID, r))
	}
	for _, a := range lost.aliases {
		err = errors.Join(err, add(keyAliases, a.Name, a))
	}
	for _, k := range lost.keys {
		err = errors.Join(err, add(keyKeys, k.ID, k))
	}
	if err != nil {
		return false, err
	}
	done, err := restoreScript.Run(ctx, s.client, hashes, args...).Int()
	return done == 1, s.fault(ctx, err)
}
