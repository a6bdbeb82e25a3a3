package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is at a limit goes through, and what is one above it is refused by name.
func TestLimitsOfARequest(t *testing.T) {
	words := func(n int, separator string) string { return strings.Repeat(`"x"`+separator, n-1) + `"x"` }
	turns := func(n int) string {
		turn := `{"role": "user", "content": "hi"}`
		return fmt.Sprintf(`{"model": "base", "messages": [%s]}`, strings.Repeat(turn+", ", n-1)+turn)
	}
	for _, c := range []struct {
		key           string
		limit         func(l *Limits) *int
		method, path  string
		request       func(n int) string // one that needs the limit to be n
		status        int
		code, blaming string
	}{
		{"max-body-bytes", func(l *Limits) *int { return &l.BodyBytes }, "POST", chatPath, func(n int) string {
			return ask("") + strings.Repeat(" ", n-len(ask("")))
		}, 413, "too_large", ""},
		{"max-name-bytes, in a request", func(l *Limits) *int { return &l.NameBytes }, "POST", chatPath, func(n int) string {
			return fmt.Sprintf(`{"model": %q, "messages": [{"role": "user", "content": "hi"}]}`, "base"+strings.Repeat("x", n-4))
		}, 400, "invalid", "model"},
		{"max-name-bytes, of an alias", func(l *Limits) *int { return &l.NameBytes }, "PUT", "/v1/aliases/ABCD", func(n int) string {
			return fmt.Sprintf(`{"target": %q}`, "base"+strings.Repeat("x", n-4))
		}, 400, "invalid", "target"},
		{"max-messages", func(l *Limits) *int { return &l.Messages }, "POST", chatPath, turns, 400, "invalid", "messages"},
		{"max-prompts", func(l *Limits) *int { return &l.Prompts }, "POST", completionsPath, func(n int) string { return complete("["+words(n, ",")+"]", "") }, 400, "invalid", "prompt"},
		{"max-choices, in a chat", func(l *Limits) *int { return &l.Choices }, "POST", chatPath, func(n int) string { return ask(fmt.Sprintf(`"n": %d`, n)) }, 400, "invalid", "n"},
		{"max-choices, over all prompts", func(l *Limits) *int { return &l.Choices }, "POST", completionsPath, func(n int) string { return complete("["+words(n, ",")+"]", "") }, 400, "invalid", "n"},
		{"max-max-tokens", func(l *Limits) *int { return &l.MaxTokens }, "POST", chatPath, func(n int) string { return ask(fmt.Sprintf(`"max_tokens": %d`, n)) }, 400, "invalid", "max_tokens"},
		{"max-stops", func(l *Limits) *int { return &l.Stops }, "POST", chatPath, func(n int) string { return ask(`"stop": [` + words(n, ",") + `]`) }, 400, "invalid", "stop"},
		{"max-stop-bytes", func(l *Limits) *int { return &l.StopBytes }, "POST", chatPath, func(n int) string { return ask(fmt.Sprintf(`"stop": %q`, strings.Repeat("x", n))) }, 400, "invalid", "stop[0]"},
		{"max-stop-token-ids", func(l *Limits) *int { return &l.StopTokens }, "POST", chatPath, func(n int) string {
			return ask(`"stop_token_ids": [` + strings.Repeat("5, ", n-1) + `5]`)
		}, 400, "invalid", "stop_token_ids"},
		{"max-logit-bias", func(l *Limits) *int { return &l.LogitBias }, "POST", chatPath, func(n int) string {
			bias := make([]string, n)
			for i := range bias {
				bias[i] = fmt.Sprintf(`"%d": 1`, i)
			}
			return ask(`"logit_bias": {` + strings.Join(bias, ",") + `}`)
		}, 400, "invalid", "logit_bias"},
		{"max-logprobs", func(l *Limits) *int { return &l.Logprobs }, "POST", chatPath, func(n int) string { return ask(fmt.Sprintf(`"logprobs": true, "top_logprobs": %d`, n)) }, 400, "invalid", "top_logprobs"},
		{"max-embed-inputs", func(l *Limits) *int { return &l.EmbedInputs }, "POST", embeddingsPath, func(n int) string { return inputs("["+words(n, ",")+"]", "") }, 400, "invalid", "input"},
		{"max-embed-tokens", func(l *Limits) *int { return &l.EmbedTokens }, "POST", embeddingsPath, func(n int) string { return inputs(fmt.Sprintf("%q", strings.Repeat("x", n)), "") }, 400, "invalid", "input"},
		{"max-embed-values", func(l *Limits) *int { return &l.EmbedValues }, "POST", embeddingsPath, func(n int) string {
			return inputs("["+words(n, ",")+"]", `"dimensions": 1`)
		}, 400, "invalid", "input"},
	} {
		t.Run(c.key, func(t *testing.T) {
			limit := 4
			if c.key == "max-body-bytes" {
				limit = 200
			}
			b := newBench(t, func(o *Options) { *c.limit(&o.Limits) = limit })
			r := b.send(c.method, c.path, c.request(limit))
			require.Equal(t, 200, r.status, r.body)
			b.send(c.method, c.path, c.request(limit+1)).requireError(t, c.status, c.code, c.blaming)
		})
	}
}

func TestThePageOfAListIsLimited(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.PageSize = 2 })
	require.Equal(t, 200, b.send("GET", "/v1/searches/search-1/trials?limit=2", "").status)
	b.send("GET", "/v1/searches/search-1/trials?limit=3", "").requireError(t, 400, "invalid", "limit")
}

// A connection whose header does not come, or that nobody uses any more, is closed.
func TestConnectionsThatSayNothingAreClosed(t *testing.T) {
	for _, c := range []struct {
		name, sent string
		limit      func(l *Limits) *time.Duration
		replies    int
	}{
		{"half a header", "GET /healthz HTTP/1.1\r\nHost: local", func(l *Limits) *time.Duration { return &l.HeaderTimeout }, 0},
		{"after a reply", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", func(l *Limits) *time.Duration { return &l.IdleTimeout }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { *c.limit(&o.Limits) = 20 * time.Millisecond })
			conn, err := net.Dial("tcp", b.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write([]byte(c.sent))
			require.NoError(t, err)
			in := bufio.NewReader(conn)
			for range c.replies {
				r, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				require.Equal(t, 200, r.StatusCode)
				_, err = io.Copy(io.Discard, r.Body)
				require.NoError(t, err)
			}
			_, err = io.Copy(io.Discard, in) // to the end, which comes by itself
			require.NoError(t, err)
		})
	}
}
