package infer

import (
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
)

const (
	// searchShare is the share of the device's time that searches get while users
	// want it, too: one part in five.
	searchShare = 5
	// maxPrefills is how many prompts, or groups of them, of one model are being
	// computed at a time; as many more may be with pictures, so that those without
	// wait for none. Those that wait can still be grouped.
	maxPrefills = 4
	// maxSearchBatches is how many models of searches take turns.
	maxSearchBatches = 4
	// searchWork bounds one unit of a search's work, which users wait for: that
	// many multiplications by weights. For a model of a billion parameters it is
	// one step of 32 sequences.
	searchWork = 1 << 35
	// maxSearchTokens bounds the prompt tokens of one unit whatever the model.
	maxSearchTokens = 16384
)

// turn lets in those that wait, and gives every batch of users a unit of work: a
// chunk of a prompt and a step of decoding. A search gets a unit when no user
// wants anything, and otherwise as much time as its share allows.
func (e *Engine) turn() {
	e.turns++
	e.sweep()
	e.admit()
	defer e.count()
	began := e.now()
	for _, b := range e.userBatches {
		e.work(b, func() error { return e.userUnit(b) })
	}
	took := e.now().Sub(began)
	if took > 0 {
		e.options.Observer.Worked(false, took)
	}
	e.debt = max(0, e.debt-took/(searchShare-1))
	if len(e.userBatches) == 0 {
		e.debt = 0
	}
	if len(e.searchBatches) == 0 || e.debt > 0 {
		return
	}
	b := e.searchBatches[0]
	e.searchBatches = append(e.searchBatches[1:], b) // the next one's turn comes next
	began = e.now()
	e.work(b, func() error { return e.searchUnit(b) })
	took = e.now().Sub(began)
	e.options.Observer.Worked(true, took)
	e.debt += took
}

// userUnit is one chunk of a prompt and one step.
func (e *Engine) userUnit(b *batch) error {
	reading := slices.ContainsFunc(e.userBatches, func(b *batch) bool { return len(b.alive()) > 0 })
	if p := b.nextPrefill(e.turns, reading); p != nil {
		if err := b.prefill(e, p); err != nil {
			return err
		}
	}
	if len(b.alive()) == 0 {
		return nil
	}
	return b.decode(e, 1)
}

// searchUnit is a chunk of a prompt or some steps. All prompts come first: what
// a search asks it asks at once, and full batches decode best.
func (e *Engine) searchUnit(b *batch) error {
	if len(b.prefills) > 0 {
		return b.prefill(e, b.prefills[0])
	}
	steps := 1
	for steps < e.options.GreedySteps && 2*steps*len(b.rows)*parameters(b.weights) <= searchWork {
		steps *= 2
	}
	return b.decode(e, min(steps, e.options.GreedySteps))
}

// parameters is the number of a model's weights.
func parameters(w *Weights) int { return int(w.Bytes()) / w.DType().Size() }

// unit is how many prompt tokens are computed at a time.
func (e *Engine) unit(w *Weights, background bool) int {
	if !background {
		return e.options.ChunkTokens
	}
	return max(e.options.ChunkTokens, min(maxSearchTokens, searchWork/max(1, parameters(w))))
}

// work does a unit of a batch's work. If memory is short somebody gives way; any
// other failure ends the batch's sequences, and no others.
func (e *Engine) work(b *batch, unit func() error) {
	before := b.count()
	err := device.Try("run a batch", unit)
	b.sweep(e)
	e.noteEnds(before - b.count())
	switch {
	case err == nil:
	case fault.CodeOf(err) == fault.OutOfMemory && e.giveWay(b):
	default:
		e.fail(b, err)
	}
	b.sweep(e)
}

// fail ends the sequences of a batch.
func (e *Engine) fail(b *batch, err error) {
	rows := b.count()
	b.each(func(s *sequence) {
		e.options.Logger.ErrorContext(s.ctx, "generation failed", "rows", rows, "error", err)
	})
	b.close(e, fault.Wrap(err, device.CodeOf(err), "generation failed"))
	e.noteEnds(rows)
}

