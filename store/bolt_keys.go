package store

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

// PutKey implements [Store].
func (s *Bolt) PutKey(ctx context.Context, k Key) error {
	data, err := encodeKey(k)
	if err != nil {
		return err
	}
	return s.put(ctx, bucketKeys, k.ID, data)
}

// ListKeys implements [Store].
func (s *Bolt) ListKeys(ctx context.Context) ([]Key, error) {
	all, err := list[Key](s, ctx, bucketKeys, "key")
	sortKeys(all)
	return all, err
}

// TouchKey implements [Store].
func (s *Bolt) TouchKey(ctx context.Context, id string, at time.Time) error {
	return s.update(ctx, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketKeys)
		old := b.Get([]byte(id))
		if old == nil {
			return missing("key", id)
		}
		data, changed, err := touched(old, id, at)
		if err != nil || !changed {
			return err
		}
		return b.Put([]byte(id), data)
	})
}

// DeleteKey implements [Store].
func (s *Bolt) DeleteKey(ctx context.Context, id string) error {
	return s.delete(ctx, bucketKeys, "key", id)
}
