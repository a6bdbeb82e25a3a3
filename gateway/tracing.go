package gateway

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceRequests makes a span of each request, within the caller's trace if the
// request carries one (W3C Trace Context). Spans hold neither prompts nor keys.
func (g *Gateway) traceRequests(c *gin.Context) {
	ctx := propagation.TraceContext{}.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
	route := routeOf(c)
	ctx, span := g.tracer.Start(ctx, c.Request.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", c.Request.Method),
		attribute.String("http.route", route),
		attribute.String("mergeway.request.id", requestID(c)),
	))
	defer span.End()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
	status := c.Writer.Status()
	span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(status))
	}
	if last := c.Errors.Last(); last != nil {
		span.SetAttributes(attribute.String("error.type", string(codeOf(last.Err))))
	}
}

// routeOf is the pattern of a request's route: a path that no route has is not
// worth repeating, and could be anything.
func routeOf(c *gin.Context) string {
	if route := c.FullPath(); route != "" {
		return route
	}
	return "(none)"
}

// startGeneration begins the span of a generation, or of what else a model is
// asked to do, named by OpenTelemetry's conventions for generative models.
func (g *Gateway) startGeneration(ctx context.Context, operation, model string) (context.Context, trace.Span) {
	return g.tracer.Start(ctx, operation+" "+model, trace.WithAttributes(
		attribute.String("gen_ai.provider.name", "mergeway"),
		attribute.String("gen_ai.request.model", model),
	))
}

// endGeneration ends it with what came of it.
func endGeneration(span trace.Span, fingerprint string, usage Usage, reasons []string, abandoned bool) {
	span.SetAttributes(
		attribute.String("gen_ai.response.model", fingerprint),
		attribute.Int("gen_ai.usage.input_tokens", usage.PromptTokens),
		attribute.Int("gen_ai.usage.output_tokens", usage.CompletionTokens),
		attribute.StringSlice("gen_ai.response.finish_reasons", reasons),
	)
	if abandoned {
		span.SetStatus(codes.Error, "ended before its end")
	}
	span.End()
}
