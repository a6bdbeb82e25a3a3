package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"
	"go.opentelemetry.io/otel/trace"

	"github.com/mergeway/mergeway/observe"
)

// telemetry is how a server shows what it does.
type telemetry struct {
	MetricsAddr  string
	OTLPEndpoint string
	TraceShare   float64
	LogPrompts   bool

	metrics *observe.Metrics
	tracing *observe.Tracing
	closers []func()
}

func (t *telemetry) bind(f *pflag.FlagSet) {
	f.StringVar(&t.MetricsAddr, "metrics-addr", "", "address that answers GET /metrics without a key, e.g. 127.0.0.1:9090 (none: only the API's address does, with a key)")
	f.StringVar(&t.OTLPEndpoint, "otlp-endpoint", "", "collector to send traces to by OTLP over HTTP, e.g. http://localhost:4318 (none: no traces)")
	f.Float64Var(&t.TraceShare, "trace-share", 1, "share of the traces begun here to send, above 0 and up to 1")
	f.BoolVar(&t.LogPrompts, "log-prompts", false, "write prompts to the log: off, it holds nothing that people wrote")
}

// open prepares what the rooms report to.
func (t *telemetry) open(ctx context.Context, version string) (err error) {
	t.metrics = observe.NewMetrics()
	if t.OTLPEndpoint != "" {
		if t.tracing, err = observe.OpenTracing(ctx, t.OTLPEndpoint, t.TraceShare, version); err != nil {
			return usageError{fmt.Errorf("--otlp-endpoint, --trace-share: %w", err)}
		}
		t.closers = append(t.closers, func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = t.tracing.Close(ctx) // spans that can't be sent are lost, and nothing else
		})
	}
	return nil
}

// serve answers scrapes on an address of their own, if one is given.
func (t *telemetry) serve(log *slog.Logger) error {
	if t.MetricsAddr == "" {
		return nil
	}
	listener, err := net.Listen("tcp", t.MetricsAddr)
	if err != nil {
		return fmt.Errorf("listen on --metrics-addr: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.metrics.Handler())
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	t.closers = append(t.closers, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }() // ends with Close
	log.Info("serving metrics", "url", "http://"+listener.Addr().String()+"/metrics")
	return nil
}

// tracer is nil if nobody wants traces.
func (t *telemetry) tracer() trace.Tracer {
	if t.tracing == nil {
		return nil
	}
	return t.tracing.Tracer()
}

func (t *telemetry) close() {
	for i := len(t.closers) - 1; i >= 0; i-- {
		t.closers[i]()
	}
}
