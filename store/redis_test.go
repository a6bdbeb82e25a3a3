package store_test

import (
	"context"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/storetest"
)

// openRedis connects to the server at the address, and closes with the test.
func openRedis(t *testing.T, addr string) *store.Redis {
	t.Helper()
	s, err := store.OpenRedis(t.Context(), "redis://"+addr)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestRedisKeepsTheContractInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return openRedis(t, miniredis.RunT(t).Addr()) })
}

func TestRedisURLsThatCantBeRead(t *testing.T) {
	for _, address := range []string{"", "localhost:6379", "http://u:" + password + "@h", "redis://u:" + password + "@h:port", "redis://u:" + password + "@h/x", "redis://%zz:" + password + "@h"} {
		_, err := store.OpenRedis(t.Context(), address)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), address)
		require.NotContains(t, err.Error(), password)
	}
}

func TestRedisWithoutAServerIsUnavailable(t *testing.T) {
	server := miniredis.RunT(t)
	addr := server.Addr()
	server.Close()
	_, err := store.OpenRedis(t.Context(), "redis://"+addr)
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.ErrorContains(t, err, addr)
}

func TestRedisServerGoesAwayAndComesBack(t *testing.T) {
	server := miniredis.RunT(t)
	s := openRedis(t, server.Addr())
	want := store.Recipe{ID: "r", Name: "before"}
	_, err := s.PutRecipe(t.Context(), want)
	require.NoError(t, err)
	for range 2 {
		server.Close()
		storetest.RequireEveryMethodFails(t, t.Context(), s, fault.Unavailable)
		require.NoError(t, server.Restart())
		require.Eventually(t, func() bool { return s.Ping(t.Context()) == nil }, time.Minute, 20*time.Millisecond)
		got, err := s.GetRecipe(t.Context(), "r")
		require.NoError(t, err)
		require.Equal(t, want.Name, got.Name)
		require.NoError(t, s.PutSearchWithTrials(t.Context(), store.Search{ID: "s"}, []store.Trial{{Number: 1}}))
	}
}

func TestRedisThatRefusesIsUnavailable(t *testing.T) {
	server := miniredis.RunT(t)
	s := openRedis(t, server.Addr()+"?max_retries=-1") // this error is retried, with pauses
	server.SetError("READONLY You can't write against a read only replica.")
	storetest.RequireEveryMethodFails(t, t.Context(), s, fault.Unavailable)
	server.SetError("")
	require.NoError(t, s.Ping(t.Context()))
}

func TestRedisThatNeverAnswersIsCancelledByTheContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = store.OpenRedis(ctx, "redis://"+silent.Addr().String())
	require.Equal(t, fault.Cancelled, fault.CodeOf(err), "%v", err)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

const password = "correct-horse"

func TestRedisPasswordIsNeverShown(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireUserAuth("someone", password)
	host := server.Addr()
	address := func(user, pass string) string {
		return (&url.URL{Scheme: "redis", User: url.UserPassword(user, pass), Host: host}).String()
	}
	s, err := store.OpenRedis(t.Context(), address("someone", password))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Ping(t.Context()))

	const wrong = "battery-staple"
	_, err = store.OpenRedis(t.Context(), address("someone", wrong))
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.NotContains(t, err.Error(), wrong)

	server.Close()
	err = s.Ping(t.Context())
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.NotContains(t, err.Error(), password)
	_, err = store.OpenRedis(t.Context(), address("someone", password))
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.NotContains(t, err.Error(), password)
	_, err = store.OpenRedis(cancelled(t), address("someone", password))
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
	require.NotContains(t, err.Error(), password)
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestRedisMovesFromTwoProcessesLoseNoHistory(t *testing.T) {
	addr := miniredis.RunT(t).Addr()
	storetest.RequireNoMoveIsLost(t, openRedis(t, addr), openRedis(t, addr))
}

func TestRedisStateThatIsNotOursIsDamaged(t *testing.T) {
	server := miniredis.RunT(t)
	require.NoError(t, server.Set("mergeway:format", "2"))
	_, err := store.OpenRedis(t.Context(), "redis://"+server.Addr())
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, `format "2"`)

	server.Del("mergeway:format")
	_, err = server.Lpush("mergeway:format", "x")
	require.NoError(t, err)
	_, err = store.OpenRedis(t.Context(), "redis://"+server.Addr())
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
}

func TestRedisBrokenRecordsAreDamaged(t *testing.T) {
	server := miniredis.RunT(t)
	s := openRedis(t, server.Addr())
	require.NoError(t, s.PutSearch(t.Context(), store.Search{ID: "s"}))
	for _, hash := range []string{"recipes", "aliases", "keys", "searches"} {
		server.HSet("mergeway:"+hash, "broken", `{"id":`)
	}
	require.NoError(t, server.Set("mergeway:response:broken", `{"id":`))
	_, err := server.ZAdd("mergeway:trials:s", 1, `[`)
	require.NoError(t, err)
	ctx := t.Context()
	for name, do := range map[string]func() error{
		"GetRecipe":    func() error { _, err := s.GetRecipe(ctx, "broken"); return err },
		"ListRecipes":  func() error { _, err := s.ListRecipes(ctx); return err },
		"GetAlias":     func() error { _, err := s.GetAlias(ctx, "broken"); return err },
		"ListAliases":  func() error { _, err := s.ListAliases(ctx); return err },
		"PutAlias":     func() error { _, err := s.PutAlias(ctx, "broken", store.To("t"), time.Unix(1, 0)); return err },
		"ListKeys":     func() error { _, err := s.ListKeys(ctx); return err },
		"TouchKey":     func() error { return s.TouchKey(ctx, "broken", time.Unix(1, 0)) },
		"GetSearch":    func() error { _, err := s.GetSearch(ctx, "broken"); return err },
		"ListSearches": func() error { _, err := s.ListSearches(ctx); return err },
		"ListTrials":   func() error { _, err := s.ListTrials(ctx, "s"); return err },
		"GetResponse":  func() error { _, err := s.GetResponse(ctx, "broken"); return err },
	} {
		require.Equal(t, fault.Damaged, fault.CodeOf(do()), name)
	}
}

func TestRedisForgetsResponsesByItself(t *testing.T) {
	server := miniredis.RunT(t)
	s := openRedis(t, server.Addr())
	response := store.Response{ID: "r", CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	require.NoError(t, s.PutResponse(t.Context(), response, 10))
	_, err := s.GetResponse(t.Context(), "r")
	require.NoError(t, err)
	server.FastForward(2 * time.Hour)
	require.False(t, server.Exists("mergeway:response:r"))
	_, err = s.GetResponse(t.Context(), "r")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))

	response.ID = "q"
	require.NoError(t, s.PutResponse(t.Context(), response, 10))
	left, err := server.ZMembers("mergeway:responses")
	require.NoError(t, err)
	require.Equal(t, []string{"q"}, left, "ids of responses that are gone go with the next")
}
