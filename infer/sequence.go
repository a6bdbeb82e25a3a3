package infer

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// maxUnread is how many chunks a reader may be behind before they are joined. A
// channel takes its memory when it is made: one for every token of a long
// context would be megabytes for each request that waits.
const maxUnread = 256

// sequence is one request on its way through the engine.
type sequence struct {
	ctx     context.Context
	model   *Model
	request Request
	seed    uint64
	longest int   // tokens the reply may have
	ends    []int // token ids that end the reply

	out    chan Chunk      // the last place is the last chunk's, so that nothing ever waits for the reader
	unsent strings.Builder // text that out had no room for
	stream *tokenizer.Stream
	stop   stopper
	tokens int // completion tokens so far
	last   int32
	done   bool
}

func newSequence(ctx context.Context, m *Model, r Request, longest int) *sequence {
	s := &sequence{
		ctx: ctx, model: m, request: r, longest: longest,
		out:    make(chan Chunk, min(longest, maxUnread)+1),
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
	default:
		s.show(text)
	}
}

// show sends text, or keeps it for the next chunk if the reader is far behind.
func (s *sequence) show(text string) {
	s.unsent.WriteString(text)
	if s.unsent.Len() > 0 && len(s.out) < cap(s.out)-1 {
		s.out <- Chunk{Text: s.unsent.String(), Tokens: s.tokens}
		s.unsent.Reset()
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
	c.Text, c.Tokens = s.unsent.String()+c.Text, s.tokens
	s.out <- c
	close(s.out)
}
