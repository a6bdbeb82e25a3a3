package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

func aliases(t *testing.T, open Open) {
	t.Run("a new store has none", func(t *testing.T) {
		s := open(t)
		all, err := s.ListAliases(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Alias{}, all)
		_, err = s.GetAlias(t.Context(), "a")
		requireCode(t, fault.NotFound, err)
		requireCode(t, fault.NotFound, s.DeleteAlias(t.Context(), "a"))
	})
	t.Run("moving an alias remembers where it was", func(t *testing.T) {
		s := open(t)
		first, err := s.PutAlias(t.Context(), "a", store.To("one"), at(0))
		require.NoError(t, err)
		require.Equal(t, store.Alias{Name: "a", Target: "one", UpdatedAt: at(0)}, first)
		_, ok := first.Previous()
		require.False(t, ok)

		want := store.Alias{Name: "a", Target: "two", UpdatedAt: at(1), History: []store.AliasChange{{Target: "one", At: at(0)}}}
		second, err := s.PutAlias(t.Context(), "a", store.To("two"), at(1))
		require.NoError(t, err)
		require.Equal(t, want, second)
		got, err := s.GetAlias(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, want, got)

		third, err := s.PutAlias(t.Context(), "a", store.To("one"), at(2))
		require.NoError(t, err)
		require.Equal(t, append(want.History, store.AliasChange{Target: "two", At: at(1)}), third.History)
		previous, ok := third.Previous()
		require.True(t, ok)
		require.Equal(t, "two", previous)
	})
	t.Run("moving it to where it points changes nothing", func(t *testing.T) {
		s := open(t)
		want, err := s.PutAlias(t.Context(), "a", store.To("one"), at(0))
		require.NoError(t, err)
		same, err := s.PutAlias(t.Context(), "a", store.To("one"), at(5))
		require.NoError(t, err)
		require.Equal(t, want, same)
		got, err := s.GetAlias(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("a move is decided on what is there", func(t *testing.T) {
		s := open(t)
		var seen []store.Alias
		move := func(to string, err error) store.Move {
			return func(now store.Alias) (store.Target, error) {
				seen = append(seen, now)
				return store.Target{ID: to}, err
			}
		}
		first, err := s.PutAlias(t.Context(), "a", move("one", nil), at(0))
		require.NoError(t, err)
		refused := fault.Bad("if_target", "not now")
		_, err = s.PutAlias(t.Context(), "a", move("two", refused), at(1))
		require.ErrorIs(t, err, refused)
		_, err = s.PutAlias(t.Context(), "b", move("two", refused), at(1))
		require.ErrorIs(t, err, refused)
		require.Equal(t, []store.Alias{{Name: "a"}, first, {Name: "b"}}, seen)
		all, err := s.ListAliases(t.Context())
		require.NoError(t, err)
		require.Equal(t, []store.Alias{first}, all)
	})
	t.Run("a recipe that it is moved to has to be there", func(t *testing.T) {
		s := open(t)
		_, err := s.PutAlias(t.Context(), "a", store.ToRecipe("r"), at(0))
		requireCode(t, fault.NotFound, err)
		require.ErrorContains(t, err, `"r"`)
		_, err = s.GetAlias(t.Context(), "a")
		requireCode(t, fault.NotFound, err)
		putRecipe(t, s, store.Recipe{ID: "r"})
		alias, err := s.PutAlias(t.Context(), "a", store.ToRecipe("r"), at(0))
		require.NoError(t, err)
		require.Equal(t, store.Alias{Name: "a", Target: "r", UpdatedAt: at(0)}, alias)
	})
	t.Run("the latest targets are remembered", func(t *testing.T) {
		s := open(t)
		const moves = store.MaxAliasHistory + 3
		var last store.Alias
		for i := range moves {
			var err error
			last, err = s.PutAlias(t.Context(), "a", store.To(fmt.Sprint("target ", i)), at(i))
			require.NoError(t, err)
		}
		var want []store.AliasChange
		for i := moves - 1 - store.MaxAliasHistory; i < moves-1; i++ {
			want = append(want, store.AliasChange{Target: fmt.Sprint("target ", i), At: at(i)})
		}
		require.Equal(t, want, last.History)
		got, err := s.GetAlias(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, last, got)
	})
	t.Run("the list is by name", func(t *testing.T) {
		s := open(t)
		for i, name := range []string{"b", "日本", "a", "B"} {
			_, err := s.PutAlias(t.Context(), name, store.To("t"), at(i))
			require.NoError(t, err)
		}
		all, err := s.ListAliases(t.Context())
		require.NoError(t, err)
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
		}
		require.Equal(t, []string{"B", "a", "b", "日本"}, names)
	})
	t.Run("a deleted one takes its history along", func(t *testing.T) {
		s := open(t)
		for i, target := range []string{"one", "two"} {
			_, err := s.PutAlias(t.Context(), "a", store.To(target), at(i))
			require.NoError(t, err)
		}
		require.NoError(t, s.DeleteAlias(t.Context(), "a"))
		_, err := s.GetAlias(t.Context(), "a")
		requireCode(t, fault.NotFound, err)
		requireCode(t, fault.NotFound, s.DeleteAlias(t.Context(), "a"))
		again, err := s.PutAlias(t.Context(), "a", store.To("three"), at(2))
		require.NoError(t, err)
		require.Empty(t, again.History)
	})
}
