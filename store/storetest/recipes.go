package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

func recipes(t *testing.T, open Open) {
	t.Run("a new store has none", func(t *testing.T) {
		s := open(t)
		all, err := s.ListRecipes(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Recipe{}, all)
		_, err = s.GetRecipe(t.Context(), "r")
		requireCode(t, fault.NotFound, err)
		require.ErrorContains(t, err, `"r"`)
		requireCode(t, fault.NotFound, s.DeleteRecipe(t.Context(), "r"))
	})
	t.Run("a recipe comes back as it was put", func(t *testing.T) {
		s := open(t)
		want := store.Recipe{ID: "r", Name: "n", Body: []byte(`{"a":1}`), Digest: "d", CreatedAt: at(0)}
		putRecipe(t, s, want)
		got, err := s.GetRecipe(t.Context(), "r")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("put again is the one that is there", func(t *testing.T) {
		s := open(t)
		want := store.Recipe{ID: "r", Name: "first", Body: []byte(`1`), Digest: "d", CreatedAt: at(0)}
		for _, put := range []store.Recipe{want, {ID: "r", Name: "second", CreatedAt: at(1)}, want} {
			kept, err := s.PutRecipe(t.Context(), put)
			require.NoError(t, err)
			require.Equal(t, want, kept)
		}
		all, err := s.ListRecipes(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Recipe{want}, all)
	})
	t.Run("the list is by time, then by id", func(t *testing.T) {
		s := open(t)
		for _, r := range []store.Recipe{{ID: "d", CreatedAt: at(1)}, {ID: "b", CreatedAt: at(2)}, {ID: "c", CreatedAt: at(1)}, {ID: "a", CreatedAt: at(3)}} {
			putRecipe(t, s, r)
		}
		all, err := s.ListRecipes(t.Context())
		require.NoError(t, err)
		var ids []string
		for _, r := range all {
			ids = append(ids, r.ID)
		}
		require.Equal(t, []string{"c", "d", "b", "a"}, ids)
	})
	t.Run("one that an alias stands for can't be deleted", func(t *testing.T) {
		s := open(t)
		putRecipe(t, s, store.Recipe{ID: "r"})
		putRecipe(t, s, store.Recipe{ID: "q"})
		for _, alias := range []string{"first", "second"} {
			_, err := s.PutAlias(t.Context(), alias, store.ToRecipe("r"), at(0))
			require.NoError(t, err)
			err = s.DeleteRecipe(t.Context(), "r")
			requireCode(t, fault.Conflict, err)
			require.ErrorContains(t, err, alias)
			_, err = s.GetRecipe(t.Context(), "r")
			require.NoError(t, err)
			_, err = s.PutAlias(t.Context(), alias, store.ToRecipe("q"), at(1))
			require.NoError(t, err)
		}
		require.NoError(t, s.DeleteRecipe(t.Context(), "r"), "an alias that stood for it once is no obstacle")
	})
	t.Run("a deleted one is gone, the others are not", func(t *testing.T) {
		s := open(t)
		putRecipe(t, s, store.Recipe{ID: "r"})
		putRecipe(t, s, store.Recipe{ID: "q"})
		require.NoError(t, s.DeleteRecipe(t.Context(), "r"))
		_, err := s.GetRecipe(t.Context(), "r")
		requireCode(t, fault.NotFound, err)
		requireCode(t, fault.NotFound, s.DeleteRecipe(t.Context(), "r"))
		_, err = s.GetRecipe(t.Context(), "q")
		require.NoError(t, err)
	})
}
