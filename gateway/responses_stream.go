package gateway

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/infer/tokenizer"
)

// streamResponse answers with server-sent events.
func (g *Gateway) streamResponse(c *gin.Context, x *exchange) error {
	return g.streamJob(c, x.job, &responseWriter{gateway: g, ctx: c.Request.Context(), exchange: x})
}

// responseWriter writes the events of a response: each has its number, and its
// type for a name. The last one says how it ended; no [DONE] follows.
type responseWriter struct {
	gateway  *Gateway
	ctx      context.Context // of the request, for the store
	exchange *exchange

	output    responseOutput
	tokenizer *tokenizer.Tokenizer
	logprobs  []ChatTokenLogprob // of tokens whose text is still to come
	values    int                // log probabilities so far, alternatives included
	reason    string             // why the reply ended
	number    int                // events so far
}

// send writes one event.
func (w *responseWriter) send(s *eventStream, e ResponseEvent) error {
	e.SequenceNumber = w.number
	w.number++
	return s.named(e.Type, e)
}

// about writes an event about the response as a whole.
func (w *responseWriter) about(s *eventStream, kind string) error {
	return w.send(s, ResponseEvent{Type: kind, Response: &w.exchange.reply})
}

// open writes what comes before all output.
func (w *responseWriter) open(s *eventStream) error {
	if err := w.about(s, "response.created"); err != nil {
		return err
	}
	return w.about(s, "response.in_progress")
}

func (w *responseWriter) begin(s *eventStream, gen *generation) error {
	w.tokenizer = gen.lease.Model.Tokenizer
	w.output = responseOutput{ids: w.exchange.ids, tell: func(e ResponseEvent) error { return w.send(s, e) }}
	return w.open(s)
}

// piece adds to the output. Tokens that complete no character come before the
// one that does; those that no text follows are part of a call.
func (w *responseWriter) piece(_ *eventStream, p piece) error {
	if w.values += countLogprobs(p.Chunk); w.values > w.gateway.limits.ReplyLogprobs {
		return tooManyLogprobs(w.gateway.limits) // the last event has all of them
	}
	if w.exchange.logprobs {
		w.logprobs = append(w.logprobs, chatLogprobs(w.tokenizer, p.Logprobs).Content...)
	}
	if p.Text != "" {
		if err := w.output.addText(p.Text, w.logprobs); err != nil {
			return err
		}
		w.logprobs = nil
	}
	for _, call := range p.calls {
		if err := w.output.addCall(call); err != nil {
			return err
		}
		w.logprobs = nil
	}
	if p.FinishReason != "" {
		w.reason = p.FinishReason
	}
	return nil
}

// end stores the response before it says that it has ended.
func (w *responseWriter) end(s *eventStream, gen *generation) error {
	if len(w.logprobs) > 0 && len(w.output.items) == 0 && !w.output.inCall() { // half a character that nothing completed
		if err := w.output.addText("", w.logprobs); err != nil {
			return err
		}
	}
	reply := w.exchange.reply // the one that fails if this can't be stored has not ended
	if err := w.output.finish(&reply, w.reason, gen.usage()); err != nil {
		return err
	}
	if err := w.gateway.keepResponse(w.ctx, w.exchange, reply); err != nil {
		return err
	}
	w.exchange.reply = reply
	return w.about(s, "response."+reply.Status)
}

// responseErrorCode gives OpenAI's word, in a response, for who is to blame.
func responseErrorCode(kind string) string {
	switch kind {
	case typeRequest:
		return "invalid_prompt"
	case typeLimit:
		return "rate_limit_exceeded"
	}
	return "server_error"
}

// fail tells of the error, then of the response that failed by it.
func (w *responseWriter) fail(s *eventStream, e ErrorBody) error {
	if w.number == 0 { // while the prompt was computed, and the client kept waiting
		if err := w.open(s); err != nil {
			return err
		}
	}
	event := ResponseErrorEvent{Type: "error", SequenceNumber: w.number, Code: e.Code, Message: e.Message, Param: e.Param}
	w.number++
	if err := s.named(event.Type, event); err != nil {
		return err
	}
	reply := &w.exchange.reply
	reply.Status, reply.Error, reply.Store = statusFailed, &ResponseError{Code: responseErrorCode(e.Type), Message: e.Message}, false
	if w.output.items != nil {
		reply.Output = w.output.items
	}
	return w.about(s, "response.failed")
}
