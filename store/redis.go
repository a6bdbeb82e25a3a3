package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/mergeway/mergeway/fault"
)

// Redis keeps records in a Redis server, for several processes that share them.
// Writes of more than one record, and those that depend on what is there, are
// scripts. A connection that breaks is made anew at the next call: when the server
// comes back, so does the store, after many failures in a row within a second or
// so.
//
// How durable a write is, the server's configuration says. With
//
//	appendonly yes
//	appendfsync always        # or everysec: a power cut costs at most a second
//	maxmemory-policy noeviction
//
// it is as durable as in the embedded store; without an append-only file, what
// was written since the last snapshot is lost when the server dies (see
// [Redis.AppendOnly]). Any Redis from 5 on will do, or anything that speaks like
// one, but not a cluster: the keys of a script live in different slots.
//
// The keys; values are JSON as the record types have it:
//
//	mergeway:format             string "1"
//	mergeway:recipes            hash: id -> Recipe
//	mergeway:aliases            hash: name -> Alias
//	mergeway:keys               hash: id -> Key
//	mergeway:searches           hash: id -> Search
//	mergeway:trials:<search id> sorted set of Trial, by number
//	mergeway:response:<id>      string Response, which expires
//	mergeway:responses          sorted set of their ids, by milliseconds of creation
type Redis struct {
	client *redis.Client
	addr   string // for messages; never with the password
}

var _ Store = (*Redis)(nil)

const (
	prefix      = "mergeway:"
	keyRecipes  = prefix + "recipes"
	keyAliases  = prefix + "aliases"
	keyKeys     = prefix + "keys"
	keySearches = prefix + "searches"
)

func keyTrials(searchID string) string { return prefix + "trials:" + searchID }

// quiet silences go-redis, once: it has one logger for the whole process, and
// what it says there it returns as an error as well.
var quiet sync.Once

// OpenRedis connects to the server at url, "redis://user:password@host:port/db",
// or with "rediss" over TLS, or "unix:///path?db=0". It fails with
// fault.Unavailable if the server doesn't answer and with fault.Damaged if it
// holds state of a later mergeway.
func OpenRedis(ctx context.Context, url string) (*Redis, error) {
	quiet.Do(logging.Disable)
	o, err := redis.ParseURL(url)
	if err != nil {
		// The cause may quote the URL, and with it the password.
		return nil, fault.Bad("redis", "the URL of the Redis server can't be read: it is like redis://user:password@host:port/db")
	}
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1     // commands are retried anyway
	o.PipelinePoolSize = -1 // the only ones are reads of a page: one pool will do
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	s := &Redis{client: redis.NewClient(o), addr: o.Addr}
	if err := s.prepare(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// prepare marks an empty database as ours, or checks the mark.
func (s *Redis) prepare(ctx context.Context) error {
	if err := s.client.SetNX(ctx, prefix+"format", format, 0).Err(); err != nil {
		return s.fault(ctx, err)
	}
	found, err := s.client.Get(ctx, prefix+"format").Result()
	if err != nil {
		return s.fault(ctx, err)
	}
	if found != format {
		return fault.New(fault.Damaged, "the state in Redis at %s has the format %q; this mergeway reads %q", s.addr, found, format)
	}
	return nil
}

// AppendOnly says whether the server writes an append-only file: without one, it
// forgets the latest records when it dies.
func (s *Redis) AppendOnly(ctx context.Context) (bool, error) {
	info, err := s.client.Info(ctx, "persistence").Result()
	if err != nil {
		return false, s.fault(ctx, err)
	}
	return strings.Contains(info, "aof_enabled:1"), nil
}

// Ping implements [Store].
func (s *Redis) Ping(ctx context.Context) error {
	return s.fault(ctx, s.client.Ping(ctx).Err())
}

// Close implements [Store].
func (s *Redis) Close() error {
	if err := s.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return fault.Wrap(err, fault.Unavailable, "closing the connections to Redis at %s", s.addr)
	}
	return nil
}

// fault gives errors of Redis and of the network their codes.
func (s *Redis) fault(ctx context.Context, err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case ctx.Err() != nil:
		return fault.Wrap(ctx.Err(), fault.Cancelled, "Redis had not answered yet")
	case errors.Is(err, redis.ErrClosed):
		return fault.Wrap(err, fault.Unavailable, "the store is closed")
	case strings.Contains(err.Error(), "WRONGTYPE"): // before Redis 7, scripts put words of their own in front
		return fault.Wrap(err, fault.Damaged, "keys of mergeway in Redis at %s belong to another program", s.addr)
	}
	return fault.Wrap(err, fault.Unavailable, "Redis at %s is out of reach", s.addr)
}

