package cli

import (
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/store"
)

// freePort gives a loopback address nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func TestRedisIsWaitedForAsLongAsAllowed(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	addr := freePort(t)
	s := settings{Redis: "redis://" + addr}
	for _, wait := range []time.Duration{0, time.Millisecond} {
		s.RedisWait = wait
		_, err := s.openStore(t.Context(), quiet)
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
		require.ErrorContains(t, err, addr)
	}

	s.RedisWait = time.Hour
	server := miniredis.NewMiniRedis()
	t.Cleanup(server.Close)
	opened := make(chan error, 1)
	go func() {
		r, err := s.openStore(t.Context(), quiet)
		if err == nil {
			err = r.Close()
		}
		opened <- err
	}()
	time.Sleep(10 * time.Millisecond) // it may come late, or be there already
	require.NoError(t, server.StartAddr(addr))
	require.NoError(t, <-opened)

	s.Redis = "redis://" + addr + "/x"
	_, err := s.openStore(t.Context(), quiet)
	require.Equal(t, fault.Invalid, fault.CodeOf(err), "no use to wait for that")
}

func TestTheStoreIsAPartOfReadiness(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	server := miniredis.RunT(t)
	shared, err := (&settings{Redis: "redis://" + server.Addr()}).openStore(t.Context(), quiet)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shared.Close()) })
	_, err = shared.PutAlias(t.Context(), "a", store.To("x"), time.Now())
	require.NoError(t, err)
	r, addr := &rooms{store: shared}, server.Addr()
	require.Equal(t, []gateway.Part{{Name: "store", Status: gateway.PartReady}}, r.parts(t.Context()))
	server.Close()
	require.Eventually(t, func() bool { return r.parts(t.Context())[0].Status == gateway.PartDegraded }, time.Minute, time.Millisecond)
	part := r.parts(t.Context())[0]
	require.Contains(t, part.Reason, "Redis is out of reach")
	require.Contains(t, part.Reason, "version 1")
	require.NotContains(t, part.Reason, addr, "anybody may read it")
	require.NotNil(t, part.Since)

	require.NoError(t, server.Restart())
	server.HSet("mergeway:meta", "lineage", "of others")
	server.HSet("mergeway:recipes", "theirs", `{"id":"theirs"}`)
	server.HDel("mergeway:aliases", "a")
	require.Eventually(t, func() bool {
		return strings.Contains(r.parts(t.Context())[0].Reason, "the state of other gateways")
	}, time.Minute, time.Millisecond)

	embedded, err := (&settings{Data: t.TempDir()}).openStore(t.Context(), quiet)
	require.NoError(t, err)
	r = &rooms{store: embedded}
	require.Equal(t, gateway.PartReady, r.parts(t.Context())[0].Status)
	require.NoError(t, embedded.Close())
	part = r.parts(t.Context())[0]
	require.Equal(t, gateway.PartFailed, part.Status)
	require.Error(t, part.Err)
}

func TestMissingKernelsAreNamedButNothingFails(t *testing.T) {
	part := kernelsPart(errors.New("the plugin refuses a handler"))
	require.Equal(t, gateway.PartDegraded, part.Status)
	require.Contains(t, part.Reason, "refuses a handler")
}
