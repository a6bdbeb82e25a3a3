package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// eventStream writes server-sent events to one client. Nothing is sent, not
// even the header, before the first event or the first keep-alive: until then
// an error still gets its proper status.
type eventStream struct {
	c      *gin.Context
	ctl    *http.ResponseController
	limits Limits
	ticker *time.Ticker // a tick after each silence of KeepAlive
	open   bool
	broken func(ErrorBody) error // tells of an error after the first byte; as OpenAI's chats do, if nil
}

func (g *Gateway) newEventStream(c *gin.Context) *eventStream {
	s := &eventStream{c: c, ctl: http.NewResponseController(c.Writer), limits: g.limits, ticker: time.NewTicker(g.limits.KeepAlive)}
	c.Set(streamKey, s)
	return s
}

// close stops the keep-alive timer.
func (s *eventStream) close() { s.ticker.Stop() }

// start sends the header that says a stream follows.
func (s *eventStream) start() {
	if s.open {
		return
	}
	s.open = true
	h := s.c.Writer.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // proxies hold events back otherwise
	s.c.Status(http.StatusOK)
	s.c.Writer.WriteHeaderNow()
}

// data sends one unnamed event, OpenAI's kind.
func (s *eventStream) data(v any) error {
	text, err := plainJSON(v)
	if err != nil {
		return err
	}
	return s.write("data: " + text + "\n\n")
}

// named sends one event with a name.
func (s *eventStream) named(name string, v any) error {
	text, err := plainJSON(v)
	if err != nil {
		return err
	}
	return s.write("event: " + name + "\ndata: " + text + "\n\n")
}

// event sends one named event with an id, by which a client can resume.
func (s *eventStream) event(id int, name string, v any) error {
	text, err := plainJSON(v)
	if err != nil {
		return err
	}
	return s.write("id: " + strconv.Itoa(id) + "\nevent: " + name + "\ndata: " + text + "\n\n")
}

// fail tells of an error after the first byte. No [DONE] follows: that is how
// a client tells.
func (s *eventStream) fail(e ErrorReply) error {
	if s.broken != nil {
		return s.broken(e.Error)
	}
	return s.data(e)
}

// done says that a stream of chunks is complete.
func (s *eventStream) done() error { return s.write("data: [DONE]\n\n") }

// doneWith is done after one more chunk, for those who asked for the usage: without
// field, which is the chunk's own, nobody did.
func (s *eventStream) doneWith(usage Usage, field *json.RawMessage, chunk any) error {
	if *field != nil {
		text, err := json.Marshal(usage)
		if err != nil {
			return err
		}
		*field = text
		if err := s.data(chunk); err != nil {
			return err
		}
	}
	return s.done()
}

// comment keeps the connection open; clients skip it.
func (s *eventStream) comment() error { return s.write(": keep-alive\n\n") }

// write sends and flushes. A client that doesn't read is given up after
// WriteTimeout, so that it can't hold a slot of the engine.
func (s *eventStream) write(text string) error {
	s.start()
	_ = s.ctl.SetWriteDeadline(time.Now().Add(s.limits.WriteTimeout)) // a test's recorder has no deadline
	if _, err := s.c.Writer.WriteString(text); err != nil {
		return fmt.Errorf("%w: writing to the client: %w", context.Canceled, err)
	}
	s.c.Writer.Flush()
	s.ticker.Reset(s.limits.KeepAlive)
	return nil
}

// next waits for a value, with keep-alives while none comes. ok is false when
// the channel was closed.
func next[T any](ctx context.Context, s *eventStream, ch <-chan T) (value T, ok bool, err error) {
	for {
		select {
		case value, ok = <-ch:
			return value, ok, nil
		case <-ctx.Done():
			return value, false, context.Cause(ctx)
		case <-s.ticker.C:
			if err := s.comment(); err != nil {
				return value, false, err
			}
		}
	}
}

// await runs fn, with keep-alives while it takes its time. It waits for fn even
// when the client is gone, since fn may return something that must be given
// back; giveUp is how fn gets to know.
func await[T any](s *eventStream, giveUp context.CancelFunc, fn func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ch := make(chan result, 1)
	go func() {
		var r result
		r.err = safely(func() (err error) { r.value, err = fn(); return err })
		ch <- r
	}()
	for {
		select {
		case r := <-ch:
			return r.value, r.err
		case <-s.ticker.C:
			if err := s.comment(); err != nil {
				giveUp()
			}
		}
	}
}

// plainJSON is v as one line of JSON, with < and > as they are.
func plainJSON(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", fmt.Errorf("encoding an event: %w", err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}
