package infer

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

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
	longest int     // tokens the reply may have
	ends    []int32 // token ids that end the reply
	sampler *sampler
	beam    *beam // nil: tokens are picked one after another

	// tokens are the prompt and the reply so far. A cache holds all of them but
	// the newest, so that with them alone a sequence can be taken up again. Where the
	// prompt has a picture are numbers below zero: see stand.
	tokens []int32
	views  []view
	cached int // tokens of the prompt that needed no work, the first time
	begun  bool

	queued   time.Time // when it began to wait
	admitted bool      // it has had a slot, which it may have lost again

	out    chan Chunk      // the last place is the last chunk's, so that nothing ever waits for the reader
	unsent strings.Builder // text that out had no room for
	scored []TokenLogprob  // of tokens, not sent yet
	prompt []TokenLogprob  // of the prompt, not sent yet
	stream *tokenizer.Stream
	stop   stopper
	done   bool
	failed bool // it ended with an error
}

func newSequence(ctx context.Context, m *Model, r Request, views []view, longest int) (*sequence, error) {
	s := &sequence{
		ctx: ctx, model: m, request: r, longest: longest,
		tokens: slices.Clone(r.Prompt), views: views,
		out:    make(chan Chunk, min(longest, maxUnread)+1),
		stream: m.Tokenizer.NewStream(r.Named...),
		stop: stopper{
			stops:   slices.DeleteFunc(slices.Clone(r.Sampling.Stop), func(s string) bool { return s == "" }),
			include: r.Sampling.IncludeStop,
		},
	}
	stand(s.tokens, views)
	if r.Continues {
		s.stream = m.Tokenizer.NewStreamAfter(r.Prompt, r.Named...)
	}
	s.ends = slices.Clone(r.Sampling.StopTokenIDs)
	if !r.Sampling.IgnoreEOS {
		s.ends = append(s.ends, m.EndTokens()...)
	}
	seed := rand.Uint64()
	if r.Sampling.Seed != nil {
		seed = *r.Sampling.Seed
	}
	var err error
	s.sampler, err = newSampler(r, seed, s.ends)
	return s, err
}

// made is the number of tokens of the reply so far.
func (s *sequence) made() int { return len(s.tokens) - len(s.request.Prompt) }

// remaining is the number of tokens that the reply may still get.
func (s *sequence) remaining() int { return s.longest - s.made() }

// onDevice tells whether the device's own choice of the next token will do.
func (s *sequence) onDevice() bool { return s.beam == nil && s.request.Sampling.onDevice() }

// noteCached notes how much of the prompt needed no work, the first time that it
// is computed.
func (s *sequence) noteCached(tokens int) {
	if !s.begun {
		s.cached = tokens
	}
}

// toScore tells whether log probabilities of the prompt are still wanted.
func (s *sequence) toScore() bool { return s.request.PromptLogprobs && !s.begun }

// ofPrompt says what every pass over the prompt has to give.
func (s *sequence) ofPrompt() logits {
	switch {
	case s.request.pooling != "":
		return hiddenStates
	case s.toScore():
		return allLogits
	}
	return noLogits
}

// newest is the token that no cache holds yet.
func (s *sequence) newest() int32 { return s.tokens[len(s.tokens)-1] }

// next picks the reply's next token: the most probable one, or what sampling
// makes of the logits. It may run beside that of other sequences.
func (s *sequence) next(mostProbable int32, logits []float32) (choice, error) {
	if s.onDevice() {
		return choice{token: mostProbable}, nil
	}
	return s.sampler.next(logits, s.made())
}

// accept takes the next token of the reply and sends what it completes.
func (s *sequence) accept(c choice) {
	s.tokens = append(s.tokens, c.token)
	ends := slices.Contains(s.ends, c.token)
	if s.request.Sampling.Logprobs {
		c.logprob.Ends = ends
		s.scored = append(s.scored, c.logprob)
	}
	if err := s.sampler.took(c.token); err != nil {
		s.fail(fault.Wrap(err, fault.CodeOf(err), "follow the grammar"))
		return
	}
	if ends {
		s.finish(FinishStop)
		return
	}
	text, reached := s.stop.push(s.stream.Push(c.token))
	switch {
	case reached != "":
		s.end(Chunk{Text: text, FinishReason: FinishStop, Stop: reached})
	case s.sampler.matcher != nil && s.sampler.matcher.Stopped():
		s.finishWith(text, FinishStop)
	case s.remaining() <= 0:
		s.finishWith(text, FinishLength)
	default:
		s.show(text)
	}
}

// show sends text, or keeps it for the next chunk if the reader is far behind.
func (s *sequence) show(text string) {
	s.unsent.WriteString(text)
	if (s.unsent.Len() > 0 || len(s.scored) > 0) && len(s.out) < cap(s.out)-1 {
		s.out <- s.filled(Chunk{})
	}
}

// filled gives a chunk with all that has not been sent.
func (s *sequence) filled(c Chunk) Chunk {
	c.Text = s.unsent.String() + c.Text
	c.Tokens, c.Cached = s.made(), s.cached
	c.Logprobs, c.PromptLogprobs = s.scored, s.prompt
	s.unsent.Reset()
	s.scored, s.prompt = nil, nil
	return c
}

// finish ends the reply with what was held back.
func (s *sequence) finish(reason string) { s.finishWith("", reason) }

// finishWith ends the reply with text and what was held back behind it.
func (s *sequence) finishWith(text, reason string) {
	rest, reached := s.stop.push(s.stream.Flush())
	if reached != "" {
		s.end(Chunk{Text: text + rest, FinishReason: FinishStop, Stop: reached})
		return
	}
	s.end(Chunk{Text: text + rest + s.stop.flush(), FinishReason: reason})
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
	s.done, s.failed = true, c.Err != nil
	s.out <- s.filled(c)
	close(s.out)
	if s.sampler != nil {
		s.sampler.close()
	}
}
