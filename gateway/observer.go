package gateway

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Observer is told what is asked of the gateway and how long it took. Its methods
// are called from many goroutines, which wait for them.
type Observer interface {
	// Asked is called when a request's header has been read. route is the pattern of
	// the route, never the path.
	Asked(route string)
	// Requested is called when such a request has been answered, to the end of its
	// stream.
	Requested(method, route string, status int, took time.Duration)
	// FirstToken is called at the first token of each choice. after counts from
	// asking for the model, so that loading and waiting are part of it.
	FirstToken(model string, after time.Duration)
	// NextToken is called at each further one, or where several come at once, with
	// the mean of their times.
	NextToken(model string, after time.Duration)
	// Generated is called at the end of each generation.
	Generated(model string, g Generated)
	// Embedded is called when texts of so many tokens have become vectors.
	Embedded(model string, tokens int)
}

// Generated is a generation that ended, one way or the other.
type Generated struct {
	Usage         Usage
	FinishReasons []string // of the choices that came to an end
	Abandoned     bool     // it failed, or its client left
	Took          time.Duration
}

// unobserved is the Observer of those who want none.
type unobserved struct{}

func (unobserved) Asked(string)                                 {}
func (unobserved) Requested(string, string, int, time.Duration) {}
func (unobserved) FirstToken(string, time.Duration)             {}
func (unobserved) NextToken(string, time.Duration)              {}
func (unobserved) Generated(string, Generated)                  {}
func (unobserved) Embedded(string, int)                         {}

// progress follows one generation, and tells the Observer and its span.
type progress struct {
	observer Observer
	span     trace.Span
	model    string // as it was asked for
	answers  string // which one that is
	began    time.Time
	latest   []time.Time // of each choice's newest token; zero: it has none
	reasons  []string
	charge   func(tokens int)
}

// newProgress is called before anything is done for a model.
func (g *Gateway) newProgress(ctx context.Context, model string) *progress {
	_, span := g.startGeneration(ctx, "generate", model)
	return &progress{
		observer: g.observer, span: span, model: model, began: time.Now(),
		charge: func(tokens int) { chargeTokens(ctx, tokens) },
	}
}

// begin is called when the model is there.
func (p *progress) begin(answers string, choices int) {
	p.span.AddEvent("model acquired")
	p.answers, p.latest = answers, make([]time.Time, choices)
}

// note takes notice of a piece that brings so many new tokens.
func (p *progress) note(c piece, tokens int) {
	if tokens > 0 {
		now := time.Now()
		if before := p.latest[c.index]; before.IsZero() {
			p.span.AddEvent("first token", trace.WithAttributes(attribute.Int("choice", c.index)))
			p.observer.FirstToken(p.model, now.Sub(p.began))
		} else {
			p.observer.NextToken(p.model, now.Sub(before)/time.Duration(tokens))
		}
		p.latest[c.index] = now
	}
	if c.FinishReason != "" {
		p.reasons = append(p.reasons, c.FinishReason)
	}
}

// end tells of the whole. What a client left behind is paid for like the rest.
func (p *progress) end(usage Usage, abandoned bool) {
	p.charge(usage.TotalTokens)
	endGeneration(p.span, p.answers, usage, p.reasons, abandoned)
	p.observer.Generated(p.model, Generated{Usage: usage, FinishReasons: p.reasons, Abandoned: abandoned, Took: time.Since(p.began)})
}

// fail ends the span of what came to nothing: the Observer, to whom a model is a
// name that exists, hears nothing of it.
func (p *progress) fail() {
	p.span.SetStatus(codes.Error, "refused")
	p.span.End()
}
