package test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A chat, a merge and a swap show in the metrics of the running program, on the
// address of their own as well, and in the traces that its collector gets.
func TestMetricsAndTraces(t *testing.T) {
	var mu sync.Mutex
	var traces bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&traces, r.Body)
	}))
	defer collector.Close()
	open := freeAddress(t)
	s := start(t, options{args: []string{"--metrics-addr", open, "--otlp-endpoint", collector.URL}})
	recipe := s.call("POST", "/v1/recipes", object{
		"method": "linear", "sources": []object{{"model": "base", "weight": []float64{0.5}}, {"model": "ja-general", "weight": []float64{0.5}}},
	}).text("id")
	s.call("PUT", "/v1/aliases/blend", object{"target": recipe})
	s.call("POST", "/v1/chat/completions", object{
		"model": "blend", "temperature": 0, "max_tokens": 8, "messages": []object{{"role": "user", "content": "りんごが3個あります。"}},
	})
	apart, err := http.Get("http://" + open + "/metrics")
	require.NoError(t, err)
	defer apart.Body.Close()
	text, err := io.ReadAll(apart.Body)
	require.NoError(t, err)
	for _, scrape := range []string{string(s.send("GET", "/metrics", nil).body), string(text)} {
		for _, want := range []string{
			`mergeway:time_to_first_token_seconds_count{model_name="blend"} 1`,
			`mergeway:request_success_total{finished_reason="`,
			`mergeway:request_queue_time_seconds_count{class="user"} 1`,
			`mergeway:model_make_seconds_count{kind="recipe"} 1`,
			`mergeway:model_make_seconds_count{kind="source"} 2`,
			`mergeway:alias_swaps_total 1`,
			`mergeway:models_resident 3`,
			`mergeway:http_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1`,
			`mergeway:num_requests_running{class="user"} 0`,
		} {
			require.Contains(t, scrape, want)
		}
	}
	missing, err := http.Get("http://" + open + "/v1/models")
	require.NoError(t, err)
	missing.Body.Close()
	require.Equal(t, http.StatusNotFound, missing.StatusCode, "the metrics' address serves nothing else")
	require.Equal(t, 0, s.stop())
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, traces.String(), "generate blend")
	require.Contains(t, traces.String(), "gen_ai.response.model")
	require.NotContains(t, traces.String(), "りんご")
}
