package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Replies that are being given when SIGTERM comes are given to their end; then the
// process ends well.
func TestSIGTERMLetsRepliesEnd(t *testing.T) {
	s := start(t, options{})
	body, err := json.Marshal(object{
		"model": base, "messages": []object{{"role": "user", "content": "3+4"}}, "stream": true, "n": 8, "max_tokens": 400, "ignore_eos": true,
		"stream_options": object{"include_usage": true},
	})
	require.NoError(t, err)
	response, err := http.Post(s.url+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	require.True(t, lines.Scan(), "the reply has begun")
	require.NoError(t, s.process.Process.Signal(syscall.SIGTERM))
	last, usage := "", ""
	for lines.Scan() {
		if lines.Text() != "" {
			usage, last = last, lines.Text()
		}
	}
	require.NoError(t, lines.Err())
	require.Equal(t, "data: [DONE]", last)
	require.Contains(t, usage, fmt.Sprintf(`"completion_tokens":%d`, 8*400), "all of it")
	require.Zero(t, s.stop())
	_, err = s.try("GET", "/healthz", nil)
	require.Error(t, err, "nobody is there any more")
}

// A request that does not end keeps the process for --drain-timeout and no longer.
func TestSIGTERMHasADeadline(t *testing.T) {
	s := start(t, options{args: []string{"--drain-timeout", "1s", "--body-timeout", "1h"}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprint(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	status, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, status, "100 Continue", "its handler waits for the body")
	require.Zero(t, s.stop(), "within the test's patience, which is shorter than the body's")
}
