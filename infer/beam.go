package infer

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/mergeway/mergeway/fault"
)

// MaxBeams is the widest beam search.
const MaxBeams = 32

// BeamOptions say how a beam search goes, in transformers' terms.
type BeamOptions struct {
	Width         int     // hypotheses kept at each step; at most MaxBeams
	Keep          int     // replies given, best first; 1 if 0, at most Width
	LengthPenalty float64 // a reply's log probability is divided by its length to this power; 0: not at all
	EarlyStopping bool    // stop as soon as there are Width whole replies
}

func (o BeamOptions) validate(s Sampling) error {
	switch {
	case o.Width < 1 || o.Width > MaxBeams:
		return fault.Bad("best_of", "a beam search of width %d: it must be between 1 and %d", o.Width, MaxBeams)
	case o.Keep < 0 || o.Keep > o.Width:
		return fault.Bad("n", "%d replies of a beam search of width %d: there can't be more than that", o.Keep, o.Width)
	case math.IsNaN(o.LengthPenalty) || math.Abs(o.LengthPenalty) > 10:
		return fault.Bad("length_penalty", "length_penalty is %v: it must be between -10 and 10", o.LengthPenalty)
	case s.Temperature > 0:
		return fault.Bad("temperature", "a beam search draws nothing: temperature must be 0")
	case s.Constraint != nil:
		return fault.Bad("response_format", "a beam search can't follow a grammar")
	}
	return nil
}

// Beam finds the most probable replies to a prompt among those that a beam search
// comes by, best first. It works as transformers' does: penalties act on log
// probabilities, and a reply's end counts as one of its tokens.
func (e *Engine) Beam(ctx context.Context, m *Model, r Request, o BeamOptions) ([]Result, error) {
	if err := o.validate(r.Sampling); err != nil {
		return nil, err
	}
	o.Keep = max(o.Keep, 1)
	r.PromptLogprobs, r.NoReply, r.Sampling.Logprobs = false, false, false
	s, err := e.prepare(ctx, m, r)
	if err != nil {
		return nil, err
	}
	s.beam = &beam{BeamOptions: o, lead: s}
	if err := e.enqueue(s); err != nil {
		return nil, err
	}
	for c := range s.out {
		err = c.Err
	}
	if err != nil {
		return nil, err
	}
	return s.beam.results, nil
}

// beam is the state of a beam search. Its hypotheses are the rows of a batch of
// their own, all of one length.
type beam struct {
	BeamOptions
	lead    *sequence // who asked
	live    []hypothesis
	whole   []hypothesis // replies that have ended, best first, at most Width
	results []Result
}

// hypothesis is a reply, or the beginning of one.
type hypothesis struct {
	tokens  []int32
	sum     float64 // of the tokens' log probabilities
	score   float64 // of a whole one
	ended   bool    // by a token, and not by its length
	sampler *sampler
}

// begin takes the logits after the prompt. The batch's cache gets a row for each
// hypothesis.
func (bm *beam) begin(e *Engine, b *batch, p *prefill, logits []float32) error {
	size := e.computer.rows(b.weights, bm.Width)
	column := len(bm.lead.tokens)
	shift := p.columns - column
	from := make([]int32, size)
	cache, err := e.computer.move(b.weights, p.cache, from, columnBucket(column+min(bm.lead.longest, e.options.GrowColumns)), shift)
	if err != nil {
		return err
	}
	b.cache, b.column = cache, column
	b.start = make([]int32, size)
	b.rows = []*sequence{bm.lead}
	bm.live = []hypothesis{{sampler: bm.lead.sampler}}
	bm.whole = nil
	_, err = bm.step([][]float32{logits})
	return err
}

// run does one step of all hypotheses.
func (bm *beam) run(e *Engine, b *batch) error {
	tokens := make([][]int32, len(b.start))
	for r := range tokens {
		h := bm.live[min(r, len(bm.live)-1)]
		tokens[r] = []int32{h.tokens[len(h.tokens)-1]}
	}
	if b.column == b.cache.columns() {
		if err := bm.move(e, b, identity(len(b.start)), columnBucket(b.column+e.options.GrowColumns)); err != nil {
			return err
		}
	}
	out, err := e.computer.extend(b.weights, b.cache, tokens, nil, b.start, b.column, lastLogits)
	if err != nil {
		return err
	}
	b.column++
	parents, err := bm.step(out.logits[:len(bm.live)])
	if err != nil || bm.lead.done {
		return err
	}
	from := identity(len(b.start))
	copy(from, parents)
	if slices.Equal(from, identity(len(from))) {
		return nil
	}
	return bm.move(e, b, from, b.cache.columns())
}

// move gives each row the columns of another.
func (bm *beam) move(e *Engine, b *batch, from []int32, columns int) error {
	cache, err := e.computer.move(b.weights, b.cache, from, columns, 0)
	if err != nil {
		return err
	}
	b.cache.free()
	b.cache = cache
	return nil
}

func identity(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// extension is a hypothesis with one token more.
type extension struct {
	parent int
	token  int32
	sum    float64
}

// step extends the hypotheses by the logits after each, and gives the parents of
// those that live on. When the search is over it ends the lead's sequence.
func (bm *beam) step(logits [][]float32) (parents []int32, err error) {
	place := len(bm.live[0].tokens)
	found := make([][]extension, len(bm.live))
	for _, err := range inParallel(len(bm.live), func(i int) (err error) {
		found[i], err = bm.extend(i, logits[i], place)
		return err
	}) {
		if err != nil {
			return nil, err
		}
	}
	all := slices.Concat(found...)
	slices.SortFunc(all, func(a, b extension) int {
		return cmp.Or(cmp.Compare(b.sum, a.sum), cmp.Compare(a.parent, b.parent), cmp.Compare(a.token, b.token))
	})
	var live []hypothesis
	for rank, x := range all[:min(len(all), 2*bm.Width)] {
		parent := bm.live[x.parent]
		h := hypothesis{tokens: append(slices.Clone(parent.tokens), x.token), sum: x.sum}
		if slices.Contains(bm.lead.ends, x.token) {
			if rank < bm.Width {
				h.ended = true
				bm.keep(h)
			}
			continue
		}
		if len(live) < bm.Width {
			h.sampler = parent.sampler.fork()
			if err := h.sampler.took(x.token); err != nil {
				return nil, err
			}
			live = append(live, h)
			parents = append(parents, int32(x.parent))
		}
	}
	bm.live = live
	if place+1 >= bm.lead.longest || bm.over(place+1) || len(live) == 0 {
		for _, h := range live {
			bm.keep(h)
		}
		bm.finish()
	}
	return parents, nil
}

// extend gives the best extensions of a hypothesis.
func (bm *beam) extend(i int, logits []float32, place int) ([]extension, error) {
	h := bm.live[i]
	norm := score(logits, 0)
	for id := range logits {
		logits[id] = norm.logprob(int32(id))
	}
	if err := h.sampler.reshape(logits, place); err != nil {
		return nil, err
	}
	var all []extension
	for _, id := range mostProbable(logits, 2*bm.Width) {
		if logits[id] != impossible {
			all = append(all, extension{i, id, h.sum + float64(logits[id])})
		}
	}
	return all, nil
}

// value is what hypotheses of a length are compared by.
func (bm *beam) value(sum float64, length int) float64 {
	return sum / math.Pow(float64(length), bm.LengthPenalty)
}

// keep notes a whole reply, if it is among the best.
func (bm *beam) keep(h hypothesis) {
	h.score = bm.value(h.sum, len(h.tokens))
	at, _ := slices.BinarySearchFunc(bm.whole, h, func(a, b hypothesis) int {
		if a.score >= b.score {
			return -1
		}
		return 1
	})
	bm.whole = slices.Insert(bm.whole, at, h)
	bm.whole = bm.whole[:min(len(bm.whole), bm.Width)]
}

// over tells whether no hypothesis of the length that all live ones have can
// still become one of the best.
func (bm *beam) over(length int) bool {
	if len(bm.whole) < bm.Width {
		return false
	}
	if bm.EarlyStopping || len(bm.live) == 0 {
		return true
	}
	return bm.whole[len(bm.whole)-1].score >= bm.value(bm.live[0].sum, length)
}

// finish makes replies of the best hypotheses and ends the search.
func (bm *beam) finish() {
	s := bm.lead
	for _, h := range bm.whole[:min(len(bm.whole), bm.Keep)] {
		r := Result{PromptTokens: len(s.request.Prompt), CachedTokens: s.cached, CompletionTokens: len(h.tokens), FinishReason: FinishLength}
		shown := h.tokens
		if h.ended {
			shown, r.FinishReason = shown[:len(shown)-1], FinishStop
		}
		stop := stopper{stops: s.stop.stops, include: s.stop.include}
		if r.Text, r.Stop = stop.push(s.textOf(shown)); r.Stop != "" {
			r.FinishReason = FinishStop
		} else {
			r.Text += stop.flush()
		}
		bm.results = append(bm.results, r)
	}
	s.end(Chunk{FinishReason: FinishStop})
}

// textOf decodes a whole reply.
func (s *sequence) textOf(reply []int32) string {
	if !s.request.Continues {
		return s.model.Tokenizer.Decode(reply, true)
	}
	stream := s.model.Tokenizer.NewStreamAfter(s.request.Prompt)
	text := ""
	for _, id := range reply {
		text += stream.Push(id)
	}
	return text + stream.Flush()
}
