package store_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/redistest"
	"github.com/mergeway/mergeway/store/storetest"
)

// openMirror mirrors the server at the address, until the test ends.
func openMirror(t *testing.T, addr string) *store.Mirror {
	t.Helper()
	r, err := store.OpenRedis(t.Context(), "redis://"+addr)
	require.NoError(t, err)
	m, err := store.NewMirror(t.Context(), r, store.MirrorOptions{Logger: slog.New(slog.DiscardHandler), Interval: 20 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// rawRedis is somebody else's connection.
func rawRedis(t *testing.T, addr string) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// soon waits for what has to happen, but may take its time.
func soon(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, time.Minute, 2*time.Millisecond, what)
}

// target is where an alias stands in a store; empty if it isn't there.
func target(t *testing.T, s store.Store, alias string) string {
	t.Helper()
	a, err := s.GetAlias(t.Context(), alias)
	if fault.CodeOf(err) == fault.NotFound {
		return ""
	}
	require.NoError(t, err)
	return a.Target
}

func has(t *testing.T, s store.Store, recipe string) bool {
	t.Helper()
	_, err := s.GetRecipe(t.Context(), recipe)
	if fault.CodeOf(err) == fault.NotFound {
		return false
	}
	require.NoError(t, err)
	return true
}

func putRecipe(t *testing.T, s store.Store, id string) {
	t.Helper()
	_, err := s.PutRecipe(t.Context(), store.Recipe{ID: id, Name: "name of " + id})
	require.NoError(t, err)
}

func move(t *testing.T, s store.Store, alias, target string) {
	t.Helper()
	_, err := s.PutAlias(t.Context(), alias, store.To(target), time.Now())
	require.NoError(t, err)
}

func lost(m *store.Mirror) func() bool  { return func() bool { return m.Status().Lost != nil } }
func found(m *store.Mirror) func() bool { return func() bool { return m.Status().Lost == nil } }

func TestMirrorKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openMirror(t, miniredis.RunT(t).Addr()) })
}

func TestMirrorKeepsTheContractOnARealServer(t *testing.T) {
	server := redistest.Start(t)
	databases := 0
	storetest.Run(t, func(t *testing.T) store.Store {
		databases++
		return openMirror(t, fmt.Sprint(server.Addr, "/", databases))
	})
}

func TestRacesBetweenProcessesEndWell(t *testing.T) {
	server := redistest.Start(t)
	for name, open := range map[string]func(t *testing.T, addr string) store.Store{
		"Redis":    func(t *testing.T, addr string) store.Store { return openRedis(t, addr) },
		"mirrored": func(t *testing.T, addr string) store.Store { return openMirror(t, addr) },
	} {
		t.Run(name+" in memory", func(t *testing.T) {
			addr := miniredis.RunT(t).Addr()
			storetest.RequireRacesEndWell(t, open(t, addr), open(t, addr))
			storetest.RequireOneGetsTheClaim(t, open(t, addr), open(t, addr))
		})
		t.Run(name+" on a real server", func(t *testing.T) {
			addr := fmt.Sprint(server.Addr, "/", map[string]int{"Redis": 1, "mirrored": 2}[name])
			storetest.RequireRacesEndWell(t, open(t, addr), open(t, addr))
			storetest.RequireOneGetsTheClaim(t, open(t, addr), open(t, addr))
			storetest.RequireNoMoveIsLost(t, open(t, addr), open(t, addr))
		})
	}
}

