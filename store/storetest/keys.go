package storetest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

func keys(t *testing.T, open Open) {
	t.Run("a new store has none", func(t *testing.T) {
		s := open(t)
		all, err := s.ListKeys(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Key{}, all)
		requireCode(t, fault.NotFound, s.DeleteKey(t.Context(), "k"))
		requireCode(t, fault.NotFound, s.TouchKey(t.Context(), "k", at(0)))
		require.Empty(t, listKeys(t, s), "a use makes no key")
	})
	t.Run("the list is by age, then by id", func(t *testing.T) {
		s := open(t)
		want := []store.Key{
			{ID: "z", CreatedAt: at(1), Body: []byte(`{"name":"first"}`)}, {ID: "a", CreatedAt: at(2)}, {ID: "b", CreatedAt: at(2)},
		}
		for _, i := range []int{2, 0, 1} {
			require.NoError(t, s.PutKey(t.Context(), want[i]))
		}
		require.Equal(t, want, listKeys(t, s))
	})
	t.Run("a key put again is replaced", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.PutKey(t.Context(), store.Key{ID: "k", Body: []byte(`1`), UsedAt: at(1)}))
		want := store.Key{ID: "k", Body: []byte(`2`), CreatedAt: at(3)}
		require.NoError(t, s.PutKey(t.Context(), want))
		require.Equal(t, []store.Key{want}, listKeys(t, s))
	})
	t.Run("the latest use is remembered, and nothing else changes", func(t *testing.T) {
		s := open(t)
		want := store.Key{ID: "k", Body: []byte(`{"name":"ci"}`), CreatedAt: at(0)}
		require.NoError(t, s.PutKey(t.Context(), want))
		for _, step := range []struct{ used, latest int }{{5, 5}, {3, 5}, {5, 5}, {6, 6}} {
			require.NoError(t, s.TouchKey(t.Context(), "k", at(step.used)))
			want.UsedAt = at(step.latest)
			require.Equal(t, []store.Key{want}, listKeys(t, s))
		}
	})
	t.Run("uses at the same time leave the latest", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.PutKey(t.Context(), store.Key{ID: "k", CreatedAt: at(0)}))
		const uses = 20
		var wg sync.WaitGroup
		for i := range uses {
			wg.Go(func() { assert.NoError(t, s.TouchKey(t.Context(), "k", at(i+1))) })
		}
		wg.Wait()
		require.Equal(t, at(uses), listKeys(t, s)[0].UsedAt)
	})
	t.Run("a deleted one is gone", func(t *testing.T) {
		s := open(t)
		for _, id := range []string{"a", "b"} {
			require.NoError(t, s.PutKey(t.Context(), store.Key{ID: id}))
		}
		require.NoError(t, s.DeleteKey(t.Context(), "a"))
		requireCode(t, fault.NotFound, s.DeleteKey(t.Context(), "a"))
		requireCode(t, fault.NotFound, s.TouchKey(t.Context(), "a", at(0)))
		all := listKeys(t, s)
		require.Len(t, all, 1)
		require.Equal(t, "b", all[0].ID)
	})
}

func listKeys(t *testing.T, s store.Store) []store.Key {
	t.Helper()
	all, err := s.ListKeys(t.Context())
	require.NoError(t, err)
	return all
}
