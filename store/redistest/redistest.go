package redistest

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server is a redis-server on a loopback port of its own, with an append-only
// file that is synced at every write.
type Server struct {
	Addr string // host:port

	binary, dir string
	process     *exec.Cmd
}

// Start starts a server; it is gone when the test ends. Where none is installed
// it skips the test, or fails it if MERGEWAY_REQUIRE_REDIS is set.
func Start(t testing.TB) *Server {
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
	s := &Server{Addr: port.Addr().String(), binary: binary, dir: t.TempDir()}
	require.NoError(t, port.Close())
	t.Cleanup(s.Kill)
	s.Restart(t)
	return s
}

// Restart starts the server again after Kill, with what it kept, and waits until
// it answers.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	s.process = exec.Command(s.binary, "--bind", "127.0.0.1", "--port", port, "--dir", s.dir, "--databases", "100",
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	require.NoError(t, s.process.Start())
	require.Eventually(t, s.answers, time.Minute, 20*time.Millisecond, "redis-server does not answer")
}

// answers tells whether the server is up, and through with reading its file.
func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, 64)
	n, err := c.Read(reply)
	return err == nil && string(reply[:n]) == "+PONG\r\n"
}

// Hang makes the server silent until Resume: connections stay open, and nothing is
// answered.
func (s *Server) Hang(t testing.TB) {
	t.Helper()
	require.NoError(t, s.process.Process.Signal(syscall.SIGSTOP))
}

// Resume ends Hang.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	require.NoError(t, s.process.Process.Signal(syscall.SIGCONT))
}

// Forget makes the server lose all that it kept, as one without an append-only
// file does when it is killed. It must not be running.
func (s *Server) Forget(t testing.TB) {
	t.Helper()
	require.Nil(t, s.process)
	s.dir = t.TempDir()
}

// Kill is kill -9.
func (s *Server) Kill() {
	if s.process != nil && s.process.Process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}
