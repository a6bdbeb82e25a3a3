package test

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startRedis runs a real redis-server for one test and gives its URL. Without
// one the test is skipped, unless MERGEWAY_REQUIRE_REDIS is set.
func startRedis(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("MERGEWAY_REQUIRE_REDIS") != "" {
			t.Fatal("redis-server is missing")
		}
		t.Skip("redis-server is not installed")
	}
	addr := freeAddress(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	redis := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--dir", t.TempDir(), "--save", "", "--appendonly", "no")
	require.NoError(t, redis.Start())
	t.Cleanup(func() {
		_ = redis.Process.Signal(syscall.SIGTERM)
		_ = redis.Wait()
	})
	deadline := time.Now().Add(startTime)
	for {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		require.True(t, time.Now().Before(deadline), "redis-server does not answer")
		time.Sleep(pollEvery)
	}
	return "redis://" + addr + "/0"
}
