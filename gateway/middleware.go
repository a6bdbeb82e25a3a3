package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/trace"

	"github.com/mergeway/mergeway/fault"
)

// Keys of values that travel with a request.
const (
	requestIDKey = "gateway.request"
	apiKeyKey    = "gateway.key"    // the id of the key that was shown, for the log
	whoKey       = "gateway.who"    // the caller that shows it
	modelKey     = "gateway.model"  // the model a request asked for, for the log
	streamKey    = "gateway.stream" // the open *eventStream, for errors after the first byte
)

// requestIDHeader names a request in replies and in the log. Anthropic's clients
// look for it by another name.
const (
	requestIDHeader          = "X-Request-Id"
	anthropicRequestIDHeader = "Request-Id"
)

// identify gives each request an id: the client's own if it is short and
// harmless, else a fresh one.
func identify(c *gin.Context) {
	id := c.GetHeader(requestIDHeader)
	if !harmlessID(id) {
		id = "req-" + rand.Text()
	}
	c.Set(requestIDKey, id)
	c.Request = c.Request.WithContext(withRequestID(c.Request.Context(), id))
	c.Header(requestIDHeader, id)
	if speaksAnthropic(c.Request) {
		c.Header(anthropicRequestIDHeader, id)
	}
}

func requestID(c *gin.Context) string { return c.GetString(requestIDKey) }

func harmlessID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, r := range id {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return true
}

// logRequests writes one line for each request: never its body, its query or
// its headers, so no prompt and no key.
func (g *Gateway) logRequests(c *gin.Context) {
	start, route := time.Now(), routeOf(c)
	g.observer.Asked(route)
	c.Next()
	level, status := slog.LevelInfo, c.Writer.Status()
	g.observer.Requested(c.Request.Method, route, status, time.Since(start))
	attrs := []slog.Attr{
		slog.String("request", requestID(c)),
		slog.String("method", c.Request.Method),
		slog.String("route", route),
		slog.Int("status", status),
		slog.Duration("took", time.Since(start)),
		slog.Int("bytes", max(0, c.Writer.Size())),
		slog.String("client", c.Request.RemoteAddr),
	}
	if key := c.GetString(apiKeyKey); key != "" {
		attrs = append(attrs, slog.String("key", key))
	}
	if model := c.GetString(modelKey); model != "" {
		attrs = append(attrs, slog.String("model", model))
	}
	if span := trace.SpanContextFromContext(c.Request.Context()); span.IsValid() {
		attrs = append(attrs, slog.String("trace", span.TraceID().String()))
	}
	if last := c.Errors.Last(); last != nil {
		attrs = append(attrs, slog.String("code", string(codeOf(last.Err))))
	}
	switch route {
	case "/healthz", "/readyz", "/metrics", "/assets/:file":
		level = slog.LevelDebug
	}
	g.log.LogAttrs(context.WithoutCancel(c.Request.Context()), level, "request", attrs...)
}

// recoverPanics turns a panic into an internal error: the stack goes to the
// log, the envelope to the client, and the server lives on.
func (g *Gateway) recoverPanics(c *gin.Context) {
	defer func() {
		switch p := recover(); {
		case p == nil:
		case p == http.ErrAbortHandler: // net/http's own way to hang up
			panic(p)
		default:
			g.fail(c, panicked(p))
		}
	}()
	c.Next()
}

// panicked describes a recovered panic with its stack.
func panicked(p any) error {
	return fault.New(fault.Internal, "panic: %v\n%s", p, debug.Stack())
}

// safely runs fn where no middleware can recover for it.
func safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	return fn()
}

// within bounds a request's time.
func within(limit time.Duration) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), limit)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}

// atMost lets n requests through at once and refuses the rest, which is kinder
// than letting them pile up.
func (g *Gateway) atMost(n int, what string) gin.HandlerFunc {
	slots := make(chan struct{}, n)
	return func(c *gin.Context) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			c.Next()
		default:
			g.fail(c, fault.New(fault.Busy, "%d %s are being served already", n, what))
		}
	}
}

// refuseWhileDraining answers 503 once [Gateway.Drain] was called.
func (g *Gateway) refuseWhileDraining(c *gin.Context) {
	if g.draining() {
		g.fail(c, errDraining())
	}
}

func errDraining() error {
	return fault.New(fault.Unavailable, "the server is shutting down")
}

// boundTransfer gives the body its time before anybody reads it, and the reply
// its time before anybody writes it; streams bound each write anew. It stands
// before every check that may refuse a request: net/http waits for the body of
// a request that was refused unread, and would wait for ever; and it would wait
// for ever for a client that doesn't read its reply.
func (g *Gateway) boundTransfer(c *gin.Context) {
	ctl := http.NewResponseController(c.Writer) // a test's recorder has no deadlines
	if c.Request.ContentLength != 0 {
		_ = ctl.SetReadDeadline(time.Now().Add(g.limits.BodyTimeout))
	}
	_ = ctl.SetWriteDeadline(time.Now().Add(g.limits.BodyTimeout + max(g.limits.RequestTimeout, g.limits.GenerateTime) + g.limits.WriteTimeout))
	defer func() { _ = ctl.SetWriteDeadline(time.Now().Add(g.limits.WriteTimeout)) }() // for what is still in the buffer
	c.Next()
}

// readBody reads a JSON body under both of its limits, bytes and time.
func (g *Gateway) readBody(c *gin.Context) ([]byte, error) {
	if !isJSON(c.GetHeader("Content-Type")) {
		return nil, fault.New(notJSON, "send the request with the header Content-Type: application/json")
	}
	if a := albumOf(c.Request.Context()); a != nil {
		return g.readPictures(c, a)
	}
	return g.readBytes(c)
}

// readBytes is readBody whatever the body is said to be.
func (g *Gateway) readBytes(c *gin.Context) ([]byte, error) {
	return g.readAtMost(c, g.limits.BodyBytes)
}

func bodyTooLarge(limit int) error {
	return fault.New(fault.TooLarge, "the request body is over %d bytes", limit)
}

// readAtMost is readBytes for bodies with a limit of their own.
func (g *Gateway) readAtMost(c *gin.Context, limit int) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, int64(limit)))
	var tooBig *http.MaxBytesError
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		c.Header("Connection", "close") // so that nobody reads the rest
		return nil, err
	case errors.As(err, &tooBig):
		return nil, bodyTooLarge(int(tooBig.Limit))
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.Header("Connection", "close") // net/http would wait for the rest before it answers
		return nil, fault.New(slowBody, "the request body did not arrive within %s", g.limits.BodyTimeout)
	case err != nil && c.Request.Context().Err() == nil:
		return nil, fault.Wrap(err, fault.Invalid, "the request body could not be read")
	case err != nil:
		return nil, fmt.Errorf("reading the request body: %w", context.Cause(c.Request.Context()))
	}
	// The deadline is lifted: net/http goes on reading in the background to
	// notice a client that hangs up, and a deadline that passes there would look
	// like one.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // a test's recorder has no deadline
	return data, nil
}
