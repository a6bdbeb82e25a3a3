package infer

import "slices"

// batch is what decodes together: sequences of one set of weights, one a row of
// a KV cache. Rows are slots: a sequence that ends leaves its row free, one whose
// prompt has been computed takes a free row between two steps, and the others
// notice nothing of either.
type batch struct {
	weights    *Weights
	background bool
	prefills   []*prefill
	beam       *beam // the rows are hypotheses of one beam search, and nobody joins

	rows   []*sequence // by row of the cache; nil: free
	start  []int32     // column of each row's first token
	cache  kv          // nil: nobody decodes
	column int         // the next one to be written
}

// alive lists the sequences that decode.
func (b *batch) alive() []*sequence {
	var all []*sequence
	for _, s := range b.rows {
		if s != nil {
			all = append(all, s)
		}
	}
	return all
}

// count is the number of sequences that decode or whose prompts are computed.
func (b *batch) count() int {
	if b.beam != nil && !b.beam.lead.done {
		return b.beam.Width
	}
	n := len(b.alive())
	for _, p := range b.prefills {
		for _, s := range p.rows {
			if !s.done {
				n++
			}
		}
	}
	return n
}

// hasCache tells whether memory comes free when the batch goes.
func (b *batch) hasCache() bool {
	return b.cache != nil || slices.ContainsFunc(b.prefills, func(p *prefill) bool {
		return p.holds() || p.head != nil && p.head.holds()
	})
}

// prefillsLike is the number of prefills with pictures, for a sequence that has some,
// or without.
func (b *batch) prefillsLike(s *sequence) (n int) {
	for _, p := range b.prefills {
		if p.rows[0].seeing() == s.seeing() {
			n++
		}
	}
	return n
}

// each calls do for every sequence that has not ended.
func (b *batch) each(do func(*sequence)) {
	for _, s := range b.rows {
		if s != nil && !s.done {
			do(s)
		}
	}
	for _, p := range b.prefills {
		for _, s := range p.rows {
			if !s.done {
				do(s)
			}
		}
	}
}

// sweep drops those that have ended: rows become free, and prefills without a
// row go.
func (b *batch) sweep(e *Engine) {
	for r, s := range b.rows {
		if s != nil && s.done {
			b.rows[r] = nil
		}
	}
	b.prefills = slices.DeleteFunc(b.prefills, func(p *prefill) bool {
		for _, s := range p.rows {
			if !s.done {
				return false
			}
		}
		p.close(e)
		return true
	})
	if b.cache != nil && len(b.alive()) == 0 {
		b.cache.free()
		b.cache, b.rows, b.start, b.column = nil, nil, nil, 0
	}
}

// nextPrefill is the one to go on with: that with the least left to do, so that a
// long prompt does not hold up short ones, but in every fourth turn the oldest,
// so that they do not hold it up for ever. While somebody is reading those that rest
// are passed over.
func (b *batch) nextPrefill(turn int, reading bool) *prefill {
	ready := b.prefills
	if reading {
		ready = slices.DeleteFunc(slices.Clone(ready), func(p *prefill) bool { return p.rests(turn) })
	}
	if len(ready) == 0 {
		return nil
	}
	if turn%4 == 0 {
		return ready[0]
	}
	return slices.MinFunc(ready, func(x, y *prefill) int { return x.remaining() - y.remaining() })
}

// prefill does a chunk of a prompt. After its last, rows have their first token
// and join those that decode.
func (b *batch) prefill(e *Engine, p *prefill) error {
	if p.column < p.columns || p.cache == nil {
		done, out, err := p.run(e)
		if err != nil || !done {
			return err
		}
		p.settle(e, out)
		p.after = out
	}
	if err := b.join(e, p); err != nil {
		return err // for want of memory: p is done, and joins in a later turn
	}
	b.prefills = slices.DeleteFunc(b.prefills, func(other *prefill) bool { return other == p })
	p.close(e)
	return nil
}

// settle gives the rows of a prefill that is done their first token.
func (p *prefill) settle(e *Engine, out output) {
	for r, s := range p.rows {
		switch {
		case s.done:
		case s.request.pooling != "":
			s.embed(p.pooled[r])
		case s.request.NoReply:
			s.finish(FinishLength)
		case !s.begun:
			s.begun = true
			e.savePrompt(p, r)
		}
	}
	if p.rows[0].beam == nil {
		advance(p.rows, out)
	}
}

// join gives the rows of a finished prefill that go on rows of the batch.
func (b *batch) join(e *Engine, p *prefill) error {
	var joining []*sequence
	for _, s := range p.rows {
		if !s.done {
			joining = append(joining, s)
		}
	}
	if len(joining) == 0 {
		return nil
	}
	if b.beam != nil {
		return b.beam.begin(e, b, p, slices.Clone(p.after.logits[0]))
	}
	if b.cache == nil {
		return b.adopt(e, p, joining)
	}
	if err := b.fit(e, joining, p.columns, 1); err != nil {
		return err
	}
	to := make([]int32, len(p.tokens))
	free := 0
	for r := range to {
		to[r] = -1
		if r < len(p.rows) && !p.rows[r].done {
			for b.rows[free] != nil {
				free++
			}
			to[r] = int32(free)
			free++
		}
	}
	if err := e.computer.join(b.weights, b.cache, p.cache, to, b.column); err != nil {
		return err
	}
	for r, row := range to {
		if row >= 0 {
			b.rows[row] = p.rows[r]
			b.start[row] = int32(b.column - (p.columns - int(p.start[r])))
		}
	}
	return nil
}

