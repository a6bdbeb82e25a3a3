package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store"
)

func concurrency(t *testing.T, open Open) {
	t.Run("moves of one alias happen one after the other", func(t *testing.T) {
		s := open(t)
		RequireNoMoveIsLost(t, s, s)
	})
	t.Run("races", func(t *testing.T) {
		s := open(t)
		RequireRacesEndWell(t, s, s)
	})
	t.Run("writers at the same time lose nothing", func(t *testing.T) {
		requireNothingIsLost(t, open(t))
	})
	t.Run("a checkpoint is seen whole or not at all", func(t *testing.T) {
		s := open(t)
		const checkpoints = 30
		require.NoError(t, s.PutSearch(t.Context(), store.Search{ID: "s", State: "0"}))
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 1; i <= checkpoints; i++ {
				err := s.PutSearchWithTrials(t.Context(), store.Search{ID: "s", State: fmt.Sprint(i)}, numbered(2*i, 2*i+1))
				assert.NoError(t, err)
			}
		})
		for range 2 {
			wg.Go(func() {
				for seen := 0; seen < checkpoints && !t.Failed(); {
					before, err := s.GetSearch(t.Context(), "s")
					if !assert.NoError(t, err) {
						return
					}
					_, total, err := s.PageTrials(t.Context(), "s", 0, 1)
					if !assert.NoError(t, err) {
						return
					}
					_, err = fmt.Sscan(before.State, &seen)
					// The trials are read later: there may be more of them, never less, never half.
					if !assert.NoError(t, err) || !assert.GreaterOrEqual(t, total, 2*seen) || !assert.Zero(t, total%2) {
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// RequireNoMoveIsLost moves one alias through two stores that share their state,
// from several goroutines at once: each move has to find in the history exactly
// those that came before it.
func RequireNoMoveIsLost(t *testing.T, one, other store.Store) {
	t.Helper()
	const movers, each = 4, 8 // no more than the history holds
	moves := make(chan store.Alias, movers*each)
	var wg sync.WaitGroup
	for m := range movers {
		s := []store.Store{one, other}[m%2]
		wg.Go(func() {
			for i := range each {
				target := fmt.Sprintf("target %d of mover %d", i, m)
				alias, err := s.PutAlias(t.Context(), "a", store.To(target), at(i))
				if assert.NoError(t, err) && assert.Equal(t, target, alias.Target) {
					moves <- alias
				}
			}
		})
	}
	wg.Wait()
	close(moves)
	var order []store.AliasChange
	require.Eventually(t, func() bool { // it may hear of the last a little later
		last, err := one.GetAlias(t.Context(), "a")
		order = append(last.History, store.AliasChange{Target: last.Target, At: last.UpdatedAt})
		return err == nil && len(order) == movers*each
	}, time.Minute, time.Millisecond)
	for move := range moves {
		before := len(move.History)
		require.Equal(t, order[:before], append([]store.AliasChange{}, move.History...))
		require.Equal(t, order[before], store.AliasChange{Target: move.Target, At: move.UpdatedAt})
	}
}

// requireNothingIsLost writes records of all kinds from several goroutines, and
// trials of one search from all of them.
func requireNothingIsLost(t *testing.T, s store.Store) {
	t.Helper()
	const writers, each = 4, 10
	want := contents{Trials: map[string][]store.Trial{}}
	shared := store.Search{ID: "shared", CreatedAt: at(-1), UpdatedAt: at(-1)}
	require.NoError(t, s.PutSearch(t.Context(), shared))
	want.Searches = append(want.Searches, shared)
	for i := range writers * each {
		id := fmt.Sprintf("%03d", i)
		want.Recipes = append(want.Recipes, store.Recipe{ID: id, CreatedAt: at(i)})
		want.Aliases = append(want.Aliases, store.Alias{Name: id, Target: id, UpdatedAt: at(i)})
		want.Keys = append(want.Keys, store.Key{ID: id, CreatedAt: at(i), UsedAt: at(i)})
		want.Searches = append(want.Searches, store.Search{ID: id, CreatedAt: at(i), UpdatedAt: at(i)})
		want.Trials[id] = []store.Trial{{SearchID: id, Number: i}}
		want.Trials["shared"] = append(want.Trials["shared"], store.Trial{SearchID: "shared", Number: i})
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < writers*each; i += writers {
				id := want.Recipes[i].ID
				_, err := s.PutRecipe(t.Context(), want.Recipes[i])
				assert.NoError(t, err)
				assert.NoError(t, s.PutKey(t.Context(), want.Keys[i]))
				_, err = s.PutAlias(t.Context(), id, store.To(id), at(i))
				assert.NoError(t, err)
				assert.NoError(t, s.PutSearchWithTrials(t.Context(), want.Searches[i+1], want.Trials[id]))
				assert.NoError(t, s.PutTrials(t.Context(), "shared", "", want.Trials["shared"][i:i+1]))
			}
		})
	}
	wg.Wait()
	require.Equal(t, want, read(t, s))
}
