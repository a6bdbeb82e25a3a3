package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// PutKey implements [Store].
func (s *Redis) PutKey(ctx context.Context, k Key) error {
	data, err := encodeKey(k)
	if err != nil {
		return err
	}
	return s.hset(ctx, keyKeys, k.ID, data)
}

// ListKeys implements [Store].
func (s *Redis) ListKeys(ctx context.Context) ([]Key, error) {
	all, err := hlist[Key](ctx, s, keyKeys, "key")
	sortKeys(all)
	return all, err
}

// TouchKey implements [Store].
func (s *Redis) TouchKey(ctx context.Context, id string, at time.Time) error {
	for {
		old, err := s.client.HGet(ctx, keyKeys, id).Bytes()
		if errors.Is(err, redis.Nil) {
			return missing("key", id)
		}
		if err != nil {
			return s.fault(ctx, err)
		}
		data, changed, err := touched(old, id, at)
		if err != nil || !changed {
			return err
		}
		swapped, err := swap.Run(ctx, s.client, []string{keyKeys}, id, old, data).Int()
		if err != nil || swapped == 1 {
			return s.fault(ctx, err)
		} // else somebody touched or deleted it meanwhile
	}
}

// DeleteKey implements [Store].
func (s *Redis) DeleteKey(ctx context.Context, id string) error {
	return s.hdel(ctx, keyKeys, "key", id)
}