// giveWay makes room for a batch that had too little: a search's batch begins
// again later; without one, those of the batch that came last wait again. It tells
// whether that can help: a sequence that is alone with the device has all there is.
func (e *Engine) giveWay(b *batch) bool {
	e.searchTight = true
	if i := slices.IndexFunc(e.searchBatches, (*batch).hasCache); i >= 0 && !b.background {
		e.putBack(e.searchBatches[i].requeue(e), true)
		e.searchBatches = slices.Delete(e.searchBatches, i, i+1)
		return true
	}
	if b.count() <= 1 && !e.cachesBeside(b) {
		return false
	}
	e.tight = e.tight || !b.background
	if n := len(b.prefills); n > 0 {
		p := b.prefills[n-1]
		b.prefills = b.prefills[:n-1]
		p.close(e)
		fewer := len(p.rows) / 2 // none of one
		if fewer > 0 {
			b.prefills = append(b.prefills, e.newPrefill(p.rows[:fewer], e.unit(b.weights, b.background)))
		}
		e.putBack(p.rows[fewer:], b.background)
		return true
	}
	alive := b.alive()
	latest := alive[len(alive)-1]
	b.rows[slices.Index(b.rows, latest)] = nil
	e.putBack([]*sequence{latest}, b.background)
	return true
}

// cachesBeside tells whether other batches have caches, which their end will free.
func (e *Engine) cachesBeside(b *batch) bool {
	others := slices.Concat(e.userBatches, e.searchBatches)
	return slices.ContainsFunc(others, func(other *batch) bool { return other != b && other.hasCache() })
}

// putBack lets sequences wait again, before all others.
func (e *Engine) putBack(all []*sequence, background bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(s *sequence) bool { return s.done })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Preemptions += int64(len(all))
	if background {
		e.search = append(all, e.search...)
	} else {
		e.users = append(all, e.users...)
	}
}

// sweep ends those whose reader has gone, in the queue as well: they must not
// hold up their callers, nor take places, until a slot is free. Batches without
// anything to do are dropped.
func (e *Engine) sweep() {
	e.dropAbandoned()
	idle := func(b *batch) bool {
		before := b.count()
		b.each(func(s *sequence) { s.abandoned() })
		b.sweep(e)
		e.noteEnds(before - b.count())
		return b.count() == 0
	}
	e.userBatches = dropped(e.userBatches, idle)
	e.searchBatches = dropped(e.searchBatches, idle)
	if len(e.userBatches)+len(e.searchBatches) == 0 {
		e.tight, e.searchTight = false, false
	}
}

// noteEnds lets sequences in again when some have ended: there is room, perhaps.
func (e *Engine) noteEnds(ended int) {
	if ended > 0 {
		e.tight, e.searchTight = false, false
	}
}

// dropAbandoned is sweep for the queues.
func (e *Engine) dropAbandoned() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users = slices.DeleteFunc(e.users, (*sequence).abandoned)
	e.search = slices.DeleteFunc(e.search, (*sequence).abandoned)
}

// dropped is all batches but those that are idle; nil if none is left.
func dropped(all []*batch, idle func(*batch) bool) []*batch {
	if all = slices.DeleteFunc(all, idle); len(all) == 0 {
		return nil
	}
	return all
}

// admit gives free slots to those that wait.
func (e *Engine) admit() {
	free := e.options.Slots
	for _, b := range e.userBatches {
		free -= b.count()
	}
	for free > 0 && !e.tight {
		rows := e.take(&e.users, free, e.userBatches)
		if len(rows) == 0 {
			break
		}
		free -= len(rows)
		e.begin(&e.userBatches, rows)
	}
	for !e.searchTight {
		rows := e.take(&e.search, e.options.BackgroundRows, e.searchBatches)
		if len(rows) == 0 {
			break
		}
		e.begin(&e.searchBatches, rows)
	}
}

