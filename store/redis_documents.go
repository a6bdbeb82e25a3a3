package store

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

func keyDocuments(kind string) string { return prefix + "documents:" + kind }
func keyData(kind string) string      { return prefix + "data:" + kind }

// documentScript writes a document and its data (id, record, whether it has to be
// new, whether there is data, data). HLEN fails on keys of another program before
// anything is written.
var documentScript = redis.NewScript(`
redis.call('HLEN', KEYS[1])
redis.call('HLEN', KEYS[2])
if ARGV[3] == '1' and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if ARGV[4] == '1' then redis.call('HSET', KEYS[2], ARGV[1], ARGV[5]) end
return 1`)

// CreateDocument implements [Store].
func (s *Redis) CreateDocument(ctx context.Context, d Document) error {
	return s.writeDocument(ctx, d, true)
}

// PutDocument implements [Store].
func (s *Redis) PutDocument(ctx context.Context, d Document) error {
	return s.writeDocument(ctx, d, false)
}

func (s *Redis) writeDocument(ctx context.Context, d Document, isNew bool) error {
	record, err := encodeDocument(d)
	if err != nil {
		return err
	}
	done, err := documentScript.Run(ctx, s.client, []string{keyDocuments(d.Kind), keyData(d.Kind)}, d.ID, record, isNew, d.Data != nil, d.Data).Int()
	if err != nil {
		return s.fault(ctx, err)
	}
	if done == 0 {
		return taken(d.Kind, d.ID)
	}
	return nil
}

// GetDocument implements [Store].
func (s *Redis) GetDocument(ctx context.Context, kind, id string) (Document, error) {
	d, err := hget[Document](ctx, s, keyDocuments(kind), kind, id)
	d.Kind = kind
	return d, err
}

// DocumentData implements [Store].
func (s *Redis) DocumentData(ctx context.Context, kind, id string) ([]byte, error) {
	var there *redis.BoolCmd
	var found *redis.StringCmd
	_, err := s.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		there = p.HExists(ctx, keyDocuments(kind), id)
		found = p.HGet(ctx, keyData(kind), id)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, s.fault(ctx, err)
	}
	if !there.Val() {
		return nil, missing(kind, id)
	}
	data, err := found.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return data, s.fault(ctx, err)
}

// ListDocuments implements [Store].
func (s *Redis) ListDocuments(ctx context.Context, kind string) ([]Document, error) {
	all, err := hlist[Document](ctx, s, keyDocuments(kind), kind)
	sortDocuments(kind, all)
	return all, err
}

// deleteDocument forgets a document with its data and says whether it was there.
var deleteDocument = redis.NewScript(`
redis.call('HLEN', KEYS[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])`)

// DeleteDocument implements [Store].
func (s *Redis) DeleteDocument(ctx context.Context, kind, id string) error {
	n, err := deleteDocument.Run(ctx, s.client, []string{keyDocuments(kind), keyData(kind)}, id).Int()
	if err == nil && n == 0 {
		return missing(kind, id)
	}
	return s.fault(ctx, err)
}