func TestMirrorsHearOfEachOther(t *testing.T) {
	addr := redistest.Start(t).Addr
	one, other := openMirror(t, addr), openMirror(t, addr)
	var mu sync.Mutex
	var heard []store.Change
	other.OnChange(func(c store.Change) { mu.Lock(); defer mu.Unlock(); heard = append(heard, c) })

	putRecipe(t, one, "r")
	move(t, one, "a", "r")
	require.True(t, has(t, one, "r"), "who writes reads it")
	require.Equal(t, "r", target(t, one, "a"))
	soon(t, "the other hears of it", func() bool { return target(t, other, "a") == "r" && has(t, other, "r") })
	move(t, one, "a", "q")
	require.NoError(t, one.DeleteRecipe(t.Context(), "r"))
	require.NoError(t, one.DeleteAlias(t.Context(), "a"))
	soon(t, "the other hears of that", func() bool { return target(t, other, "a") == "" && !has(t, other, "r") })
	move(t, other, "own", "x")
	soon(t, "the versions agree", func() bool { return one.Status().Version == 6 && other.Status().Version == 6 })
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []store.Change{
		{Alias: "a", To: "r"}, {Alias: "a", From: "r", To: "q"}, {Recipe: "r"}, {Alias: "a", From: "q"},
	}, heard, "what others changed, and nothing else")
}

// Who makes a recipe may ask another process for it before that one has heard.
func TestARecipeThatIsNotKnownYetIsLookedFor(t *testing.T) {
	server := miniredis.RunT(t)
	m := openMirror(t, server.Addr())
	server.HSet("mergeway:recipes", "r", `{"id":"r","name":"n"}`)
	r, err := m.GetRecipe(t.Context(), "r")
	require.NoError(t, err)
	require.Equal(t, "n", r.Name)
	require.False(t, has(t, m, "q"))
	server.Close()
	require.False(t, has(t, m, "r"), "no use to ask")
}

// A message may get lost. The version tells.
func TestMirrorCatchesUpOnWhatItHasNotHeard(t *testing.T) {
	server := miniredis.RunT(t)
	m := openMirror(t, server.Addr())
	move(t, m, "a", "before")
	changes := make(chan store.Change, 10)
	m.OnChange(func(c store.Change) { changes <- c })
	raw := rawRedis(t, server.Addr())
	_, err := raw.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.HSet(t.Context(), "mergeway:aliases", "a", `{"name":"a","target":"after"}`)
		p.HSet(t.Context(), "mergeway:recipes", "r", `{"id":"r"}`)
		return p.HIncrBy(t.Context(), "mergeway:meta", "version", 2).Err()
	})
	require.NoError(t, err)
	soon(t, "it catches up", func() bool { return target(t, m, "a") == "after" && has(t, m, "r") })
	require.Equal(t, store.Change{Alias: "a", From: "before", To: "after"}, <-changes)
	require.Empty(t, changes)
}

func TestMirrorsOfTwoDatabasesOfOneServerKeepApart(t *testing.T) {
	addr := redistest.Start(t).Addr
	one, other := openMirror(t, addr+"/1"), openMirror(t, addr+"/2")
	move(t, one, "a", "one")
	move(t, other, "a", "other")
	move(t, one, "b", "one")
	soon(t, "both are through", func() bool { return one.Status().Version == 2 && other.Status().Version == 1 })
	require.Equal(t, "one", target(t, one, "a"))
	require.Equal(t, "other", target(t, other, "a"))
	require.Empty(t, target(t, other, "b"))
}

func TestAMoveWhoseAnswerWasLostIsNotMadeTwice(t *testing.T) {
	server := miniredis.RunT(t)
	s := openRedis(t, server.Addr())
	for _, target := range []string{"one", "two", "three"} {
		move(t, s, "a", target)
	}
	raw := rawRedis(t, server.Addr())
	asked := 0
	back := func(now store.Alias) (store.Target, error) {
		previous, _ := now.Previous()
		if asked++; asked == 1 { // the move that is decided here arrives, by a call whose answer is lost
			moved := store.Alias{Name: "a", Target: previous, UpdatedAt: time.Unix(9, 0).UTC(), History: append(now.History, store.AliasChange{Target: now.Target, At: now.UpdatedAt})}
			require.NoError(t, raw.HSet(t.Context(), "mergeway:aliases", "a", asJSON(t, moved)).Err())
		}
		return store.Target{ID: previous}, nil
	}
	moved, err := s.PutAlias(t.Context(), "a", back, time.Unix(9, 0))
	require.NoError(t, err)
	require.Equal(t, "two", moved.Target)
	require.Equal(t, "two", target(t, s, "a"))
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}
