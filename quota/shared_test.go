package quota

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store/redistest"
)

func TestSharedCountsForAllGateways(t *testing.T) {
	addr := redistest.Start(t).Addr
	one, other := openShared(t, addr), openShared(t, addr)
	l := Limits{Requests: 2, Tokens: 1000, Concurrent: 1}
	first := one.Take(t.Context(), "a", l)
	require.Empty(t, first.Refused)
	require.Equal(t, Concurrent, other.Take(t.Context(), "a", l).Refused)
	first.Release()
	second := other.Take(t.Context(), "a", l)
	require.Empty(t, second.Refused)
	second.Release()
	require.Equal(t, Requests, one.Take(t.Context(), "a", l).Refused)
	other.Charge(t.Context(), "b", l, 5000)
	require.Equal(t, Tokens, one.Take(t.Context(), "b", l).Refused)
	require.False(t, one.Alone())
}

func TestSharedGoesOnAloneWhileRedisIsAway(t *testing.T) {
	server := redistest.Start(t)
	var log bytes.Buffer
	s, err := OpenShared("redis://"+server.Addr, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	l := Limits{Requests: 1, Tokens: 10, Concurrent: 5}
	held := s.Take(t.Context(), "a", l)
	require.Empty(t, held.Refused)
	require.Equal(t, Requests, s.Take(t.Context(), "a", l).Refused)

	server.Kill()
	alone := s.Take(t.Context(), "a", l)
	require.Empty(t, alone.Refused, "from a full bucket of its own")
	require.True(t, s.Alone())
	require.Equal(t, Requests, s.Take(t.Context(), "a", l).Refused, "but it counts")
	s.Charge(t.Context(), "b", l, 100)
	require.Equal(t, Tokens, s.Take(t.Context(), "b", l).Refused)
	held.Release() // finds nobody to tell, and does no harm
	alone.Release()

	server.Restart(t)
	require.Eventually(t, func() bool { s.Take(t.Context(), "c", l); return !s.Alone() }, time.Minute, 20*time.Millisecond)
	require.Equal(t, 1, bytes.Count(log.Bytes(), []byte("counted by this process alone")), "one line, however many requests")
	require.Contains(t, log.String(), "counted in Redis again")
}

func TestSlotsOfAGatewayThatDiedRunOut(t *testing.T) {
	server := miniredis.RunT(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pass := func(d time.Duration) {
		now = now.Add(d)
		server.SetTime(now)
		server.FastForward(d)
	}
	pass(0)
	dying, living := openShared(t, server.Addr()), openShared(t, server.Addr())
	l := Limits{Concurrent: 2}
	require.Empty(t, dying.Take(t.Context(), "a", l).Refused)
	kept := living.Take(t.Context(), "a", l)
	require.Empty(t, kept.Refused)
	for range 4 {
		pass(lease / 3)
		living.renew(t.Context())
	}
	next := living.Take(t.Context(), "a", l)
	require.Empty(t, next.Refused, "the dead one's")
	require.Equal(t, Concurrent, living.Take(t.Context(), "a", l).Refused, "what is renewed stays")
	next.Release()
	kept.Release()
	dying.renew(t.Context()) // it was not dead: its slot is gone all the same
	require.Empty(t, living.Take(t.Context(), "a", l).Refused)
	require.Empty(t, living.Take(t.Context(), "a", l).Refused)
}

func TestSharedKeepsNothingForEver(t *testing.T) {
	server := miniredis.RunT(t)
	s := openShared(t, server.Addr())
	l := Limits{Requests: 60, Tokens: 100, Concurrent: 5}
	s.Take(t.Context(), "a", l)
	s.Charge(t.Context(), "a", l, 1000)
	require.Len(t, server.Keys(), 3)
	for _, key := range server.Keys() {
		require.Positive(t, server.TTL(key), key)
	}
}

func TestSharedURLsThatCantBeRead(t *testing.T) {
	_, err := OpenShared("redis://u:correct-horse@h:port", slog.Default())
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.NotContains(t, err.Error(), "correct-horse")
}
