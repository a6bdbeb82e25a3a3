package infer

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// sequence is one request on its way through the engine.
type sequence struct {
	ctx     context.Context
	model   *Model
	request Request
	seed    uint64
	longest int   // tokens the reply may have
	ends    []int // token ids that end the reply

	out    chan Chunk // has room for every chunk there can be: a slow reader never holds up the batch
	stream *tokenizer.Stream
	stop   stopper
	tokens int // completion tokens so far
	last   int32
	done   bool
}

func newSequence(ctx context.Context, m *Model, r Request, longest int) *sequence {
	s := &sequence{
		ctx: ctx, model: m, request: r, longest: longest,
		out:    make(chan Chunk, longest+1),
		stream: m.Tokenizer.NewStream(),
		stop:   stopper{stops: slices.DeleteFunc(slices.Clone(r.Sampling.Stop), func(s string) bool { return s == "" })},
	}
	if r.Sampling.Seed != nil {
		s.seed = *r.Sampling.Seed
	} else {
		s.seed = rand.Uint64()
	}
	if !r.Sampling.IgnoreEOS {
		s.ends = slices.Clone(m.Weights.Config().EOSTokenIDs)
		if eos, ok := m.Tokenizer.EOS(); ok {
			s.ends = append(s.ends, int(eos))
		}
	}
	return s
}

// accept takes the next token of the reply and sends what it completes.
func (s *sequence) accept(token int32) {
	s.tokens++
	s.last = token
	if slices.Contains(s.ends, int(token)) {
		s.finish(FinishStop)
		return
	}
	text, stopped := s.stop.push(s.stream.Push(token))
	switch {
	case stopped:
		s.end(Chunk{Text: text, FinishReason: FinishStop})
	case s.tokens >= s.longest:
		rest, stopped := s.stop.push(s.stream.Flush())
		if stopped {
			s.end(Chunk{Text: text + rest, FinishReason: FinishStop})
			return
		}
		s.end(Chunk{Text: text + rest + s.stop.flush(), FinishReason: FinishLength})
	case text != "":
		s.out <- Chunk{Text: text, Tokens: s.tokens}
	}
}

// finish ends the reply with what was held back.
func (s *sequence) finish(reason string) {
	text, stopped := s.stop.push(s.stream.Flush())
	if !stopped {
		text += s.stop.flush()
	}
	s.end(Chunk{Text: text, FinishReason: reason})
}

// fail ends the reply with an error.
func (s *sequence) fail(err error) { s.end(Chunk{Err: err}) }

// abandoned ends the reply if its reader has gone away.
func (s *sequence) abandoned() bool {
	if err := s.ctx.Err(); err != nil && !s.done {
		s.fail(fault.Wrap(err, fault.Cancelled, "generation stopped"))
	}
	return s.done
}

func (s *sequence) end(c Chunk) {
	if s.done {
		return
	}
	s.done = true
	c.Tokens = s.tokens
	s.out <- c
	close(s.out)
}
