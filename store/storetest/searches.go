package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

func searches(t *testing.T, open Open) {
	t.Run("a new store has none", func(t *testing.T) {
		s := open(t)
		all, err := s.ListSearches(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Search{}, all)
		_, err = s.GetSearch(t.Context(), "s")
		requireCode(t, fault.NotFound, err)
	})
	t.Run("put again replaces the record and keeps the trials", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: "s", State: "running", Body: []byte(`1`), CreatedAt: at(0)}, []store.Trial{{Number: 4}}))
		want := store.Search{ID: "s", State: "done", CreatedAt: at(0), UpdatedAt: at(7)}
		require.NoError(t, s.PutSearch(t.Context(), want))
		got, err := s.GetSearch(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, want, got)
		kept, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, []store.Trial{{SearchID: "s", Number: 4}}, kept)
	})
	t.Run("the list is by time, then by id", func(t *testing.T) {
		s := open(t)
		for _, search := range []store.Search{{ID: "d", CreatedAt: at(1)}, {ID: "b", CreatedAt: at(2)}, {ID: "c", CreatedAt: at(1)}} {
			require.NoError(t, s.PutSearch(t.Context(), search))
		}
		all, err := s.ListSearches(t.Context())
		require.NoError(t, err)
		var ids []string
		for _, search := range all {
			ids = append(ids, search.ID)
		}
		require.Equal(t, []string{"c", "d", "b"}, ids)
	})
	t.Run("a checkpoint with a trial that can't be kept leaves nothing behind", func(t *testing.T) {
		s := open(t)
		before := store.Search{ID: "s", State: "before"}
		require.NoError(t, s.PutSearch(t.Context(), before))
		requireInvalid(t, "number", s.PutSearchWithTrials(t.Context(), store.Search{ID: "s", State: "after"}, []store.Trial{{Number: 0}, {Number: -1}}))
		got, err := s.GetSearch(t.Context(), "s")
		require.NoError(t, err)
		require.Equal(t, before, got)
		none, err := s.ListTrials(t.Context(), "s")
		require.NoError(t, err)
		require.Empty(t, none)
	})
}
