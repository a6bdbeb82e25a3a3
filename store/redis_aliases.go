package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// PutAlias implements [Store].
func (s *Redis) PutAlias(ctx context.Context, name string, move Move, at time.Time) (Alias, error) {
	alias, _, err := s.putAlias(ctx, s.lineage, name, move, at)
	return alias, err
}

// The codes of swapScript besides the version.
const (
	wasChanged   = 0  // by somebody else
	targetAbsent = -2 // the recipe isn't there
)

// swapScript puts a record (key, as it was, as it will be, recipe that has to be
// there) into place, unless it has changed since the caller read it; "" is a record
// that isn't there, and no recipe. A script and not WATCH: a connection that breaks
// between WATCH and EXEC forgets what it watched.
var swapScript = redis.NewScript(changing + `
if (redis.call('HGET', KEYS[2], ARGV[4]) or '') ~= ARGV[5] then return {0, ''} end
if ARGV[7] ~= '' and redis.call('HEXISTS', KEYS[3], ARGV[7]) == 0 then return {-2, ''} end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[6])
return tell()`)

// putAlias is PutAlias, and gives the notice of what it changed.
func (s *Redis) putAlias(ctx context.Context, lineage, name string, move Move, at time.Time) (Alias, notice, error) {
	if err := checkKey("name", name); err != nil {
		return Alias{}, notice{}, err
	}
	var tried []byte
	for {
		now := Alias{Name: name}
		old, err := s.client.HGet(ctx, keyAliases, name).Bytes()
		if err == nil {
			err = decode(old, "alias", name, &now)
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			return Alias{}, notice{}, s.fault(ctx, err)
		}
		if tried != nil && bytes.Equal(old, tried) {
			// Ours, by a call whose answer was lost: to decide anew might undo it.
			return now, notice{}, nil
		}
		next, target, changed, err := move.from(now, at)
		if err != nil || !changed {
			return next, notice{}, err
		}
		if tried, err = encode(next); err != nil {
			return Alias{}, notice{}, err
		}
		recipe := ""
		if target.Recipe {
			recipe = target.ID
		}
		n := notice{kind: kindAlias, key: name, record: tried}
		done, err := s.change(ctx, swapScript, lineage, &n, []string{keyAliases, keyRecipes}, name, old, tried, recipe)
		switch {
		case err != nil:
			return Alias{}, notice{}, err
		case done.code == targetAbsent:
			return Alias{}, notice{}, noTarget(target.ID)
		case done.code != wasChanged:
			return next, n, nil
		} // else somebody moved it meanwhile, so the world goes on
	}
}

// GetAlias implements [Store].
func (s *Redis) GetAlias(ctx context.Context, name string) (Alias, error) {
	return hget[Alias](ctx, s, keyAliases, "alias", name)
}

// ListAliases implements [Store].
func (s *Redis) ListAliases(ctx context.Context) ([]Alias, error) {
	all, err := hlist[Alias](ctx, s, keyAliases, "alias")
	sortAliases(all)
	return all, err
}

// DeleteAlias implements [Store].
func (s *Redis) DeleteAlias(ctx context.Context, name string) error {
	_, err := s.deleteRecord(ctx, s.lineage, kindAlias, keyAliases, name)
	return err
}
