package observe

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Tracing sends spans to a collector.
type Tracing struct {
	provider *sdktrace.TracerProvider
}

// OpenTracing sends spans by OTLP over HTTP to an endpoint, such as
// "http://collector:4318": its standard path is added where the URL has none.
// Spans are sent in the background; a collector that can't be reached costs spans
// and nothing else. share, above 0 and at most 1, is the share of traces begun
// here that are kept; a caller who has decided for a trace decides here as well.
func OpenTracing(ctx context.Context, endpoint string, share float64, version string) (*Tracing, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the traces' endpoint is no URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("the traces' endpoint must be an http or https URL with a host")
	case !(share > 0 && share <= 1):
		return nil, fmt.Errorf("the share of traces to keep is %v: it must be above 0 and at most 1", share)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, fmt.Errorf("prepare to send traces: %w", err)
	}
	return newTracing(sdktrace.NewBatchSpanProcessor(exporter), share, version), nil
}

func newTracing(to sdktrace.SpanProcessor, share float64, version string) *Tracing {
	return &Tracing{sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(to),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(share))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "mergeway"),
			attribute.String("service.version", version),
		)),
	)}
}

// Tracer is what the gateway begins its spans with.
func (t *Tracing) Tracer() trace.Tracer { return t.provider.Tracer("github.com/mergeway/mergeway") }

// Close sends what has not been sent, as long as ctx lasts.
func (t *Tracing) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }
