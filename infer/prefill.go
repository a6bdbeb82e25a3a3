package infer

import (
	"github.com/mergeway/mergeway/infer/device"
)

// prefill computes the prompts of some sequences together, a chunk at a time, in
// a cache of its own that they leave for their batch's when it is done.
//
// Rows end at the last column. Of each row the last width tokens are computed; what is
// before them comes from saved prefixes, and what a row is shorter is padding that
// nothing looks at.
type prefill struct {
	weights *Weights
	rows    []*sequence
	tokens  [][]int32 // [size][width]
	start   []int32   // [size] column of each row's first token
	columns int
	column  int // the next one to be written
	chunk   int // tokens of a row computed at a time
	cache   kv
	head    *prefill // computes what all rows begin with, first
	shared  *load    // waits for the head
	loads   []load
	each    logits   // what every pass has to give: noLogits unless something is asked of the prompts themselves
	pooled  []pooled // [rows] what the passes so far gave, with hiddenStates
	after   output   // what follows the prompts, once they are done

	pictures []*features // what the tokens to be computed show, in the order in which it is seen
	rest     int         // after having seen something it rests until this turn
	readers  []*sequence // whom it is computed for: the rows, or those that a head is the beginning of
}

// load is a copy of a saved prefix into rows.
type load struct {
	prefix *savedPrefix
	count  []int32 // tokens for each row
}

// newPrefill plans the prompts of sequences of one model. unit is the number of
// tokens, over all rows, that may be computed at a time. Users' prompts use
// prefixes that are saved; all use what they have in common.
func (e *Engine) newPrefill(rows []*sequence, unit int) *prefill {
	p := &prefill{weights: rows[0].model.Weights, rows: rows, readers: rows, each: rows[0].ofPrompt()}
	size := promptBucket(len(rows))
	p.chunk = floorWidth(max(unit/size, leastChunk))
	common := p.common()
	found := make([]*savedPrefix, len(rows))
	reuse := make([]int, len(rows))
	longest, computed := 0, 1
	for b, s := range rows {
		n := len(s.tokens)
		longest = max(longest, n)
		if p.each == noLogits {
			if !s.request.Background {
				found[b], reuse[b] = e.prefixes.find(p.weights, s.tokens)
			}
			reuse[b] = min(max(reuse[b], common), n-1)
		}
		computed = max(computed, n-reuse[b])
	}
	width := p.widthOf(computed)
	p.columns = columnBucket(max(longest, width))
	p.column = p.columns - width
	p.start = make([]int32, size)
	p.tokens = make([][]int32, size)
	for b := range size {
		p.tokens[b] = make([]int32, width)
		p.start[b] = int32(p.columns - 1) // padding rows see one padding token
		if b < len(rows) {
			all := rows[b].tokens
			p.start[b] = int32(p.columns - len(all))
			last := all[max(0, len(all)-width):]
			copy(p.tokens[b][width-len(last):], last)
		}
	}
	p.planLoads(e, found, width, common)
	p.look(e)
	return p
}

// leastChunk is the fewest tokens of a row that are computed at a time: chunks of
// many rows would become as slow as decoding.
const leastChunk = 16

// common is the number of tokens that all rows begin with, if it pays to compute
// them once.
func (p *prefill) common() int {
	if len(p.rows) < 2 || p.each != noLogits {
		return 0
	}
	n := len(p.rows[0].tokens) - 1
	for _, s := range p.rows[1:] {
		n = min(n, len(s.tokens)-1, shared(p.rows[0].tokens, s.tokens))
	}
	if n < leastPrefix {
		return 0
	}
	return n
}

// widthOf gives the columns for so many tokens: whole chunks, the first of which may be
// smaller.
func (p *prefill) widthOf(tokens int) int {
	width := tokens / p.chunk * p.chunk
	if rest := tokens - width; rest > 0 {
		width += min(widthBucket(rest), p.chunk)
	}
	return width
}

// planLoads says what is copied from where: from the prefix found for a row, or
// from what all rows share, which is computed first if nobody has saved it.
func (p *prefill) planLoads(e *Engine, found []*savedPrefix, width, common int) {
	fromHead := make([]int32, len(p.start))
	byPrefix := map[*savedPrefix]int{}
	needed := false
	for b, s := range p.rows {
		count := max(0, len(s.tokens)-width)
		switch {
		case count == 0:
		case found[b] != nil && shared(found[b].tokens, s.tokens) >= count:
			i, ok := byPrefix[found[b]]
			if !ok {
				i = len(p.loads)
				byPrefix[found[b]] = i
				e.prefixes.retain(found[b])
				p.loads = append(p.loads, load{found[b], make([]int32, len(p.start))})
			}
			p.loads[i].count[b] = int32(count)
			s.noteCached(count)
		default:
			fromHead[b] = int32(count)
			needed = true
			s.noteCached(count)
		}
	}
	for _, prefix := range found {
		if prefix != nil {
			e.prefixes.release(prefix)
		}
	}
	if needed {
		first := p.rows[0]
		alone := &sequence{ctx: first.ctx, model: first.model, request: first.request, tokens: first.tokens[:common], views: first.views}
		alone.request.Background = first.request.Background
		p.head = e.newPrefill([]*sequence{alone}, p.chunk*len(p.start))
		p.head.readers = p.rows
		p.shared = &load{count: fromHead}
	}
}

// remaining is the number of chunks left to do, and of tiles left to see.
func (p *prefill) remaining() int {
	n := (p.columns-p.column+p.chunk-1)/p.chunk + p.sights()
	if p.head != nil {
		n += p.head.remaining()
	}
	return n
}

