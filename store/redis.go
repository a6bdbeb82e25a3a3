package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/mergeway/mergeway/fault"
)

// Redis keeps records in a Redis server, for several processes that share them.
// Writes of more than one record, and those that depend on what is there, are
// scripts. Every change of a recipe, an alias or a key is counted, and told to those
// who listen: see [Mirror]. A connection that breaks is made anew at the next call:
// when the server comes back, so does the store, after many failures in a row
// within a second or so.
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
//	mergeway:meta               hash: lineage, epoch and version of the three that follow
//	mergeway:recipes            hash: id -> Recipe
//	mergeway:aliases            hash: name -> Alias
//	mergeway:keys               hash: id -> Key
//	mergeway:searches           hash: id -> Search
//	mergeway:trials:<search id> sorted set of Trial, by number
//	mergeway:samples:<search id> hash: number of the trial -> bytes
//	mergeway:response:<id>      string Response, which expires
//	mergeway:responses          sorted set of their ids, by milliseconds of creation
//	mergeway:documents:<kind>   hash: id -> Document
//	mergeway:data:<kind>        hash: id -> bytes
//	mergeway:claims             sorted set of ids of searches that haven't ended, by when their claim does
//	mergeway:claim:<search id>  hash: token, owner, cancel
//
// and a channel, mergeway:changes:<number of the database>, for notices. A user with
// an access control list needs these keys, this channel, and scripts.
type Redis struct {
	client  *redis.Client
	addr    string // for messages; never with the password
	name    string // of this connection among all, in notices
	lineage string // of the state that was found; see meta
	channel string
}

var _ Store = (*Redis)(nil)

const (
	prefix      = "mergeway:"
	keyMark     = prefix + "format"
	keyMeta     = prefix + "meta"
	keyRecipes  = prefix + "recipes"
	keyAliases  = prefix + "aliases"
	keyKeys     = prefix + "keys"
	keySearches = prefix + "searches"
	keyClaims   = prefix + "claims"
)

func keyTrials(searchID string) string  { return prefix + "trials:" + searchID }
func keySamples(searchID string) string { return prefix + "samples:" + searchID }
func keyClaim(searchID string) string   { return prefix + "claim:" + searchID }

// quiet silences go-redis, once: it has one logger for the whole process, and
// what it says there it returns as an error as well.
var quiet sync.Once

// RedisOptions reads the URL of a Redis server; see [OpenRedis] for its form. The
// options are what every connection of a gateway has in common.
func RedisOptions(url string) (*redis.Options, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		// The cause may quote the URL, and with it the password.
		return nil, fault.Bad("redis", "the URL of the Redis server can't be read: it is like redis://user:password@host:port/db")
	}
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1 // commands are retried anyway, or are not to be
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return o, nil
}

// OpenRedis connects to the server at url, "redis://user:password@host:port/db",
// or with "rediss" over TLS, or "unix:///path?db=0". It fails with
// fault.Unavailable if the server doesn't answer and with fault.Damaged if it
// holds state of a later mergeway.
func OpenRedis(ctx context.Context, url string) (*Redis, error) {
	quiet.Do(logging.Disable)
	o, err := RedisOptions(url)
	if err != nil {
		return nil, err
	}
	o.PipelinePoolSize = -1 // the only ones are reads of several records: one pool will do
	s := &Redis{client: redis.NewClient(o), addr: o.Addr, name: rand.Text(), channel: fmt.Sprint(prefix, "changes:", o.DB)}
	if err := s.prepare(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// prepare marks an empty database as ours, or checks the mark.
func (s *Redis) prepare(ctx context.Context) error {
	if err := s.client.SetNX(ctx, keyMark, format, 0).Err(); err != nil {
		return s.fault(ctx, err)
	}
	found, err := s.client.Get(ctx, keyMark).Result()
	if err != nil {
		return s.fault(ctx, err)
	}
	if found != format {
		return fault.New(fault.Damaged, "the state in Redis at %s has the format %q; this mergeway reads %q", s.addr, found, format)
	}
	if err := s.client.HSetNX(ctx, keyMeta, "lineage", rand.Text()).Err(); err != nil {
		return s.fault(ctx, err)
	}
	s.lineage, err = s.client.HGet(ctx, keyMeta, "lineage").Result()
	return s.fault(ctx, err)
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