// --- reading and writing records ------------------------------------------------

// hget reads one record.
func hget[T any](ctx context.Context, s *Redis, hash, kind, key string) (T, error) {
	var record T
	data, err := s.client.HGet(ctx, hash, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return record, missing(kind, key)
	}
	if err != nil {
		return record, s.fault(ctx, err)
	}
	err = decode(data, kind, key, &record)
	return record, err
}

// hlist reads all records of a hash, in any order.
func hlist[T any](ctx context.Context, s *Redis, hash, kind string) ([]T, error) {
	found, err := s.client.HGetAll(ctx, hash).Result()
	if err != nil {
		return nil, s.fault(ctx, err)
	}
	all := make([]T, 0, len(found))
	for key, data := range found {
		var record T
		if err := decode([]byte(data), kind, key, &record); err != nil {
			return nil, err
		}
		all = append(all, record)
	}
	return all, nil
}

func (s *Redis) hset(ctx context.Context, hash, key string, data []byte) error {
	return s.fault(ctx, s.client.HSet(ctx, hash, key, data).Err())
}

func (s *Redis) hdel(ctx context.Context, hash, kind, key string) error {
	n, err := s.client.HDel(ctx, hash, key).Result()
	if err == nil && n == 0 {
		return missing(kind, key)
	}
	return s.fault(ctx, err)
}

// --- recipes -----------------------------------------------------------------------

// PutRecipe implements [Store].
func (s *Redis) PutRecipe(ctx context.Context, r Recipe) error {
	data, err := encodeRecipe(r)
	if err != nil {
		return err
	}
	return s.hset(ctx, keyRecipes, r.ID, data)
}

// GetRecipe implements [Store].
func (s *Redis) GetRecipe(ctx context.Context, id string) (Recipe, error) {
	return hget[Recipe](ctx, s, keyRecipes, "recipe", id)
}

// ListRecipes implements [Store].
func (s *Redis) ListRecipes(ctx context.Context) ([]Recipe, error) {
	all, err := hlist[Recipe](ctx, s, keyRecipes, "recipe")
	sortRecipes(all)
	return all, err
}

// DeleteRecipe implements [Store].
func (s *Redis) DeleteRecipe(ctx context.Context, id string) error {
	return s.hdel(ctx, keyRecipes, "recipe", id)
}

// --- aliases -----------------------------------------------------------------------

// swap puts a new value into a field of a hash, unless the field has changed
// since the caller read it; "" is a field that isn't there. A script and not
// WATCH: a connection that breaks between WATCH and EXEC forgets what it watched.
var swap = redis.NewScript(`
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`)

// PutAlias implements [Store].
func (s *Redis) PutAlias(ctx context.Context, name, target string, at time.Time) (Alias, error) {
	if err := checkAlias(name, target); err != nil {
		return Alias{}, err
	}
	for {
		alias := Alias{Name: name}
		old, err := s.client.HGet(ctx, keyAliases, name).Bytes()
		if err == nil {
			err = decode(old, "alias", name, &alias)
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			return Alias{}, s.fault(ctx, err)
		}
		alias, changed := alias.moved(target, at)
		if !changed {
			return alias, nil
		}
		data, err := encode(alias)
		if err != nil {
			return Alias{}, err
		}
		swapped, err := swap.Run(ctx, s.client, []string{keyAliases}, name, old, data).Int()
		if err != nil {
			return Alias{}, s.fault(ctx, err)
		}
		if swapped == 1 {
			return alias, nil
		} // else somebody moved it meanwhile, so the world goes on
	}
}

// GetAlias implements [Store].
func (s *Redis) GetAlias(ctx context.Context, name string) (Alias, error) {
	return hget[Alias](ctx, s, keyAliases, "alias", name)
}

// ListAliases implements [Store].
func (s *Redis) ListAliases(ctx context.Context) ([]Alias, error) {
	all, err := hlist[Alias](ctx, s, keyAliases, "alias")
	sortAliases(all)
	return all, err
}

// DeleteAlias implements [Store].
func (s *Redis) DeleteAlias(ctx context.Context, name string) error {
	return s.hdel(ctx, keyAliases, "alias", name)
}
