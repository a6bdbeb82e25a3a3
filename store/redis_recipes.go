package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/mergeway/mergeway/fault"
)

// PutRecipe implements [Store].
func (s *Redis) PutRecipe(ctx context.Context, r Recipe) (Recipe, error) {
	kept, _, err := s.putRecipe(ctx, s.lineage, r)
	return kept, err
}

// putRecipeScript keeps a recipe (id, record) or gives the one that is there.
var putRecipeScript = redis.NewScript(changing + `
local kept = redis.call('HGET', KEYS[2], ARGV[4])
if kept then return {0, kept} end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
return tell()`)

// putRecipe is PutRecipe, and gives the notice of what it changed.
func (s *Redis) putRecipe(ctx context.Context, lineage string, r Recipe) (kept Recipe, n notice, err error) {
	data, err := encodeRecipe(r)
	if err != nil {
		return Recipe{}, n, err
	}
	n = notice{kind: kindRecipe, key: r.ID, record: data}
	done, err := s.change(ctx, putRecipeScript, lineage, &n, []string{keyRecipes}, r.ID, data)
	if err != nil {
		return Recipe{}, n, err
	}
	if done.text != "" {
		data = []byte(done.text)
	}
	err = decode(data, "recipe", r.ID, &kept)
	return kept, n, err
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
	_, err := s.deleteRecipe(ctx, s.lineage, id)
	return err
}

// The codes of deleteRecipeScript besides the version.
const (
	recipeMissing = 0
	recipeInUse   = -2 // by the alias that the text names
	aliasDamaged  = -3 // the one that the text names
)

// deleteRecipeScript deletes a recipe (id) that no alias points at.
var deleteRecipeScript = redis.NewScript(changing + `
if redis.call('HEXISTS', KEYS[2], ARGV[4]) == 0 then return {0, ''} end
local aliases = redis.call('HGETALL', KEYS[3])
for i = 1, #aliases, 2 do
  local read, alias = pcall(cjson.decode, aliases[i+1])
  if not read or type(alias) ~= 'table' then return {-3, aliases[i]} end
  if alias.target == ARGV[4] then return {-2, aliases[i]} end
end
redis.call('HDEL', KEYS[2], ARGV[4])
return tell()`)

// deleteRecipe is DeleteRecipe, and gives the notice of it.
func (s *Redis) deleteRecipe(ctx context.Context, lineage, id string) (notice, error) {
	n := notice{kind: kindRecipe, key: id}
	done, err := s.change(ctx, deleteRecipeScript, lineage, &n, []string{keyRecipes, keyAliases}, id)
	if err != nil {
		return n, err
	}
	switch done.code {
	case recipeMissing:
		return n, missing("recipe", id)
	case recipeInUse:
		return n, inUse(id, done.text)
	case aliasDamaged:
		return n, fault.New(fault.Damaged, "the record of alias %q can't be read", done.text)
	}
	return n, nil
}
