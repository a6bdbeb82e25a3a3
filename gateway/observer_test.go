package gateway

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// tally is an Observer that counts.
type tally struct {
	mu        sync.Mutex
	requests  map[string]int // by method, route and status
	first     int
	next      int
	generated []Generated
	embedded  int // tokens
	models    map[string]bool
}

func newTally() *tally { return &tally{requests: map[string]int{}, models: map[string]bool{}} }

func (y *tally) Asked(string) {}

func (y *tally) Requested(method, route string, status int, _ time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.requests[method+" "+route+" "+http.StatusText(status)]++
}

func (y *tally) FirstToken(model string, _ time.Duration) { y.tell(model, func() { y.first++ }) }

func (y *tally) NextToken(model string, _ time.Duration) { y.tell(model, func() { y.next++ }) }

func (y *tally) Generated(model string, g Generated) {
	g.Took = 0
	y.tell(model, func() { y.generated = append(y.generated, g) })
}

func (y *tally) Embedded(model string, tokens int) {
	y.tell(model, func() { y.embedded += tokens })
}

func (y *tally) tell(model string, note func()) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.models[model] = true
	note()
}

func (y *tally) ends() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.generated)
}

func TestObserverIsToldOfGenerations(t *testing.T) {
	usage := Usage{PromptTokens: 3, CompletionTokens: 8, TotalTokens: 11}
	for name, fields := range map[string]string{"whole": `"n": 2`, "stream": `"n": 2, "stream": true`} {
		t.Run(name, func(t *testing.T) {
			y := newTally()
			b := newBench(t, func(o *Options) { o.Observer = y })
			require.Equal(t, http.StatusOK, b.send("POST", chatPath, ask(fields)).status)
			require.Eventually(t, func() bool { return y.ends() == 1 }, 5*time.Second, time.Millisecond)
			require.Equal(t, []Generated{{Usage: usage, FinishReasons: []string{"stop", "stop"}}}, y.generated)
			require.Equal(t, 2, y.first)
			require.Equal(t, 6, y.next)
			require.Equal(t, map[string]bool{"base": true}, y.models)
		})
	}
}

func TestObserverIsToldOfRequestsByRoute(t *testing.T) {
	y := newTally()
	b := newBench(t, func(o *Options) { o.Observer = y })
	b.send("GET", "/v1/models/base", "")
	b.send("GET", "/v1/models/none", "")
	b.send("GET", "/nowhere/at/all", "")
	b.send("POST", chatPath, ask(`"n": 0`))
	b.send("POST", chatPath, strings.Replace(ask(""), "base", "none", 1))
	require.Equal(t, map[string]int{
		"GET /v1/models/*model OK":          1,
		"GET /v1/models/*model Not Found":   1,
		"GET (none) Not Found":              1,
		"POST " + chatPath + " Bad Request": 1,
		"POST " + chatPath + " Not Found":   1,
	}, y.requests)
	require.Empty(t, y.models, "a name that nobody has is no label")
}

func TestObserverIsToldOfFailures(t *testing.T) {
	y := newTally()
	b := newBench(t, func(o *Options) { o.Observer = y })
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
		send(infer.Chunk{Err: fault.New(fault.Unavailable, "the device is gone")})
	}
	require.Equal(t, http.StatusServiceUnavailable, b.send("POST", chatPath, ask("")).status)
	require.Equal(t, 1, y.ends())
	require.True(t, y.generated[0].Abandoned)
	require.Equal(t, 1, y.generated[0].Usage.CompletionTokens)
}

func TestObserverIsToldOfBeamSearches(t *testing.T) {
	y := newTally()
	b := newBench(t, func(o *Options) { o.Observer = y })
	b.engine.beams = func(infer.Request, infer.BeamOptions) []infer.Result {
		return []infer.Result{{Text: "one", FinishReason: "stop", CompletionTokens: 2}, {Text: "two", FinishReason: "length", CompletionTokens: 3}}
	}
	require.Equal(t, http.StatusOK, b.send("POST", chatPath, ask(`"use_beam_search": true, "n": 2, "temperature": 0`)).status)
	require.Equal(t, []Generated{{Usage: Usage{PromptTokens: 3, CompletionTokens: 5, TotalTokens: 8}, FinishReasons: []string{"stop", "length"}}}, y.generated)
}

func TestSpansBelongToTheCallersTrace(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	b := newBench(t, func(o *Options) { o.Tracer = provider.Tracer("test") })
	const trace = "0af7651916cd43dd8448eb211c80319c"
	b.send("POST", chatPath, ask(""), func(r *http.Request) { r.Header.Set("traceparent", "00-"+trace+"-b7ad6b7169203331-01") })
	require.Eventually(t, func() bool { return len(spans.Ended()) == 2 }, 5*time.Second, time.Millisecond)
	generate, request := spans.Ended()[0], spans.Ended()[1]
	require.Equal(t, "generate base", generate.Name())
	require.Equal(t, "POST "+chatPath, request.Name())
	require.Equal(t, trace, request.SpanContext().TraceID().String())
	require.Equal(t, request.SpanContext().SpanID(), generate.Parent().SpanID())
	attributes := map[string]string{}
	for _, a := range append(generate.Attributes(), request.Attributes()...) {
		attributes[string(a.Key)] = a.Value.Emit()
	}
	require.Equal(t, "base", attributes["gen_ai.request.model"])
	require.Equal(t, "4", attributes["gen_ai.usage.output_tokens"])
	require.Equal(t, "200", attributes["http.response.status_code"])
	require.Equal(t, `["stop"]`, attributes["gen_ai.response.finish_reasons"])
	for key, value := range attributes {
		require.NotContains(t, value, "Hello", "%s holds what was said", key)
	}
	require.Contains(t, b.log.String(), "trace="+trace)
}

func TestPromptsAreLoggedOnlyOnDemand(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		b := newBench(t, func(o *Options) { o.LogPrompts = wanted })
		b.gateway.encodeText = encodeText // the real tokenizer's, so that the log can decode
		r := b.send("POST", "/v1/completions", `{"model": "base", "prompt": "鉛筆"}`, func(r *http.Request) { r.Header.Set(requestIDHeader, "mine") })
		require.Equal(t, http.StatusOK, r.status, r.body)
		require.Equal(t, wanted, strings.Contains(b.log.String(), "鉛筆"), b.log.String())
		if wanted {
			require.Contains(t, b.log.String(), "request=mine")
		}
	}
}

func TestMetricsNeedAKeyAndMayBeOff(t *testing.T) {
	on := func(o *Options) {
		o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("answer 42\n")) })
	}
	require.Equal(t, "answer 42\n", newBench(t, on).send("GET", "/metrics", "").body)
	require.Equal(t, http.StatusNotFound, newBench(t).send("GET", "/metrics", "").status)
	b := newBench(t, on, func(o *Options) { o.APIKeys = []string{"secret"} })
	require.Equal(t, http.StatusUnauthorized, b.send("GET", "/metrics", "").status)
	require.Equal(t, http.StatusOK, b.send("GET", "/metrics", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret") }).status)
}
