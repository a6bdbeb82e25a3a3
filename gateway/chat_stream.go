package gateway

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gin-gonic/gin"

	"github.com/mergeway/mergeway/infer/tokenizer"
)

// streamChat answers with server-sent events: the role of each choice, then
// text as it comes, then each choice's finish reason, then the usage if it was
// asked for, then [DONE].
func (g *Gateway) streamChat(c *gin.Context, j job, head replyHead, body ChatRequest) error {
	w := chatWriter{
		chunk:    ChatChunk{ID: head.id, Object: "chat.completion.chunk", Created: head.created, Model: head.model},
		logprobs: body.Logprobs,
	}
	if body.wantsUsage() {
		w.chunk.Usage = json.RawMessage("null") // until the last chunk
	}
	return g.streamJob(c, j, &w)
}

// chunkWriter turns pieces into the events of one kind of reply. The last ones,
// of end, say that it is complete.
type chunkWriter interface {
	begin(s *eventStream, gen *generation) error // when the first piece is there, and counted
	piece(s *eventStream, p piece) error
	end(s *eventStream, gen *generation) error
}

// failureWriter is a chunkWriter whose kind of reply has its own words for an
// error after the first byte.
type failureWriter interface {
	fail(s *eventStream, e ErrorBody) error
}

// streamJob runs a job and writes its pieces as they come. Errors before the
// first byte are returned with the stream unopened, and get their own status.
func (g *Gateway) streamJob(c *gin.Context, j job, w chunkWriter) error {
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	s := g.newEventStream(c)
	defer s.close()
	if f, ok := w.(failureWriter); ok {
		s.broken = func(e ErrorBody) error { return f.fail(s, e) }
	}
	gen, err := await(s, cancel, func() (*generation, error) { return g.begin(ctx, j) })
	if err != nil {
		return err
	}
	complete, begun := false, false
	defer func() { gen.close(complete) }()
	for {
		p, more, err := next(ctx, s, gen.pieces)
		switch {
		case err != nil:
			return err
		case !more && ctx.Err() != nil:
			return fmt.Errorf("generating: %w", context.Cause(ctx))
		case p.Err != nil:
			return asPromptFault(p.Err, j.param)
		}
		if more {
			gen.count(p)
		}
		if !begun {
			begun = true
			if err := w.begin(s, gen); err != nil {
				return err
			}
		}
		if !more {
			break
		}
		if err := w.piece(s, p); err != nil {
			return err
		}
	}
	if err := w.end(s, gen); err != nil {
		return err
	}
	complete = true
	return nil
}

// chatWriter writes chat.completion.chunk events.
type chatWriter struct {
	chunk     ChatChunk // what all chunks share
	logprobs  bool
	tokenizer *tokenizer.Tokenizer
}

// send writes the shared part with one choice.
func (w *chatWriter) send(s *eventStream, choice ChunkChoice) error {
	chunk := w.chunk
	chunk.Choices = []ChunkChoice{choice}
	return s.data(chunk)
}

// begin opens each choice with its role.
func (w *chatWriter) begin(s *eventStream, gen *generation) error {
	w.chunk.SystemFingerprint, w.tokenizer = gen.fingerprint(), gen.lease.Model.Tokenizer
	for i := range gen.tokens {
		empty := ""
		if err := w.send(s, ChunkChoice{Index: i, Delta: Delta{Role: "assistant", Content: &empty}}); err != nil {
			return err
		}
	}
	return nil
}

// piece adds text to a choice, and ends it if the engine said so: a finish
// reason always comes in a chunk of its own, with an empty delta. Tokens that
// complete no character have log probabilities, but no text.
func (w *chatWriter) piece(s *eventStream, p piece) error {
	choice := ChunkChoice{Index: p.index, Delta: Delta{Content: &p.Text}}
	if w.logprobs {
		if scored := chatLogprobs(w.tokenizer, p.Logprobs); len(scored.Content) > 0 {
			choice.Logprobs = scored
		}
	}
	if len(p.calls) > 0 {
		choice.Delta.ToolCalls = p.calls
		if p.Text == "" {
			choice.Delta.Content = nil
		}
	}
	if p.Text != "" || choice.Logprobs != nil || len(p.calls) > 0 {
		if err := w.send(s, choice); err != nil {
			return err
		}
	}
	if p.FinishReason != "" {
		return w.send(s, ChunkChoice{Index: p.index, FinishReason: &p.FinishReason})
	}
	return nil
}

// end sends the usage, to those who asked, in a chunk without choices.
func (w *chatWriter) end(s *eventStream, gen *generation) error {
	chunk := w.chunk
	chunk.Choices = []ChunkChoice{}
	return s.doneWith(gen.usage(), &chunk.Usage, &chunk)
}