// begin lets sequences that no longer wait begin in their model's batch.
func (e *Engine) begin(batches *[]*batch, rows []*sequence) {
	for _, s := range rows {
		if !s.admitted {
			s.admitted = true
			e.options.Observer.Began(s.request.Background, e.now().Sub(s.queued))
		}
	}
	err := device.Try("form a batch", func() error {
		w, background := rows[0].model.Weights, rows[0].request.Background
		p := e.newPrefill(rows, e.unit(w, background))
		b := batchOf(*batches, w)
		if b == nil || rows[0].beam != nil {
			b = &batch{weights: w, background: background, beam: rows[0].beam}
			*batches = append(*batches, b)
		}
		b.prefills = append(b.prefills, p)
		return nil
	})
	if err != nil {
		for _, s := range rows {
			s.fail(fault.Wrap(err, device.CodeOf(err), "generation failed"))
		}
	}
}

// batchOf finds a model's batch; nil if it has none.
func batchOf(all []*batch, w *Weights) *batch {
	for _, b := range all {
		if b.weights == w && b.beam == nil {
			return b
		}
	}
	return nil
}

// take takes the next sequences that can begin together out of a queue.
func (e *Engine) take(queue *[]*sequence, limit int, running []*batch) (taken []*sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken, *queue = e.choose(*queue, limit, running)
	return taken
}

// choose takes sequences of one model: that which has the fewest running, so
// that models share the slots fairly; among equals the one that has waited
// longest. Prompts of very different length are not computed together. A
// search's batch takes as many as it has rows for.
func (e *Engine) choose(waiting []*sequence, limit int, running []*batch) (taken, rest []*sequence) {
	var first *sequence
	fewest := 0
	models := map[*Weights]bool{}
	for _, s := range waiting {
		n, open := e.openTo(s, running)
		if open {
			models[s.model.Weights] = true
		}
		if open && (first == nil || n < fewest) {
			first, fewest = s, n
		}
	}
	switch {
	case first == nil:
		return nil, waiting
	case first.request.Background:
		limit -= fewest
	default:
		limit = (limit + len(models) - 1) / len(models) // the others want some, too
	}
	fits := e.grouping(first, waiting)
	for _, s := range waiting {
		if len(taken) < limit && together(first, s) && fits(s) {
			taken = append(taken, s)
		} else {
			rest = append(rest, s)
		}
	}
	return taken, rest
}

// openTo tells whether a sequence could begin now, and how many of its model
// run already.
func (e *Engine) openTo(s *sequence, running []*batch) (n int, open bool) {
	b := batchOf(running, s.model.Weights)
	switch {
	case b == nil:
		return 0, !s.request.Background || len(running) < maxSearchBatches
	case s.request.Background && b.count() >= e.options.BackgroundRows:
		return 0, false
	}
	return b.count(), b.prefillsLike(s) < maxPrefills
}

// together tells whether the prompts of two sequences may be computed together:
// those of one model whose lengths are alike, with pictures or without.
func together(a, b *sequence) bool {
	const short = 64 // tokens; below it padding costs little
	if a.beam != nil || b.beam != nil {
		return a == b
	}
	if a.model.Weights != b.model.Weights || a.ofPrompt() != b.ofPrompt() || a.seeing() != b.seeing() {
		return false
	}
	n, m := max(len(a.tokens), short), max(len(b.tokens), short)
	return n <= 2*m && m <= 2*n
}

// endAll ends what runs and what waits.
func (e *Engine) endAll(err error) {
	for _, b := range append(e.userBatches, e.searchBatches...) {
		b.close(e, err)
	}
	e.userBatches, e.searchBatches, e.tight, e.searchTight = nil, nil, false, false
	e.mu.Lock()
	waiting := append(e.users, e.search...)
	e.users, e.search = nil, nil
	e.mu.Unlock()
	for _, s := range waiting {
		s.fail(err)
	}
}
