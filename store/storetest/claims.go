package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Claims in these tests last much longer than a test, or end before one can look.
const (
	long  = time.Hour
	short = time.Millisecond
)

func claims(t *testing.T, open Open) {
	claim := func(t *testing.T, s store.Store, owner string, ttl time.Duration) store.Claim {
		t.Helper()
		c, err := s.ClaimSearch(t.Context(), "s", owner, ttl)
		require.NoError(t, err)
		require.Equal(t, "s", c.SearchID)
		return c
	}
	requireFree := func(t *testing.T, s store.Store, want ...string) {
		t.Helper()
		free, err := s.FreeSearches(t.Context())
		require.NoError(t, err)
		require.ElementsMatch(t, want, free)
	}
	// requireLost wants a claim to be of no use any more.
	requireLost := func(t *testing.T, s store.Store, c store.Claim) {
		t.Helper()
		before := read(t, s)
		_, err := s.RenewClaim(t.Context(), c, long)
		require.ErrorIs(t, err, store.ErrClaimLost)
		require.ErrorIs(t, s.EndClaim(t.Context(), c, false), store.ErrClaimLost)
		require.ErrorIs(t, s.EndClaim(t.Context(), c, true), store.ErrClaimLost)
		late := store.Search{ID: "s", State: "late", Claim: c.Token}
		require.ErrorIs(t, s.PutSearch(t.Context(), late), store.ErrClaimLost)
		require.ErrorIs(t, s.PutSearchWithTrials(t.Context(), late, numbered(7)), store.ErrClaimLost)
		require.ErrorIs(t, s.PutTrials(t.Context(), "s", c.Token, numbered(7)), store.ErrClaimLost)
		require.Equal(t, before, read(t, s))
	}

	t.Run("one has it, and nobody else until it ends", func(t *testing.T) {
		s := open(t)
		requireFree(t, s)
		c := claim(t, s, "one", long)
		_, err := s.ClaimSearch(t.Context(), "s", "other", long)
		requireCode(t, fault.Conflict, err)
		require.ErrorContains(t, err, "one")
		wish, err := s.RenewClaim(t.Context(), c, long)
		require.NoError(t, err)
		require.Equal(t, store.NoWish, wish)
		requireFree(t, s)
		require.NoError(t, s.EndClaim(t.Context(), c, true))
		requireFree(t, s)
		requireLost(t, s, c)
		claim(t, s, "other", long)
	})
	t.Run("one that is let go of is free for the next", func(t *testing.T) {
		s := open(t)
		first := claim(t, s, "one", long)
		require.NoError(t, s.EndClaim(t.Context(), first, false))
		requireFree(t, s, "s")
		second := claim(t, s, "other", long)
		require.NotEqual(t, first.Token, second.Token)
		requireFree(t, s)
		requireLost(t, s, first)
	})
	t.Run("one that runs out is taken by the next", func(t *testing.T) {
		s := open(t)
		first := claim(t, s, "one", short)
		require.NoError(t, s.PutSearch(t.Context(), store.Search{ID: "s", Claim: first.Token}))
		require.Eventually(t, func() bool {
			free, err := s.FreeSearches(t.Context())
			return err == nil && len(free) == 1
		}, time.Minute, short)
		// As long as nobody has taken it, it is as good as before.
		require.NoError(t, s.PutTrials(t.Context(), "s", first.Token, numbered(1)))
		_, err := s.RenewClaim(t.Context(), first, short)
		require.NoError(t, err)
		var second store.Claim
		require.Eventually(t, func() bool {
			second, err = s.ClaimSearch(t.Context(), "s", "other", long)
			return err == nil
		}, time.Minute, short)
		requireLost(t, s, first)
		want := store.Search{ID: "s", State: "other's", CreatedAt: at(0), UpdatedAt: at(0), Claim: second.Token}
		require.NoError(t, s.PutSearchWithTrials(t.Context(), want, numbered(2)))
		got, err := s.GetSearch(t.Context(), "s")
		require.NoError(t, err)
		want.Claim = "" // is not kept
		require.Equal(t, want, got)
		trials, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, numbered(1, 2), trials)
	})
	t.Run("a wish is told at every renewal, and to nobody later", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.AskOf(t.Context(), "s", store.WishPause), "nobody runs it")
		c := claim(t, s, "one", long)
		for _, asked := range []struct{ now, then store.Wish }{
			{store.WishPause, store.WishPause},
			{store.WishCancel, store.WishCancel},
			{store.WishPause, store.WishCancel}, // what is cancelled doesn't go on
		} {
			require.NoError(t, s.AskOf(t.Context(), "s", asked.now))
			for range 2 {
				wish, err := s.RenewClaim(t.Context(), c, long)
				require.NoError(t, err)
				require.Equal(t, asked.then, wish)
			}
		}
		require.Error(t, s.AskOf(t.Context(), "s", "burn"))
		require.NoError(t, s.EndClaim(t.Context(), c, false))
		wish, err := s.RenewClaim(t.Context(), claim(t, s, "other", long), long)
		require.NoError(t, err)
		require.Equal(t, store.NoWish, wish)
	})
	t.Run("searches are claimed one by one", func(t *testing.T) {
		s := open(t)
		mine := claim(t, s, "one", long)
		other, err := s.ClaimSearch(t.Context(), "日本 s:2", "other", long)
		require.NoError(t, err)
		require.NoError(t, s.EndClaim(t.Context(), other, false))
		requireFree(t, s, "日本 s:2")
		require.ErrorIs(t, s.PutSearch(t.Context(), store.Search{ID: "s", Claim: other.Token}), store.ErrClaimLost)
		require.NoError(t, s.PutSearch(t.Context(), store.Search{ID: "s", Claim: mine.Token}))
	})
	t.Run("of many that want it one gets it", func(t *testing.T) {
		s := open(t)
		RequireOneGetsTheClaim(t, s, s)
	})
}

// RequireOneGetsTheClaim has many claim searches through two stores that share
// their state.
func RequireOneGetsTheClaim(t *testing.T, one, other store.Store) {
	t.Helper()
	for _, id := range []string{"s1", "s2", "s3"} {
		var got atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			s := []store.Store{one, other}[i%2]
			wg.Go(func() {
				_, err := s.ClaimSearch(t.Context(), id, "owner", long)
				if err == nil {
					got.Add(1)
				} else {
					assert.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, got.Load())
	}
}