// holds tells whether memory comes free when it goes.
func (p *prefill) holds() bool { return p.cache != nil || len(p.pictures) > 0 }

// run does a chunk, or sees some tiles of a picture that a chunk will have. done says
// that it was the last; out is then what follows each row.
func (p *prefill) run(e *Engine) (done bool, out output, err error) {
	if p.head != nil {
		done, _, err := p.head.run(e)
		if done {
			p.takeHead(e)
		}
		return false, output{}, err
	}
	if f, vision := p.unseen(); f != nil {
		return false, output{}, e.see(p, f, vision)
	}
	if p.cache == nil {
		if err := p.begin(e); err != nil {
			return false, output{}, err
		}
	}
	width := len(p.tokens[0])
	from := width - (p.columns - p.column)
	n := (width - from) % p.chunk
	if n == 0 {
		n = p.chunk
	}
	chunk := make([][]int32, len(p.tokens))
	for b := range chunk {
		chunk[b] = p.tokens[b][from : from+n]
	}
	done = from+n == width
	want := p.each
	if done && want == noLogits {
		want = wanted(p.rows)
	}
	out, err = e.computer.extend(p.weights, p.cache, chunk, p.given(from, n), p.start, p.column, want)
	if err != nil {
		return false, output{}, err
	}
	switch p.each {
	case allLogits:
		p.scoreChunk(out.logits, n)
		if done {
			out.logits = lastOf(out.logits, n)
		}
	case hiddenStates:
		p.poolChunk(out.pooled)
	}
	p.column += n
	return done, out, nil
}

// begin makes the cache and fills in what is known already.
func (p *prefill) begin(e *Engine) (err error) {
	cache, err := e.computer.alloc(p.weights, len(p.tokens), p.columns)
	if err != nil {
		return err
	}
	p.cache = cache
	for _, l := range p.loads {
		if err := e.computer.load(p.weights, p.cache, l.prefix.cache, l.prefix.first, p.column, l.count); err != nil {
			return err
		}
		n := 0
		for _, count := range l.count {
			n += int(count)
		}
		e.prefixes.count(n)
	}
	p.letGo(e)
	return nil
}

// takeHead makes the head's cache a prefix: one that is saved, for users.
func (p *prefill) takeHead(e *Engine) {
	alone := p.head.rows[0]
	prefix := &savedPrefix{weights: p.weights, tokens: alone.tokens, cache: p.head.cache, first: int(p.head.start[0]), users: 1}
	p.head.cache = nil
	if alone.request.Background || !e.prefixes.fits(prefix.cache.bytes()) {
		prefix.dropped = true // freed after use
	} else {
		e.prefixes.put(prefix)
	}
	p.shared.prefix = prefix
	p.loads = append(p.loads, *p.shared)
	p.head.forget(e)
	p.head, p.shared = nil, nil
}

// letGo releases the prefixes.
func (p *prefill) letGo(e *Engine) {
	for _, l := range p.loads {
		e.prefixes.release(l.prefix)
	}
	p.loads = nil
}

// close frees what it holds; its rows live on, or have ended.
func (p *prefill) close(e *Engine) {
	if p.head != nil {
		p.head.close(e)
	}
	p.letGo(e)
	p.forget(e)
	if p.cache != nil {
		p.cache.free()
		p.cache = nil
	}
}

// scoreChunk notes the log probabilities that a chunk of n columns tells.
func (p *prefill) scoreChunk(logits [][]float32, n int) {
	inParallel(len(p.rows), func(b int) error {
		s := p.rows[b]
		if s.prompt == nil {
			s.prompt = make([]TokenLogprob, len(s.request.Prompt))
			for i, id := range s.request.Prompt {
				s.prompt[i].ID = id
			}
		}
		first := p.column - int(p.start[b]) // place of the chunk's first token in the prompt
		skip := max(0, -first)
		if skip < n {
			scorePrompt(s.prompt, s.request.Prompt, first+skip, logits[b*n+skip:(b+1)*n], s.request.Sampling.TopLogprobs)
		}
		return nil
	})
}

// lastOf gives the logits after the last of n tokens of each row.
func lastOf(logits [][]float32, n int) [][]float32 {
	var last [][]float32
	for i := n - 1; i < len(logits); i += n {
		last = append(last, logits[i])
	}
	return last
}

// wanted tells which logits sequences need for their next token.
func wanted(rows []*sequence) logits {
	for _, s := range rows {
		if s != nil && !s.done && !s.onDevice() {
			return lastLogits
		}
	}
	return noLogits
}

// advance gives every row that goes on its next token.
func advance(rows []*sequence, out output) {
	if out.logits == nil { // the device has picked; nothing is worth another core
		for b, s := range rows {
			if s != nil && !s.done {
				s.take(choice{token: out.picked[b]})
			}
		}
		return
	}
	choices := make([]choice, len(rows))
	failures := inParallel(len(rows), func(b int) (err error) {
		if s := rows[b]; s != nil && !s.done {
			choices[b], err = s.next(out.picked[b], out.logits[b])
		}
		return err
	})
	for b, s := range rows {
		switch {
		case s == nil || s.done:
		case failures[b] != nil:
			s.fail(failures[b])
		default:
			s.take(choices[b])
		}
	}
}

// take is accept; a panic in it ends this sequence and no other.
func (s *sequence) take(c choice) {
	if err := device.Try("take a token", func() error { s.accept(c); return nil }); err != nil {
		s.fail(err)
	}
}
