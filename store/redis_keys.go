package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// PutKey implements [Store].
func (s *Redis) PutKey(ctx context.Context, k Key) error {
	_, err := s.putKey(ctx, s.lineage, k)
	return err
}

// putKeyScript keeps a key (id, record).
var putKeyScript = redis.NewScript(changing + `
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
return tell()`)

// putKey is PutKey, and gives the notice of it.
func (s *Redis) putKey(ctx context.Context, lineage string, k Key) (notice, error) {
	data, err := encodeKey(k)
	if err != nil {
		return notice{}, err
	}
	n := notice{kind: kindKey, key: k.ID, record: data}
	_, err = s.change(ctx, putKeyScript, lineage, &n, []string{keyKeys}, k.ID, data)
	return n, err
}

// ListKeys implements [Store].
func (s *Redis) ListKeys(ctx context.Context) ([]Key, error) {
	all, err := hlist[Key](ctx, s, keyKeys, "key")
	sortKeys(all)
	return all, err
}

// TouchKey implements [Store].
func (s *Redis) TouchKey(ctx context.Context, id string, at time.Time) error {
	_, err := s.touchKey(ctx, s.lineage, id, at)
	return err
}

// touchKey is TouchKey, and gives the notice of what it changed.
func (s *Redis) touchKey(ctx context.Context, lineage, id string, at time.Time) (notice, error) {
	for {
		old, err := s.client.HGet(ctx, keyKeys, id).Bytes()
		if errors.Is(err, redis.Nil) {
			return notice{}, missing("key", id)
		}
		if err != nil {
			return notice{}, s.fault(ctx, err)
		}
		data, changed, err := touched(old, id, at)
		if err != nil || !changed {
			return notice{}, err
		}
		n := notice{kind: kindKey, key: id, record: data}
		done, err := s.change(ctx, swapScript, lineage, &n, []string{keyKeys, keyRecipes}, id, old, data, "")
		if err != nil || done.code > 0 {
			return n, err
		} // else somebody touched or deleted it meanwhile
	}
}

// DeleteKey implements [Store].
func (s *Redis) DeleteKey(ctx context.Context, id string) error {
	_, err := s.deleteRecord(ctx, s.lineage, kindKey, keyKeys, id)
	return err
}
