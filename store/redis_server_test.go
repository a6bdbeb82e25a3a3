package store_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/storetest"
)

// redisServer is a real redis-server on a port of its own.
type redisServer struct {
	binary, dir, addr string
	process           *exec.Cmd
}

// startRedis starts a server. Where none is installed it skips the test, or
// fails it if MERGEWAY_REQUIRE_REDIS is set.
func startRedis(t *testing.T) *redisServer {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("MERGEWAY_REQUIRE_REDIS") != "" {
			t.Fatal("MERGEWAY_REQUIRE_REDIS is set, and there is no redis-server")
		}
		t.Skip("there is no redis-server")
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &redisServer{binary: binary, dir: t.TempDir(), addr: port.Addr().String()}
	require.NoError(t, port.Close())
	t.Cleanup(r.kill)
	r.start(t)
	return r
}

func (r *redisServer) start(t *testing.T) {
	t.Helper()
	_, port, err := net.SplitHostPort(r.addr)
	require.NoError(t, err)
	r.process = exec.Command(r.binary, "--bind", "127.0.0.1", "--port", port, "--dir", r.dir, "--databases", "100",
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	require.NoError(t, r.process.Start())
	require.Eventually(t, func() bool {
		s, err := store.OpenRedis(t.Context(), "redis://"+r.addr)
		if err != nil {
			return false
		}
		return s.Close() == nil
	}, time.Minute, 20*time.Millisecond, "redis-server does not answer")
}

// kill is kill -9.
func (r *redisServer) kill() {
	if r.process != nil && r.process.Process != nil {
		_ = r.process.Process.Kill()
		_ = r.process.Wait()
		r.process = nil
	}
}

func TestRedisKeepsTheContractOnARealServer(t *testing.T) {
	server := startRedis(t)
	databases := 0
	storetest.Run(t, func(t *testing.T) store.Store { // each test has a database of the server
		databases++
		return openRedis(t, fmt.Sprint(server.addr, "/", databases))
	})
}

func TestRedisKeepsEverythingWhenTheServerIsKilled(t *testing.T) {
	server := startRedis(t)
	s := openRedis(t, server.addr)
	storetest.RequireAllIsThereAfter(t, s, func() store.Store {
		server.kill()
		server.start(t)
		return openRedis(t, server.addr)
	})
}

func TestRedisLosesNothingWhenTheServerIsKilled(t *testing.T) {
	server := startRedis(t)
	s := openRedis(t, server.addr)
	appendOnly, err := s.AppendOnly(t.Context())
	require.NoError(t, err)
	require.True(t, appendOnly)
	const checkpoints = 20
	for n := 1; n <= checkpoints; n++ {
		require.NoError(t, s.PutSearchWithTrials(t.Context(), checkpoint(n), checkpointTrials(n)))
	}
	server.kill()
	require.Equal(t, fault.Unavailable, fault.CodeOf(s.Ping(t.Context())))
	server.start(t)
	search, err := s.GetSearch(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, checkpoint(checkpoints).State, search.State)
	_, total, err := s.PageTrials(t.Context(), "s", 0, 1)
	require.NoError(t, err)
	require.Equal(t, 2*checkpoints, total)
}

func TestRedisMovesOnARealServerLoseNoHistory(t *testing.T) {
	server := startRedis(t)
	storetest.RequireNoMoveIsLost(t, openRedis(t, server.addr), openRedis(t, server.addr))
}
