package store

import (
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

// PutAlias implements [Store].
func (s *Bolt) PutAlias(ctx context.Context, name string, move Move, at time.Time) (Alias, error) {
	if err := checkKey("name", name); err != nil {
		return Alias{}, err
	}
	var alias Alias
	err := s.update(ctx, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketAliases)
		now := Alias{Name: name}
		if data := b.Get([]byte(name)); data != nil {
			if err := decode(data, "alias", name, &now); err != nil {
				return err
			}
		}
		next, target, changed, err := move.from(now, at)
		if alias = next; err != nil || !changed {
			return err
		}
		if target.Recipe && tx.Bucket(bucketRecipes).Get([]byte(target.ID)) == nil {
			return noTarget(target.ID)
		}
		data, err := encode(alias)
		if err != nil {
			return err
		}
		return b.Put([]byte(name), data)
	})
	if err != nil {
		return Alias{}, err
	}
	return alias, nil
}

// GetAlias implements [Store].
func (s *Bolt) GetAlias(ctx context.Context, name string) (Alias, error) {
	return get[Alias](s, ctx, bucketAliases, "alias", name)
}

// ListAliases implements [Store].
func (s *Bolt) ListAliases(ctx context.Context) ([]Alias, error) {
	all, err := list[Alias](s, ctx, bucketAliases, "alias")
	sortAliases(all)
	return all, err
}

// DeleteAlias implements [Store].
func (s *Bolt) DeleteAlias(ctx context.Context, name string) error {
	return s.delete(ctx, bucketAliases, "alias", name)
}
