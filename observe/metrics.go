package observe

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/gateway"
)

// Metrics are the metrics of one process. It is a gateway.Observer, an
// infer.Observer and a catalog.Observer, and safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	models   *names

	requests    *prometheus.CounterVec
	requestTime *prometheus.HistogramVec
	inFlight    *prometheus.GaugeVec

	firstToken       *prometheus.HistogramVec
	interToken       *prometheus.HistogramVec
	generationTime   *prometheus.HistogramVec
	promptSize       *prometheus.HistogramVec
	replySize        *prometheus.HistogramVec
	promptTokens     *prometheus.CounterVec
	cachedTokens     *prometheus.CounterVec
	generationTokens *prometheus.CounterVec
	finished         *prometheus.CounterVec
	abandoned        *prometheus.CounterVec

	queueTime  *prometheus.HistogramVec
	deviceTime *prometheus.CounterVec

	made     *prometheus.HistogramVec
	failed   *prometheus.CounterVec
	unloaded prometheus.Counter
	swapped  prometheus.Counter
}

// Buckets, in seconds but for the last, which counts tokens.
var (
	shortTimes = []float64{.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5}
	waitTimes  = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160}
	longTimes  = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 60, 120, 240, 480, 960}
	tokenSizes = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000}
)

// NewMetrics makes the metrics, with those of the Go runtime and the process
// beside them.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), models: newNames(maxModelNames)}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	m.requests = m.counter("http_requests_total", "HTTP requests answered.", "method", "route", "status")
	m.requestTime = m.histogram("http_request_duration_seconds", "Time from a request's header to the end of its reply, streams included.", longTimes, "method", "route")
	m.inFlight = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: fullName("http_requests_in_flight"), Help: "HTTP requests that are being answered."}, []string{"route"})
	m.registry.MustRegister(m.inFlight)

	m.firstToken = m.histogram("time_to_first_token_seconds", "Time from asking for a model to the first token of a reply.", waitTimes, "model_name")
	m.interToken = m.histogram("inter_token_latency_seconds", "Time between tokens of a reply; where several come at once, their mean.", shortTimes, "model_name")
	m.generationTime = m.histogram("e2e_request_latency_seconds", "Time of whole generations, all choices together.", longTimes, "model_name")
	m.promptSize = m.histogram("request_prompt_tokens", "Prompt tokens of each generation.", tokenSizes, "model_name")
	m.replySize = m.histogram("request_generation_tokens", "Generated tokens of each generation, all choices together.", tokenSizes, "model_name")
	m.promptTokens = m.counter("prompt_tokens_total", "Prompt tokens of generations that ended, and of texts that became vectors.", "model_name")
	m.cachedTokens = m.counter("prompt_tokens_cached_total", "Prompt tokens that needed no work, of generations that ended.", "model_name")
	m.generationTokens = m.counter("generation_tokens_total", "Tokens generated.", "model_name")
	m.finished = m.counter("request_success_total", "Choices that came to their end, by its reason.", "model_name", "finished_reason")
	m.abandoned = m.counter("request_abandoned_total", "Generations that failed, or whose client left, before their end.", "model_name")

	m.queueTime = m.histogram("request_queue_time_seconds", "Time that sequences waited for a slot.", waitTimes, "class")
	m.deviceTime = m.counter("device_seconds_total", "Time that the engine's device worked.", "class")

	m.made = m.histogram("model_make_seconds", "Time to make a model: to load a source, to merge a recipe with its sources loaded first, or to merge a search's candidate.", waitTimes, "kind")
	m.failed = m.counter("model_make_failures_total", "Models that could not be made.", "kind")
	m.unloaded = m.counter("models_unloaded_total", "Models whose weights were freed, for want of memory or because somebody asked.").WithLabelValues()
	m.swapped = m.counter("alias_swaps_total", "Aliases made or moved through this process.").WithLabelValues()
	return m
}

// fullName is a metric's name on the wire.
func fullName(name string) string { return "mergeway:" + name }

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: fullName(name), Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: fullName(name), Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Asked implements gateway.Observer.
func (m *Metrics) Asked(route string) { m.inFlight.WithLabelValues(route).Inc() }

// Requested implements gateway.Observer.
func (m *Metrics) Requested(method, route string, status int, took time.Duration) {
	m.inFlight.WithLabelValues(route).Dec()
	method = knownMethod(method)
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.requestTime.WithLabelValues(method, route).Observe(took.Seconds())
}

// knownMethod is the method itself, or one word for whatever else clients think of.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "(other)"
}

// FirstToken implements gateway.Observer.
func (m *Metrics) FirstToken(model string, after time.Duration) {
	m.firstToken.WithLabelValues(m.models.label(model)).Observe(after.Seconds())
}

// NextToken implements gateway.Observer.
func (m *Metrics) NextToken(model string, after time.Duration) {
	m.interToken.WithLabelValues(m.models.label(model)).Observe(after.Seconds())
}

// Generated implements gateway.Observer.
func (m *Metrics) Generated(model string, g gateway.Generated) {
	model = m.models.label(model)
	m.generationTime.WithLabelValues(model).Observe(g.Took.Seconds())
	m.promptSize.WithLabelValues(model).Observe(float64(g.Usage.PromptTokens))
	m.replySize.WithLabelValues(model).Observe(float64(g.Usage.CompletionTokens))
	m.promptTokens.WithLabelValues(model).Add(float64(g.Usage.PromptTokens))
	m.cachedTokens.WithLabelValues(model).Add(float64(g.Usage.PromptTokensDetails.CachedTokens))
	m.generationTokens.WithLabelValues(model).Add(float64(g.Usage.CompletionTokens))
	for _, reason := range g.FinishReasons {
		m.finished.WithLabelValues(model, reason).Inc()
	}
	if g.Abandoned {
		m.abandoned.WithLabelValues(model).Inc()
	}
}

// Embedded implements gateway.Observer.
func (m *Metrics) Embedded(model string, tokens int) {
	m.promptTokens.WithLabelValues(m.models.label(model)).Add(float64(tokens))
}

// class names who a sequence belongs to.
func class(background bool) string {
	if background {
		return "search"
	}
	return "user"
}

// Began implements infer.Observer.
func (m *Metrics) Began(background bool, waited time.Duration) {
	m.queueTime.WithLabelValues(class(background)).Observe(waited.Seconds())
}

// Worked implements infer.Observer.
func (m *Metrics) Worked(background bool, took time.Duration) {
	m.deviceTime.WithLabelValues(class(background)).Add(took.Seconds())
}

// Made implements catalog.Observer.
func (m *Metrics) Made(kind catalog.Kind, took time.Duration, err error) {
	m.settled(string(kind), took, err)
}

// Candidate implements catalog.Observer.
func (m *Metrics) Candidate(took time.Duration, err error) { m.settled("candidate", took, err) }

func (m *Metrics) settled(kind string, took time.Duration, err error) {
	if err != nil {
		m.failed.WithLabelValues(kind).Inc()
		return
	}
	m.made.WithLabelValues(kind).Observe(took.Seconds())
}

// Unloaded implements catalog.Observer.
func (m *Metrics) Unloaded() { m.unloaded.Inc() }

// Swapped implements catalog.Observer.
func (m *Metrics) Swapped() { m.swapped.Inc() }
