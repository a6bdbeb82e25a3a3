package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/redistest"
)

func TestMirrorServesWhatItKnowsWhileRedisIsAway(t *testing.T) {
	server := redistest.Start(t)
	m, other := openMirror(t, server.Addr), openMirror(t, server.Addr)
	putRecipe(t, m, "r")
	move(t, m, "a", "r")
	require.NoError(t, m.PutKey(t.Context(), store.Key{ID: "k"}))
	for name, away := range map[string]struct{ leave, come func() }{
		"killed":  {server.Kill, func() { server.Restart(t) }},
		"hanging": {func() { server.Hang(t) }, func() { server.Resume(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			soon(t, "it is followed", found(m))
			away.leave()
			require.Equal(t, "r", target(t, m, "a"), "at once")
			soon(t, "the loss is noticed", lost(m))
			require.True(t, has(t, m, "r"))
			recipes, err := m.ListRecipes(t.Context())
			require.NoError(t, err)
			require.Len(t, recipes, 1)
			aliases, err := m.ListAliases(t.Context())
			require.NoError(t, err)
			require.Len(t, aliases, 1)
			keys, err := m.ListKeys(t.Context())
			require.NoError(t, err)
			require.Len(t, keys, 1)
			for what, write := range map[string]func() error{
				"put recipe":    func() error { _, err := m.PutRecipe(t.Context(), store.Recipe{ID: "q"}); return err },
				"delete recipe": func() error { return m.DeleteRecipe(t.Context(), "r") },
				"put alias":     func() error { _, err := m.PutAlias(t.Context(), "a", store.To("q"), time.Now()); return err },
				"delete alias":  func() error { return m.DeleteAlias(t.Context(), "a") },
				"put key":       func() error { return m.PutKey(t.Context(), store.Key{ID: "l"}) },
				"touch key":     func() error { return m.TouchKey(t.Context(), "k", time.Now()) },
				"delete key":    func() error { return m.DeleteKey(t.Context(), "k") },
			} {
				err := write()
				require.Equal(t, fault.Unavailable, fault.CodeOf(err), what)
				require.ErrorContains(t, err, "can't be changed now", what)
			}
			away.come()
			soon(t, "it is followed again", func() bool { return found(m)() && found(other)() })
			move(t, other, "a", name)
			soon(t, "it hears again", func() bool { return target(t, m, "a") == name })
			move(t, m, "a", "r")
		})
	}
}

func TestMirrorCatchesUpOnWhatHappenedWhileItWasAway(t *testing.T) {
	server := miniredis.RunT(t)
	m := openMirror(t, server.Addr())
	putRecipe(t, m, "gone")
	move(t, m, "a", "before")
	server.Close()
	soon(t, "the loss is noticed", lost(m))
	// Others were not away.
	server.HDel("mergeway:recipes", "gone")
	server.HSet("mergeway:recipes", "new", `{"id":"new"}`)
	server.HSet("mergeway:aliases", "a", `{"name":"a","target":"after"}`)
	server.HSet("mergeway:meta", "version", "9")
	require.NoError(t, server.Restart())
	soon(t, "it catches up", func() bool { return found(m)() && m.Status().Version == 9 })
	require.Equal(t, "after", target(t, m, "a"))
	require.True(t, has(t, m, "new"))
	require.False(t, has(t, m, "gone"), "a deletion is no loss")
}

func TestMirrorsPutBackWhatAnEmptiedRedisHasLost(t *testing.T) {
	server := redistest.Start(t)
	one, other := openMirror(t, server.Addr), openMirror(t, server.Addr)
	for i := range 20 {
		id := fmt.Sprint("r", i)
		putRecipe(t, one, id)
		move(t, one, fmt.Sprint("a", i), "before")
		move(t, one, fmt.Sprint("a", i), id)
	}
	soon(t, "both know all", func() bool { return other.Status().Version == one.Status().Version })
	want, err := one.ListAliases(t.Context())
	require.NoError(t, err)
	require.NoError(t, one.PutKey(t.Context(), store.Key{ID: "revoked"}))
	require.NoError(t, one.PutKey(t.Context(), store.Key{ID: "k"}))
	require.NoError(t, one.TouchKey(t.Context(), "k", time.Unix(5, 0)))
	require.NoError(t, one.DeleteKey(t.Context(), "revoked"))
	soon(t, "both know the keys", func() bool { return other.Status().Version == one.Status().Version })

	for range 2 { // again and again
		server.Kill()
		soon(t, "both notice the loss", func() bool { return lost(one)() && lost(other)() })
		server.Forget(t)
		server.Restart(t)
		soon(t, "both follow again", func() bool {
			return found(one)() && found(other)() && one.Status().Version == other.Status().Version
		})
		fresh := openMirror(t, server.Addr)
		for _, s := range []store.Store{one, other, fresh, openRedis(t, server.Addr)} {
			got, err := s.ListAliases(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, got, "with their histories")
			recipes, err := s.ListRecipes(t.Context())
			require.NoError(t, err)
			require.Len(t, recipes, 20)
			keys, err := s.ListKeys(t.Context())
			require.NoError(t, err)
			require.Equal(t, []store.Key{{ID: "k", UsedAt: time.Unix(5, 0).UTC()}}, keys)
		}
		move(t, fresh, "new", "x")
		soon(t, "all hear of it", func() bool { return target(t, one, "new") == "x" && target(t, other, "new") == "x" })
		require.NoError(t, one.DeleteAlias(t.Context(), "new"))
		soon(t, "all hear of that", func() bool { return target(t, fresh, "new") == "" && target(t, other, "new") == "" })
	}
}

// A gateway that starts on the emptied server before the others have noticed has
// nothing, and takes over what they put back.
func TestAFreshMirrorOnAnEmptiedRedisJoinsTheOthers(t *testing.T) {
	server := miniredis.RunT(t)
	old := openMirror(t, server.Addr())
	putRecipe(t, old, "r")
	move(t, old, "a", "r")
	server.Close()
	soon(t, "the loss is noticed", lost(old))
	server.FlushAll()
	server.HSet("mergeway:meta", "lineage", "of a fresh one")
	require.NoError(t, server.Restart())
	fresh := openMirror(t, server.Addr())
	soon(t, "both know all", func() bool { return target(t, fresh, "a") == "r" && target(t, old, "a") == "r" && found(old)() })
	move(t, fresh, "a", "x")
	soon(t, "they hear of each other", func() bool { return target(t, old, "a") == "x" })
	move(t, old, "a", "y")
	soon(t, "they hear of each other", func() bool { return target(t, fresh, "a") == "y" })
}

func TestMirrorsPutBackWhatAnOlderRedisHasForgotten(t *testing.T) {
	server := miniredis.RunT(t)
	m := openMirror(t, server.Addr())
	putRecipe(t, m, "kept")
	putRecipe(t, m, "deleted")
	for _, alias := range []string{"forgotten", "moved since"} {
		move(t, m, alias, "one")
	}
	older := map[string]map[string]string{}
	for _, hash := range []string{"meta", "recipes", "aliases"} {
		older[hash] = map[string]string{}
		keys, err := server.HKeys("mergeway:" + hash)
		require.NoError(t, err)
		for _, key := range keys {
			older[hash][key] = server.HGet("mergeway:"+hash, key)
		}
	}
	putRecipe(t, m, "lost")
	require.NoError(t, m.DeleteRecipe(t.Context(), "deleted"))
	for _, alias := range []string{"forgotten", "moved since"} {
		move(t, m, alias, "two")
		move(t, m, alias, "three")
	}
	server.Close()
	soon(t, "the loss is noticed", lost(m))
	for hash, records := range older {
		server.Del("mergeway:" + hash)
		for key, record := range records {
			server.HSet("mergeway:"+hash, key, record)
		}
	}
	require.NoError(t, server.Restart())
	// Somebody else comes first, and moves an alias.
	first := openRedis(t, server.Addr())
	_, err := first.PutAlias(t.Context(), "moved since", store.To("theirs"), time.Now())
	require.NoError(t, err)
	soon(t, "it is followed again", found(m))
	for _, s := range []store.Store{m, first} {
		for _, id := range []string{"kept", "lost", "deleted"} {
			require.True(t, has(t, s, id), "%s: more rather than less", id)
		}
		require.Equal(t, "three", target(t, s, "forgotten"))
		require.Equal(t, "theirs", target(t, s, "moved since"))
	}
}

func TestMirrorLeavesTheStateOfOthersAlone(t *testing.T) {
	server := miniredis.RunT(t)
	m := openMirror(t, server.Addr())
	putRecipe(t, m, "r")
	move(t, m, "a", "r")
	lineage := server.HGet("mergeway:meta", "lineage")
	// Under the same address there is another database now, also one that the
	// connection never broke to.
	theirs := func(lineage string) {
		server.HSet("mergeway:meta", "lineage", lineage)
		server.HSet("mergeway:aliases", "theirs", `{"name":"theirs","target":"x"}`)
		server.HDel("mergeway:recipes", "r")
		server.HDel("mergeway:aliases", "a")
	}
	theirs("of others")
	_, err := m.PutRecipe(t.Context(), store.Recipe{ID: "q"})
	require.Equal(t, fault.Unavailable, fault.CodeOf(err), "also before it is noticed")
	soon(t, "it is noticed", lost(m))
	require.ErrorContains(t, m.Status().Lost, "the state of other gateways")
	require.Equal(t, "r", target(t, m, "a"))
	require.Empty(t, target(t, m, "theirs"))
	err = m.DeleteAlias(t.Context(), "a")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.ErrorContains(t, err, "the state of other gateways")
	keys, err := server.HKeys("mergeway:recipes")
	if err == nil {
		require.Empty(t, keys, "nothing is written there")
	}

	server.HDel("mergeway:aliases", "theirs")
	server.HSet("mergeway:meta", "lineage", lineage)
	soon(t, "ours is back", found(m))
	soon(t, "and complete", func() bool { return has(t, m, "r") && target(t, m, "a") == "r" })
}
