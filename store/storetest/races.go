package storetest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// RequireRacesEndWell has two stores that share their state write the same records
// at the same time. Each race has one outcome, and everybody is told that one.
func RequireRacesEndWell(t *testing.T, one, other store.Store) {
	t.Run("every move is made, once, and after the one before it", func(t *testing.T) {
		requireChain(t, one, other)
	})
	t.Run("moves that are decided on what is there build on each other", func(t *testing.T) {
		requireCount(t, one, other)
	})
	t.Run("of moves from the same place one is made", func(t *testing.T) {
		requireOneMoves(t, one, other)
	})
	t.Run("an alias never stands for a recipe that is gone", func(t *testing.T) {
		requireNoDangling(t, one, other)
	})
	t.Run("a recipe is the one or the other, never a mixture", func(t *testing.T) {
		requireOneRecipe(t, one, other)
	})
}

// race runs so many goroutines over two stores.
func race(n int, one, other store.Store, run func(i int, s store.Store)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { run(i, []store.Store{one, other}[i%2]) })
	}
	wg.Wait()
}

// requireChain makes more moves than a history holds. What each is told is a link:
// the target before it, and its own. The links have to be one chain.
func requireChain(t *testing.T, one, other store.Store) {
	const movers, each = 4, 20
	type point struct{ target, at string }
	here := func(target string, at fmt.Stringer) point { return point{target, at.String()} }
	var mu sync.Mutex
	next := map[point]point{} // from each target to the one that came after it
	race(movers, one, other, func(m int, s store.Store) {
		for i := range each {
			alias, err := s.PutAlias(t.Context(), "chain", store.To(fmt.Sprintf("%d of %d", i, m)), at(m*each+i))
			if !assert.NoError(t, err) {
				return
			}
			var from point // where it all began
			if n := len(alias.History); n > 0 {
				from = here(alias.History[n-1].Target, alias.History[n-1].At)
			}
			mu.Lock()
			assert.NotContains(t, next, from, "two moves from one place: one of them was lost")
			next[from] = here(alias.Target, alias.UpdatedAt)
			mu.Unlock()
			assert.LessOrEqual(t, len(alias.History), store.MaxAliasHistory)
		}
	})
	var walk []point
	for at, there := next[point{}], true; there; at, there = next[at] {
		walk = append(walk, at)
	}
	require.Len(t, walk, movers*each)
	last := requireTarget(t, one, "chain", walk[len(walk)-1].target)
	require.Len(t, last.History, store.MaxAliasHistory)
	var remembered []point
	for _, c := range last.History {
		remembered = append(remembered, here(c.Target, c.At))
	}
	remembered = append(remembered, here(last.Target, last.UpdatedAt))
	require.Equal(t, walk[len(walk)-len(remembered):], remembered)
}

func requireCount(t *testing.T, one, other store.Store) {
	const movers, each = 4, 10
	race(movers, one, other, func(m int, s store.Store) {
		for i := range each {
			_, err := s.PutAlias(t.Context(), "count", func(now store.Alias) (store.Target, error) {
				n, _ := strconv.Atoi(now.Target) // 0 if it isn't there
				return store.Target{ID: strconv.Itoa(n + 1)}, nil
			}, at(m*each+i))
			assert.NoError(t, err)
		}
	})
	requireTarget(t, one, "count", strconv.Itoa(movers*each))
	requireTarget(t, other, "count", strconv.Itoa(movers*each))
}

func requireOneMoves(t *testing.T, one, other store.Store) {
	for round := range 10 {
		_, err := one.PutAlias(t.Context(), "swap", store.To("start"), at(round))
		require.NoError(t, err)
		taken := fault.New(fault.Conflict, "it was moved")
		var mu sync.Mutex
		var won []string
		race(6, one, other, func(i int, s store.Store) {
			target := fmt.Sprint("target ", i)
			_, err := s.PutAlias(t.Context(), "swap", func(now store.Alias) (store.Target, error) {
				if now.Target != "start" {
					return store.Target{}, taken
				}
				return store.Target{ID: target}, nil
			}, at(round))
			if err != nil {
				assert.ErrorIs(t, err, taken)
				return
			}
			mu.Lock()
			won = append(won, target)
			mu.Unlock()
		})
		require.Len(t, won, 1)
		requireTarget(t, one, "swap", won[0])
		requireTarget(t, other, "swap", won[0])
	}
}

func requireNoDangling(t *testing.T, one, other store.Store) {
	for round := range 20 {
		id := fmt.Sprint("recipe ", round)
		putRecipe(t, one, store.Recipe{ID: id})
		var set, deleted error
		race(2, one, other, func(i int, s store.Store) {
			if (i+round)%2 == 0 {
				_, set = s.PutAlias(t.Context(), id, store.ToRecipe(id), at(round))
			} else {
				deleted = s.DeleteRecipe(t.Context(), id)
			}
		})
		if set == nil {
			requireCode(t, fault.Conflict, deleted)
		} else {
			requireCode(t, fault.NotFound, set)
			require.NoError(t, deleted)
		}
	}
}

func requireOneRecipe(t *testing.T, one, other store.Store) {
	for round := range 10 {
		id := fmt.Sprint("shared ", round)
		kept := make([]store.Recipe, 6)
		race(len(kept), one, other, func(i int, s store.Store) {
			var err error
			mine := store.Recipe{ID: id, Name: fmt.Sprint("name ", i), Body: fmt.Append(nil, i), Digest: fmt.Sprint(i), CreatedAt: at(i)}
			kept[i], err = s.PutRecipe(t.Context(), mine)
			assert.NoError(t, err)
		})
		var stored store.Recipe
		require.Eventually(t, func() bool {
			var err error
			stored, err = one.GetRecipe(t.Context(), id)
			return err == nil
		}, time.Minute, time.Millisecond)
		require.Equal(t, fmt.Sprint("name ", stored.Digest), stored.Name)
		require.Equal(t, stored.Digest, string(stored.Body))
		for _, k := range kept {
			require.Equal(t, stored, k)
		}
	}
}

// requireTarget waits until an alias stands for what it has to: a store may hear
// of what was written through another one a little later.
func requireTarget(t *testing.T, s store.Store, alias, target string) (a store.Alias) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		a, err = s.GetAlias(t.Context(), alias)
		return err == nil && a.Target == target
	}, time.Minute, time.Millisecond)
	return a
}
