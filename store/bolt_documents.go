package store

import (
	"bytes"
	"context"

	bolt "go.etcd.io/bbolt"
)

// CreateDocument implements [Store].
func (s *Bolt) CreateDocument(ctx context.Context, d Document) error {
	return s.writeDocument(ctx, d, true)
}

// PutDocument implements [Store].
func (s *Bolt) PutDocument(ctx context.Context, d Document) error {
	return s.writeDocument(ctx, d, false)
}

func (s *Bolt) writeDocument(ctx context.Context, d Document, isNew bool) error {
	record, err := encodeDocument(d)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *bolt.Tx) error {
		all, err := tx.Bucket(bucketDocuments).CreateBucketIfNotExists([]byte(d.Kind))
		if err != nil {
			return err
		}
		if isNew && all.Get([]byte(d.ID)) != nil {
			return taken(d.Kind, d.ID)
		}
		if err := all.Put([]byte(d.ID), record); err != nil || d.Data == nil {
			return err
		}
		data, err := tx.Bucket(bucketData).CreateBucketIfNotExists([]byte(d.Kind))
		if err != nil {
			return err
		}
		return data.Put([]byte(d.ID), d.Data)
	})
}

// GetDocument implements [Store].
func (s *Bolt) GetDocument(ctx context.Context, kind, id string) (Document, error) {
	var d Document
	err := s.view(ctx, func(tx *bolt.Tx) error {
		found := within(tx, bucketDocuments, kind, id)
		if found == nil {
			return missing(kind, id)
		}
		return decode(found, kind, id, &d)
	})
	d.Kind = kind
	return d, err
}

// DocumentData implements [Store].
func (s *Bolt) DocumentData(ctx context.Context, kind, id string) (data []byte, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		if within(tx, bucketDocuments, kind, id) == nil {
			return missing(kind, id)
		}
		data = bytes.Clone(within(tx, bucketData, kind, id))
		return nil
	})
	return data, err
}

// ListDocuments implements [Store].
func (s *Bolt) ListDocuments(ctx context.Context, kind string) ([]Document, error) {
	all := []Document{}
	err := s.view(ctx, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketDocuments).Bucket([]byte(kind))
		if b == nil {
			return nil
		}
		return b.ForEach(func(id, record []byte) error {
			var d Document
			if err := decode(record, kind, string(id), &d); err != nil {
				return err
			}
			all = append(all, d)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	sortDocuments(kind, all)
	return all, nil
}

// DeleteDocument implements [Store].
func (s *Bolt) DeleteDocument(ctx context.Context, kind, id string) error {
	return s.update(ctx, func(tx *bolt.Tx) error {
		if within(tx, bucketDocuments, kind, id) == nil {
			return missing(kind, id)
		}
		if data := tx.Bucket(bucketData).Bucket([]byte(kind)); data != nil {
			if err := data.Delete([]byte(id)); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketDocuments).Bucket([]byte(kind)).Delete([]byte(id))
	})
}

// within gives the value of a key in a bucket of a bucket; nil if there is none. It
// is valid as long as its transaction.
func within(tx *bolt.Tx, bucket []byte, inner, key string) []byte {
	b := tx.Bucket(bucket).Bucket([]byte(inner))
	if b == nil {
		return nil
	}
	return b.Get([]byte(key))
}