// room is how many columns a cache is made for, ahead of what sequences have: those
// they may still need, as far as it pays to look ahead, and least at the least.
func (e *Engine) room(all []*sequence, least int) int {
	for _, s := range all {
		least = max(least, min(s.remaining(), e.options.GrowColumns))
	}
	return least
}

// adopt begins to decode with the rows of a prefill.
func (b *batch) adopt(e *Engine, p *prefill, joining []*sequence) error {
	size := e.computer.rows(b.weights, len(joining))
	column := 0
	for _, s := range joining {
		column = max(column, len(s.tokens)-1)
	}
	room := e.room(joining, 1)
	from := make([]int32, size)
	for i := range from {
		s := joining[min(i, len(joining)-1)]
		from[i] = int32(slices.Index(p.rows, s))
	}
	cache, err := e.computer.move(b.weights, p.cache, from, columnBucket(column+room), p.columns-column)
	if err != nil {
		return err
	}
	b.cache, b.column = cache, column
	b.rows, b.start = make([]*sequence, size), make([]int32, size)
	for i, s := range joining {
		b.rows[i] = s
		b.start[i] = int32(column - (len(s.tokens) - 1))
	}
	return nil
}

// fit sees to it that the cache has rows for those that join, is written from
// column least on at the earliest, and has columns for the next steps. It closes
// ranks when most rows are free, and gives back columns when most are unused.
// After an error everything is as before.
func (b *batch) fit(e *Engine, joining []*sequence, least, steps int) error {
	alive := b.alive()
	longest := 0
	for r, s := range b.rows {
		if s != nil {
			longest = max(longest, b.column-int(b.start[r]))
		}
	}
	room := max(e.room(alive, steps), e.room(joining, steps))
	size := e.computer.rows(b.weights, len(alive)+len(joining))
	if size < len(b.rows) && 2*size > len(b.rows) {
		size = len(b.rows)
	}
	column, columns := b.column, b.cache.columns()
	ideal := columnBucket(max(longest, least) + room)
	if column < least || column+steps > columns || 2*ideal <= columns {
		column, columns = max(longest, least), ideal
	}
	if size == len(b.rows) && column == b.column && columns == b.cache.columns() {
		return nil
	}
	rows, from := slices.Clone(b.rows), make([]int32, size)
	if size < len(rows) {
		rows = alive
	}
	rows = append(rows, make([]*sequence, size-len(rows))...)
	start := make([]int32, size)
	shift := b.column - column
	for r, s := range rows {
		if s != nil {
			from[r] = int32(slices.Index(b.rows, s))
			start[r] = b.start[from[r]] - int32(shift)
		}
	}
	cache, err := e.computer.move(b.weights, b.cache, from, columns, shift)
	if err != nil {
		return err
	}
	b.cache.free()
	b.cache, b.rows, b.start, b.column = cache, rows, start, column
	return nil
}

// decode gives every row its next token, or with steps its next ones.
func (b *batch) decode(e *Engine, steps int) error {
	if b.beam != nil {
		return b.beam.run(e, b)
	}
	want := wanted(b.rows)
	if want != noLogits {
		steps = 1
	}
	if err := b.fit(e, nil, 0, steps); err != nil {
		return err
	}
	last := make([]int32, len(b.rows))
	for r, s := range b.rows {
		b.start[r] = int32(b.column) // a free row sees the token that it writes
		if s != nil {
			last[r] = s.newest()
			b.start[r] = int32(b.column - (len(s.tokens) - 1))
		}
	}
	column := b.column
	b.column += steps
	if steps > 1 {
		picked, err := e.computer.decode(b.weights, b.cache, last, b.start, column, steps)
		if err != nil {
			return err
		}
		for _, tokens := range picked {
			advance(b.rows, output{picked: tokens})
		}
	} else {
		tokens := make([][]int32, len(last))
		for r := range last {
			tokens[r] = last[r : r+1]
		}
		out, err := e.computer.extend(b.weights, b.cache, tokens, nil, b.start, column, want)
		if err != nil {
			return err
		}
		advance(b.rows, out)
	}
	for r, s := range b.rows {
		if s != nil && s.done {
			e.saveReply(b, r)
		}
	}
	return nil
}

// close ends what has not ended with err, and frees the caches.
func (b *batch) close(e *Engine, err error) {
	b.each(func(s *sequence) { s.fail(err) })
	b.sweep(e)
}

// requeue empties the batch; its sequences begin again with the tokens they have.
func (b *batch) requeue(e *Engine) (all []*sequence) {
	b.each(func(s *sequence) { all = append(all, s) })
	for _, p := range b.prefills {
		p.close(e)
	}
	b.prefills, b.rows = nil, nil
	b.sweep(e)
	return all
}
