package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/quota"
)

func limited(l quota.Limits) keys.Spec {
	return keys.Spec{Scopes: []keys.Scope{keys.Inference, keys.Manage}, Limits: l}
}

func TestRequestsAMinuteOfAKey(t *testing.T) {
	b := newBench(t)
	_, secret := b.newKey(limited(quota.Limits{Requests: 2}))
	_, other := b.newKey(limited(quota.Limits{}))
	for left := 1; left >= 0; left-- {
		r := b.send("POST", chatPath, ask(""), bearer(secret))
		require.Equal(t, 200, r.status, r.body)
		require.Equal(t, "2", r.header.Get("x-ratelimit-limit-requests"))
		require.Equal(t, strconv.Itoa(left), r.header.Get("x-ratelimit-remaining-requests"))
		reset, err := time.ParseDuration(r.header.Get("x-ratelimit-reset-requests"))
		require.NoError(t, err)
		require.Positive(t, reset)
		require.Empty(t, r.header.Get("x-ratelimit-limit-tokens"), "there is none")
	}
	r := b.send("POST", chatPath, ask(""), bearer(secret))
	e := r.requireError(t, 429, "rate_limit_exceeded", "")
	require.Equal(t, "rate_limit_error", e.Type)
	require.Contains(t, e.Message, "2 requests per minute")
	wait, err := strconv.Atoi(r.header.Get("Retry-After"))
	require.NoError(t, err)
	require.True(t, wait >= 1 && wait <= 30, "%d", wait)
	require.Equal(t, "0", r.header.Get("x-ratelimit-remaining-requests"))

	require.Equal(t, 200, b.send("GET", "/v1/models", "", bearer(secret)).status, "reading costs nothing")
	require.Equal(t, 429, b.send("PUT", "/v1/aliases/a", `{"target": "base"}`, bearer(secret)).status)
	r = b.send("POST", chatPath, ask(""), bearer(other))
	require.Equal(t, 200, r.status)
	require.Empty(t, r.header.Get("x-ratelimit-limit-requests"))
}

func TestTokensAMinuteOfAKey(t *testing.T) {
	for name, body := range map[string]string{
		"in one piece": ask(""), "streamed": ask(`"stream": true`), "beam search": ask(`"use_beam_search": true, "n": 1`),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.engine.beams = func(infer.Request, infer.BeamOptions) []infer.Result {
				return []infer.Result{{Text: "x", CompletionTokens: 4, FinishReason: "stop"}}
			}
			_, secret := b.newKey(limited(quota.Limits{Tokens: 10}))
			r := b.send("POST", chatPath, body, bearer(secret))
			require.Equal(t, 200, r.status, r.body)
			require.Equal(t, "10", r.header.Get("x-ratelimit-remaining-tokens"), "nobody knows yet what it will cost")
			require.Eventually(t, func() bool {
				left, err := strconv.Atoi(b.send("POST", chatPath, ask(`"n": 0`), bearer(secret)).header.Get("x-ratelimit-remaining-tokens"))
				require.NoError(t, err)
				return left < 10
			}, time.Minute, time.Millisecond)
		})
	}
}

func TestEmbeddingsCostTheirTokens(t *testing.T) {
	b := newBench(t)
	_, secret := b.newKey(limited(quota.Limits{Tokens: 10}))
	require.Equal(t, 200, b.send("POST", embeddingsPath, inputs(`["abc", "de"]`, ""), bearer(secret)).status)
	left, err := strconv.Atoi(b.send("POST", "/tokenize", `{"prompt": "a"}`, bearer(secret)).header.Get("x-ratelimit-remaining-tokens"))
	require.NoError(t, err)
	require.Less(t, left, 10)
}

func TestAReplyMayCostMoreThanIsLeft(t *testing.T) {
	b := newBench(t)
	_, secret := b.newKey(limited(quota.Limits{Tokens: 2}))
	require.Equal(t, 200, b.send("POST", chatPath, ask(""), bearer(secret)).status)
	r := b.send("POST", chatPath, ask(""), bearer(secret))
	e := r.requireError(t, 429, "rate_limit_exceeded", "")
	require.Contains(t, e.Message, "2 tokens per minute")
	require.Equal(t, 200, b.send("PUT", "/v1/aliases/a", `{"target": "base"}`, bearer(secret)).status, "only inference takes tokens")
}

func TestRequestsAtOnceOfAKey(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeepAlive = time.Millisecond })
	_, secret := b.newKey(limited(quota.Limits{Concurrent: 1}))
	release := make(chan struct{})
	b.catalog.acquire = func(context.Context, string) error { <-release; return nil }
	lines := b.open(t, chatPath, ask(`"stream": true`), bearer(secret))
	<-lines
	r := b.send("POST", chatPath, ask(""), bearer(secret))
	r.requireError(t, 429, "rate_limit_exceeded", "")
	require.Equal(t, "1", r.header.Get("Retry-After"))
	close(release)
	for range lines {
	}
	require.Eventually(t, func() bool { return b.send("POST", chatPath, ask(""), bearer(secret)).status == 200 }, time.Minute, time.Millisecond)
}

func TestClientsWithoutKeysHaveLimitsByAddress(t *testing.T) {
	b := newBench(t, func(o *Options) { o.OpenAccess = true; o.ClientLimits = quota.Limits{Requests: 1} })
	from := func(remote string) int {
		r := httptest.NewRequest("POST", "http://127.0.0.1"+chatPath, strings.NewReader(ask("")))
		r.RemoteAddr = remote
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		b.gateway.Handler().ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		remote string
		status int
	}{
		{"192.0.2.7:5000", 200}, {"192.0.2.7:6000", 429}, {"[::ffff:192.0.2.7]:1", 429}, {"192.0.2.8:5000", 200},
		{"[2001:db8::1]:5000", 200}, {"[2001:db8::2]:5000", 429}, {"[2001:db8:0:1::1]:5000", 200},
	} {
		require.Equal(t, c.status, from(c.remote), c.remote)
	}
	_, secret := b.newKey(limited(quota.Limits{}))
	for range 3 {
		require.Equal(t, 200, b.send("POST", chatPath, ask(""), bearer(secret)).status, "those with keys have the key's limits")
	}
}

func TestAPageMaySeeItsLimits(t *testing.T) {
	b := newBench(t, func(o *Options) { o.AllowedOrigins = []string{"https://ui.example"} })
	_, secret := b.newKey(limited(quota.Limits{Requests: 1, Tokens: 100}))
	for _, status := range []int{200, 429} {
		r := b.send("POST", chatPath, ask(""), bearer(secret), header("Origin", "https://ui.example"))
		require.Equal(t, status, r.status)
		require.Equal(t, "https://ui.example", r.header.Get("Access-Control-Allow-Origin"))
		exposed := strings.Split(r.header.Get("Access-Control-Expose-Headers"), ", ")
		for name := range r.header {
			if strings.HasPrefix(name, "X-") || name == "Retry-After" || name == "Location" {
				require.Contains(t, exposed, name)
			}
		}
	}
	r := b.send("POST", chatPath, ask(""), header("Origin", "https://ui.example"))
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.Equal(t, "https://ui.example", r.header.Get("Access-Control-Allow-Origin"), "a page may read why it is refused")
}
