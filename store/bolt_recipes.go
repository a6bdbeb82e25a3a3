package store

import (
	"context"

	bolt "go.etcd.io/bbolt"
)

// PutRecipe implements [Store].
func (s *Bolt) PutRecipe(ctx context.Context, r Recipe) (Recipe, error) {
	data, err := encodeRecipe(r)
	if err != nil {
		return Recipe{}, err
	}
	var kept Recipe
	err = s.update(ctx, func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketRecipes)
		if old := b.Get([]byte(r.ID)); old != nil {
			data = old
		} else if err := b.Put([]byte(r.ID), data); err != nil {
			return err
		}
		return decode(data, "recipe", r.ID, &kept)
	})
	if err != nil {
		return Recipe{}, err
	}
	return kept, nil
}

// GetRecipe implements [Store].
func (s *Bolt) GetRecipe(ctx context.Context, id string) (Recipe, error) {
	return get[Recipe](s, ctx, bucketRecipes, "recipe", id)
}

// ListRecipes implements [Store].
func (s *Bolt) ListRecipes(ctx context.Context) ([]Recipe, error) {
	all, err := list[Recipe](s, ctx, bucketRecipes, "recipe")
	sortRecipes(all)
	return all, err
}

// DeleteRecipe implements [Store].
func (s *Bolt) DeleteRecipe(ctx context.Context, id string) error {
	return s.update(ctx, func(tx *bolt.Tx) error {
		recipes := tx.Bucket(bucketRecipes)
		if recipes.Get([]byte(id)) == nil {
			return missing("recipe", id)
		}
		err := tx.Bucket(bucketAliases).ForEach(func(name, data []byte) error {
			var alias Alias
			if err := decode(data, "alias", string(name), &alias); err != nil {
				return err
			}
			if alias.Target == id {
				return inUse(id, alias.Name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return recipes.Delete([]byte(id))
	})
}
