package infer

// savePrompt saves the prompt of a row of a prefill, for users who will come with
// the same beginning, if more of it was computed than is worth while.
func (e *Engine) savePrompt(p *prefill, row int) {
	s := p.rows[row]
	if s.request.Background || p.each != noLogits || len(s.request.Prompt)-s.cached < leastPrefix {
		return
	}
	e.save(p.weights, p.cache, row, int(p.start[row]), s.tokens)
}

// saveReply saves the conversation of a row that has ended well, for its next
// turn.
func (e *Engine) saveReply(b *batch, row int) {
	s := b.rows[row]
	if b.background || s.failed || s.made() < leastPrefix && len(s.tokens)-s.cached < leastPrefix {
		return
	}
	e.save(b.weights, b.cache, row, int(b.start[row]), s.tokens[:len(s.tokens)-1])
}

// save copies a row, whose first token lies at column first, into a prefix. It is
// a courtesy: it takes no memory that anybody else has, and nothing is lost if
// it fails.
func (e *Engine) save(w *Weights, c kv, row, first int, tokens []int32) {
	n := len(tokens)
	if n < leastPrefix || e.prefixes.known(w, tokens) {
		return
	}
	columns := columnBucket(n)
	bytes := e.computer.cacheBytes(w, 1, columns)
	if !e.prefixes.fits(bytes) {
		return
	}
	for {
		total, used := e.options.Memory.Usage()
		if bytes <= total-used {
			break
		}
		if !e.prefixes.makeRoom() {
			return
		}
	}
	cache, err := e.computer.move(w, c, []int32{int32(row)}, columns, first+n-columns)
	if err != nil {
		e.options.Logger.Debug("a prefix was not saved", "tokens", n, "error", err)
		return
	}
	e.prefixes.put(&savedPrefix{weights: w, tokens: append([]int32{}, tokens...), cache: cache, first: columns - n})
}
