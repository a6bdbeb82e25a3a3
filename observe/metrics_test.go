package observe

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/gateway"
	"github.com/mergeway/mergeway/infer"
)

// Metrics is what each room wants.
var (
	_ gateway.Observer = (*Metrics)(nil)
	_ infer.Observer   = (*Metrics)(nil)
	_ catalog.Observer = (*Metrics)(nil)
)

// scrape gives the samples of our own metrics, by name with labels.
func scrape(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	samples := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, ours := strings.CutPrefix(line, "mergeway:"); ours {
			at := strings.LastIndexByte(name, ' ')
			samples[name[:at]] = strings.TrimSpace(name[at:])
		}
	}
	return samples
}

func TestGenerationsAreCounted(t *testing.T) {
	m := NewMetrics()
	m.FirstToken("winner", 30*time.Millisecond)
	m.NextToken("winner", 10*time.Millisecond)
	m.NextToken("winner", 20*time.Millisecond)
	m.Generated("winner", gateway.Generated{
		Usage:         gateway.Usage{PromptTokens: 40, CompletionTokens: 3, PromptTokensDetails: gateway.PromptDetails{CachedTokens: 32}},
		FinishReasons: []string{"stop"}, Took: time.Second,
	})
	m.Generated("winner", gateway.Generated{Abandoned: true})
	m.Embedded("winner", 2)
	got := scrape(t, m)
	for sample, want := range map[string]string{
		`time_to_first_token_seconds_bucket{model_name="winner",le="0.02"}`: "0",
		`time_to_first_token_seconds_bucket{model_name="winner",le="0.04"}`: "1",
		`inter_token_latency_seconds_count{model_name="winner"}`:            "2",
		`inter_token_latency_seconds_sum{model_name="winner"}`:              "0.03",
		`e2e_request_latency_seconds_sum{model_name="winner"}`:              "1",
		`prompt_tokens_total{model_name="winner"}`:                          "42",
		`prompt_tokens_cached_total{model_name="winner"}`:                   "32",
		`generation_tokens_total{model_name="winner"}`:                      "3",
		`request_success_total{finished_reason="stop",model_name="winner"}`: "1",
		`request_abandoned_total{model_name="winner"}`:                      "1",
	} {
		require.Equal(t, want, got[sample], sample)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := NewMetrics()
	m.Asked("(none)")
	for i := range 3 * maxModelNames {
		m.Asked("(none)")
		m.FirstToken(fmt.Sprint("recipe-", i), time.Millisecond)
		m.Requested(fmt.Sprint("VERB", i), "(none)", http.StatusMethodNotAllowed, time.Millisecond)
	}
	got := scrape(t, m)
	require.Equal(t, fmt.Sprint(2*maxModelNames), got[`time_to_first_token_seconds_count{model_name="(other)"}`])
	require.Equal(t, "1", got[`time_to_first_token_seconds_count{model_name="recipe-0"}`])
	require.Equal(t, fmt.Sprint(3*maxModelNames), got[`http_requests_total{method="(other)",route="(none)",status="405"}`])
	require.Equal(t, "1", got[`http_requests_in_flight{route="(none)"}`])
}

func TestModelsAreCounted(t *testing.T) {
	m := NewMetrics()
	m.Made(catalog.Source, 2*time.Second, nil)
	m.Made(catalog.Recipe, time.Second, errors.New("no room"))
	m.Candidate(time.Millisecond, nil)
	m.Unloaded()
	m.Swapped()
	m.Began(true, time.Second)
	m.Worked(false, 3*time.Second)
	got := scrape(t, m)
	for sample, want := range map[string]string{
		`model_make_seconds_sum{kind="source"}`:          "2",
		`model_make_seconds_count{kind="recipe"}`:        "",
		`model_make_failures_total{kind="recipe"}`:       "1",
		`model_make_seconds_sum{kind="candidate"}`:       "0.001",
		`models_unloaded_total`:                          "1",
		`alias_swaps_total`:                              "1",
		`request_queue_time_seconds_sum{class="search"}`: "1",
		`device_seconds_total{class="user"}`:             "3",
	} {
		require.Equal(t, want, got[sample], sample)
	}
}

// world has an engine's and a catalog's counts.
type world struct {
	stats                infer.Stats
	total, used, weights int64
}

func (w world) Stats() infer.Stats          { return w.stats }
func (w world) Budget() (total, used int64) { return w.total, w.used }
func (w world) Resident() (int, int64)      { return 2, w.weights }

func TestCountsAreReadAtTheScrape(t *testing.T) {
	m := NewMetrics()
	w := &world{stats: infer.Stats{Running: 3, SearchWaiting: 4, Preemptions: 5, PrefixTokens: 6, Compilations: 7, PicturesSeen: 8, TilesSeen: 10, PictureHits: 11, PictureBytes: 12}, total: 1000, used: 600, weights: 200}
	m.Watch(w, w)
	w.stats.Waiting = 9
	got := scrape(t, m)
	for sample, want := range map[string]string{
		`num_requests_running{class="user"}`:   "3",
		`num_requests_waiting{class="user"}`:   "9",
		`num_requests_waiting{class="search"}`: "4",
		`num_preemptions_total`:                "5",
		`prefix_cache_hits_total`:              "6",
		`compilations_total`:                   "7",
		`pictures_seen_total`:                  "8",
		`picture_tiles_seen_total`:             "10",
		`picture_cache_hits_total`:             "11",
		`picture_cache_bytes`:                  "12",
		`models_resident`:                      "2",
		`memory_used_bytes`:                    "600",
		`kv_cache_usage_perc`:                  "0.5",
	} {
		require.Equal(t, want, got[sample], sample)
	}
	w.weights = 1000
	require.Equal(t, "1", scrape(t, m)[`kv_cache_usage_perc`], "nothing is left for caches")
}
