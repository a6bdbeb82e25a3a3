package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How many connections of each kind are held against the server: two hundred
// streams, and some that never become one.
const (
	stuckStreams   = 90 // never read their reply
	slowStreams    = 90 // read it when the others have been measured
	leavingStreams = 20 // hang up after the first event
	halfOpen       = 40 // stop in the middle of their request's header or body
)

// Streams whose readers are slow, stuck or gone, and connections that never finish
// their request, hurt nobody else: when the device has done their work, others are
// answered as if they were not there, and afterwards everything is free again.
func TestSlowAndBrokenClientsHurtNobody(t *testing.T) {
	s := start(t, options{args: []string{"--max-send-buffer", "65536", "--write-timeout", "30s", "--body-timeout", "5m", "--header-timeout", "5m"}})
	questions := []string{"3+4", "りんごが5個あります。2個食べました。何個残りますか。", "12+30", "明さんはペンを3本買いました。"}
	alone := map[string]string{}
	for _, q := range questions {
		alone[q] = s.ask(base, q)
	}
	quiet := s.latencies(questions, alone, 20)
	before := s.gauges("go_goroutines", "process_open_fds", begun)

	crowd := newCrowd(t, s)
	measured := make(chan struct{})
	var ends sync.WaitGroup
	for range stuckStreams {
		crowd.add(longReply, nil)
	}
	for range slowStreams {
		ends.Add(1)
		crowd.add(longReply, func(c net.Conn) { defer ends.Done(); <-measured; crowd.read(c) })
	}
	for range leavingStreams {
		crowd.add(longReply, func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('}')
			c.Close()
		})
	}
	for i := range halfOpen {
		crowd.add("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"+[]string{"", "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"model\": "}[i%2], nil)
	}
	s.wait("the device to have done the crowd's work", requestTime, func() bool {
		now := s.gauges(begun, running, waiting)
		return now[begun] >= before[begun]+stuckStreams+slowStreams && now[running]+now[waiting] == 0
	})
	held := s.gauges("streams")["streams"]
	require.EqualValues(t, stuckStreams+slowStreams, held, "streams that wait for their readers")
	loaded := s.latencies(questions, alone, 20)
	t.Logf("median and longest time of a question: %v and %v alone, %v and %v beside %v streams that wait for their readers",
		quiet[len(quiet)/2], quiet[len(quiet)-1], loaded[len(loaded)/2], loaded[len(loaded)-1], held)
	close(measured)
	ends.Wait() // each of those that read has read its reply to the end

	s.wait("the stuck to be given up", requestTime, func() bool {
		return s.gauges("abandoned")["abandoned"] >= stuckStreams
	})
	crowd.leave()
	s.wait("everything to be free", requestTime, func() bool {
		now := s.gauges("go_goroutines", "process_open_fds", "streams")
		return now["streams"] == 0 && now["go_goroutines"] <= before["go_goroutines"]+10 && now["process_open_fds"] <= before["process_open_fds"]+10
	})
	require.LessOrEqual(t, s.gauges("abandoned")["abandoned"], float64(stuckStreams+leavingStreams), "somebody who read was given up")
	for _, q := range questions {
		require.Equal(t, alone[q], s.ask(base, q))
	}
	require.Zero(t, s.stop())
}

const (
	begun   = `mergeway:request_queue_time_seconds_count{class="user"}`
	running = `mergeway:num_requests_running{class="user"}`
	waiting = `mergeway:num_requests_waiting{class="user"}`
)

// longReply asks for half a megabyte of events, which is more than buffers hold.
var longReply = func() string {
	body, err := json.Marshal(object{
		"model": base, "stream": true, "max_tokens": 300, "ignore_eos": true, "logprobs": true, "top_logprobs": 20,
		"messages": []object{{"role": "user", "content": "3+4"}},
	})
	if err != nil {
		panic(err) // there is nothing in it that can't be JSON
	}
	return fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

// crowd is a number of raw connections to a server.
type crowd struct {
	t     *testing.T
	addr  string
	conns []net.Conn
}

func newCrowd(t *testing.T, s *server) *crowd {
	c := &crowd{t: t, addr: strings.TrimPrefix(s.url, "http://")}
	t.Cleanup(c.leave)
	return c
}

// add connects, sends, and leaves the rest to then.
func (c *crowd) add(send string, then func(net.Conn)) {
	c.t.Helper()
	// What the kernel may keep for a reader that doesn't read: set before the
	// connection is made, it bounds what the server's side sends ahead as well.
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		_ = raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		return err
	}}
	conn, err := dialer.DialContext(c.t.Context(), "tcp", c.addr)
	require.NoError(c.t, err)
	_, err = io.WriteString(conn, send)
	require.NoError(c.t, err)
	c.conns = append(c.conns, conn)
	if then != nil {
		go then(conn)
	}
}

// read reads a whole reply, and fails unless it is complete.
func (c *crowd) read(conn net.Conn) {
	reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || reply.StatusCode != http.StatusOK {
		c.t.Errorf("a slow reader got no reply: %v %v", err, reply)
		return
	}
	var last string
	lines := bufio.NewScanner(reply.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if last != "data: [DONE]" {
		c.t.Errorf("a slow reader's stream ended with %.200q, %v", last, lines.Err())
	}
}

// leave closes every connection.
func (c *crowd) leave() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// latencies asks each question so often, checks the replies, and gives the times
// they took in order.
func (s *server) latencies(questions []string, want map[string]string, rounds int) []time.Duration {
	s.t.Helper()
	var all []time.Duration
	for range rounds {
		for _, q := range questions {
			began := time.Now()
			require.Equal(s.t, want[q], s.ask(base, q))
			all = append(all, time.Since(began).Round(time.Millisecond))
		}
	}
	slices.Sort(all)
	return all
}

// gauges reads samples of /metrics by their names with labels. "streams"
// and "abandoned" stand for the chats in progress and the generations given up.
func (s *server) gauges(names ...string) map[string]float64 {
	s.t.Helper()
	found := map[string]float64{}
	for line := range strings.Lines(string(s.send("GET", "/metrics", nil).body)) {
		at := strings.LastIndexByte(line, ' ')
		if at < 0 || line[0] == '#' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		require.NoError(s.t, err)
		found[line[:at]] = value
	}
	found["streams"] = found[`mergeway:http_requests_in_flight{route="/v1/chat/completions"}`]
	found["abandoned"] = found[`mergeway:request_abandoned_total{model_name="`+base+`"}`]
	got := map[string]float64{}
	for _, name := range names {
		got[name] = found[name]
	}
	return got
}
