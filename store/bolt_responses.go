package store

import (
	"bytes"
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

// PutResponse implements [Store].
func (s *Bolt) PutResponse(ctx context.Context, r Response, most int) error {
	data, err := encodeResponse(r, most)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bolt.Tx) error {
		kept := keptIn(tx)
		if _, err := kept.remove(r.ID); err != nil {
			return err
		}
		if err := kept.makeRoom(most - 1); err != nil {
			return err
		}
		if err := kept.order.Put(r.orderKey(), orderedTime(r.ExpiresAt)); err != nil {
			return err
		}
		return kept.all.Put([]byte(r.ID), data)
	})
}

// GetResponse implements [Store].
func (s *Bolt) GetResponse(ctx context.Context, id string) (Response, error) {
	r, err := get[Response](s, ctx, bucketKept, "response", id)
	if err == nil && r.expired() {
		return Response{}, missing("response", id)
	}
	return r, err
}

// DeleteResponse implements [Store].
func (s *Bolt) DeleteResponse(ctx context.Context, id string) error {
	return s.update(ctx, func(tx *bolt.Tx) error {
		r, err := keptIn(tx).remove(id)
		if err == nil && (r == nil || r.expired()) {
			return missing("response", id)
		}
		return err
	})
}

// kept are the responses as one transaction that writes sees them.
type kept struct {
	all, order *bolt.Bucket
	count      int
}

// keptIn counts first: the statistics of a bucket know nothing of what its
// transaction has changed.
func keptIn(tx *bolt.Tx) *kept {
	order := tx.Bucket(bucketOrder)
	return &kept{all: tx.Bucket(bucketKept), order: order, count: order.Stats().KeyN}
}

// remove forgets a response and gives it, nil if it isn't there.
func (k *kept) remove(id string) (*Response, error) {
	data := k.all.Get([]byte(id))
	if data == nil {
		return nil, nil
	}
	var r Response
	if err := decode(data, "response", id, &r); err != nil {
		return nil, err
	}
	k.count--
	if err := k.order.Delete(r.orderKey()); err != nil {
		return nil, err
	}
	return &r, k.all.Delete([]byte(id))
}

// makeRoom forgets the oldest until at most so many are left, and those whose
// time is over as far as nothing older is in the way.
func (k *kept) makeRoom(most int) error {
	now := orderedTime(time.Now())
	for {
		key, expires := k.order.Cursor().First()
		if key == nil || k.count <= most && bytes.Compare(expires, now) > 0 {
			return nil
		}
		k.count--
		if err := k.all.Delete(key[len(now):]); err != nil {
			return err
		}
		if err := k.order.Delete(key); err != nil {
			return err
		}
	}
}
