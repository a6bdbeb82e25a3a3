package infer

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
)

// Options of an engine. Zero values mean the defaults.
type Options struct {
	Slots          int // users' sequences decoded at the same time; 32
	BackgroundRows int // a search's sequences in one batch; 256
	MaxContext     int // longest prompt plus reply; the model's own limit
	QueueLimit     int // users' requests waiting before new ones are refused; 256
	ChunkTokens    int // prompt tokens of a row computed before others get a turn; 256
	GreedySteps    int // tokens decoded per call in the background; 8
	GrowColumns    int // how far ahead of the prompt the KV cache is made; 64
	Logger         *slog.Logger
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value     *int
		otherwise int
	}{
		{&o.Slots, 32}, {&o.BackgroundRows, 256}, {&o.QueueLimit, 256},
		{&o.ChunkTokens, 256}, {&o.GreedySteps, 8}, {&o.GrowColumns, 64},
	} {
		if *d.value <= 0 {
			*d.value = d.otherwise
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// userTurns is how many units of work users get for each one of a search while
// both want the device.
const userTurns = 4

// Engine decodes requests for any number of models on one device. One
// goroutine owns the device's time; see [Engine.loop].
type Engine struct {
	device   *device.Device
	options  Options
	programs *programs

	mu      sync.Mutex
	wake    *sync.Cond
	users   []*sequence // waiting
	search  []*sequence // waiting, in the background
	closed  bool
	stopped chan struct{}

	// Of the loop alone:
	userCohorts, searchCohorts []*cohort
	turns                      int
}

// NewEngine starts an engine on the device.
func NewEngine(dev *device.Device, o Options) *Engine {
	e := newEngine(dev, o)
	go e.loop()
	return e
}

// newEngine makes an engine that does not run yet.
func newEngine(dev *device.Device, o Options) *Engine {
	e := &Engine{device: dev, options: o.withDefaults(), programs: newPrograms(dev.Backend()), stopped: make(chan struct{})}
	e.wake = sync.NewCond(&e.mu)
	return e
}

// Compilations counts the programs compiled so far. It stays flat while models
// of known shapes are swapped.
func (e *Engine) Compilations() int64 { return e.programs.compiled.Load() }

// Waiting is the number of users' requests in the queue.
func (e *Engine) Waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.users)
}

// Stream starts a reply. The channel gives its pieces, the last one with a
// FinishReason or an Err, and is then closed; a slow reader holds up nobody, and
// gets its pieces joined. Cancelling ctx ends the reply within one step. The
// model's weights must stay valid until the channel is closed.
func (e *Engine) Stream(ctx context.Context, m *Model, r Request) (<-chan Chunk, error) {
	s, err := e.prepare(ctx, m, r)
	if err != nil {
		return nil, err
	}
	if err := e.enqueue(s); err != nil {
		return nil, err
	}
	return s.out, nil
}

// Generate answers many prompts of one model, batched on the device, and gives
// the replies in the same order. The first failure ends it.
func (e *Engine) Generate(ctx context.Context, m *Model, rs []Request) ([]Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sequences := make([]*sequence, len(rs))
	for i, r := range rs {
		s, err := e.prepare(ctx, m, r)
		if err != nil {
			return nil, err
		}
		sequences[i] = s
	}
	if err := e.enqueue(sequences...); err != nil {
		return nil, err
	}
	results := make([]Result, len(rs))
	var failed error
	for i, s := range sequences {
		var text strings.Builder
		for c := range s.out {
			text.WriteString(c.Text)
			results[i].CompletionTokens, results[i].FinishReason = c.Tokens, c.FinishReason
			if c.Err != nil && failed == nil {
				failed = c.Err
				cancel() // and wait for the others: their weights are in use until they end
			}
		}
		results[i].Text, results[i].PromptTokens = text.String(), len(rs[i].Prompt)
	}
	if failed != nil {
		return nil, failed
	}
	return results, nil
}

func (e *Engine) prepare(ctx context.Context, m *Model, r Request) (*sequence, error) {
	longest, err := r.validate(m, e.options.MaxContext)
	if err != nil {
		return nil, err
	}
	return newSequence(ctx, m, r, longest), nil
}

// enqueue lets sequences wait for their turn: all of them, or none.
func (e *Engine) enqueue(all ...*sequence) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fault.New(fault.Unavailable, "the engine is shutting down")
	}
	users := 0
	for _, s := range all {
		if !s.request.Background {
			users++
		}
	}
	if users > 0 && len(e.users)+users > e.options.QueueLimit {
		return fault.New(fault.Busy, "%d requests are waiting already, and at most %d may", len(e.users), e.options.QueueLimit)
	}
	for _, s := range all {
		if s.request.Background {
			e.search = append(e.search, s)
		} else {
			e.users = append(e.users, s)
		}
	}
	e.wake.Signal()
	return nil
}

// Close ends all replies and stops the engine.
func (e *Engine) Close() {
	e.mu.Lock()
	e.closed = true
	e.wake.Signal()
	e.mu.Unlock()
	<-e.stopped
}

// loop is the engine's life: turn after turn, until it is closed. Nothing that
// goes wrong in a turn ends it.
func (e *Engine) loop() {
	defer close(e.stopped)
	defer e.programs.close()
	for e.await() {
		err := device.Try("share out the device's time", func() error { e.turn(); return nil })
		if err != nil { // not of one batch, so there is no telling whose it is
			e.options.Logger.Error("a turn failed; all replies end", "error", err)
			e.endAll(err)
		}
	}
	e.endAll(fault.New(fault.Unavailable, "the engine is shutting down"))
}

// turn forms cohorts of what waits, and gives each cohort its unit of work:
// users' first, a search's when there are none and every few turns.
func (e *Engine) turn() {
	e.dropAbandoned()
	e.admitUsers()
	if len(e.searchCohorts) == 0 {
		e.admitSearch()
	}
	e.userCohorts = e.work(e.userCohorts, 1)
	if len(e.userCohorts) == 0 || e.turns%userTurns == 0 {
		e.searchCohorts = e.work(e.searchCohorts, e.options.GreedySteps)
	}
	e.turns++
}

// endAll ends what runs and what waits.
func (e *Engine) endAll(err error) {
	running := append(e.userCohorts, e.searchCohorts...)
	e.userCohorts, e.searchCohorts = nil, nil
	for _, c := range running {
		c.close(err)
	}
	e.mu.Lock()
	waiting := append(e.users, e.search...)
	e.users, e.search = nil, nil
	e.mu.Unlock()
	for _, s := range waiting {
		s.fail(err)
	}
}

// await sleeps until there is work; false means the engine closes.
func (e *Engine) await() bool {
	working := len(e.userCohorts)+len(e.searchCohorts) > 0
	e.mu.Lock()
	defer e.mu.Unlock()
	for !working && !e.closed && len(e.users)+len(e.search) == 0 {
		e.wake.Wait()
	}
	return !e.closed
}

// dropAbandoned ends waiting requests whose reader has gone: they must not hold
// up their callers, nor take places in the queue, until a slot is free.
func (e *Engine) dropAbandoned() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users = slices.DeleteFunc(e.users, (*sequence).abandoned)
	e.search = slices.DeleteFunc(e.search, (*sequence).abandoned)
}

// work gives each cohort one unit of work and drops those that ended.
func (e *Engine) work(cohorts []*cohort, steps int) []*cohort {
	var going []*cohort
	for _, c := range cohorts {
		done, err := c.run(steps)
		switch {
		case err != nil:
			e.failed(c, err)
		case done:
			c.close(nil)
		default:
			going = append(going, c)
		}
	}
	return going
}

// failed ends the sequences of a cohort that can't go on, and no others.
func (e *Engine) failed(c *cohort, err error) {
	ctx, rows := c.context(), len(c.rows)
	c.close(fault.Wrap(err, device.CodeOf(err), "generation failed"))
	e.options.Logger.ErrorContext(ctx, "a batch failed", "rows", rows, "error", err)
}

// admitUsers forms cohorts of waiting requests, as far as slots are free.
func (e *Engine) admitUsers() {
	free := e.options.Slots
	for _, c := range e.userCohorts {
		free -= c.alive()
	}
	for free > 0 {
		rows := e.take(&e.users, free)
		if len(rows) == 0 {
			return
		}
		free -= len(rows)
		e.form(&e.userCohorts, rows)
	}
}

// admitSearch forms one cohort of a search's requests.
func (e *Engine) admitSearch() {
	if rows := e.take(&e.search, e.options.BackgroundRows); len(rows) > 0 {
		e.form(&e.searchCohorts, rows)
	}
}

// form adds a cohort of sequences that no longer wait.
func (e *Engine) form(cohorts *[]*cohort, rows []*sequence) {
	err := device.Try("form a batch", func() error {
		*cohorts = append(*cohorts, newCohort(e, rows))
		return nil
	})
	if err != nil {
		e.failed(&cohort{rows: rows}, err)
	}
}

// take is takeSame of a queue.
func (e *Engine) take(queue *[]*sequence, limit int) (taken []*sequence) {
	e.mu.Lock()
	defer e.mu.Unlock()
	taken, *queue = takeSame(*queue, limit)
	return taken
}

// takeSame takes the first waiting sequence and others of the same weights, at
// most limit, in order.
func takeSame(waiting []*sequence, limit int) (taken, rest []*sequence) {
	for _, s := range waiting {
		if len(taken) < limit && (len(taken) == 0 || taken[0].model.Weights == s.model.Weights) {
			taken = append(taken, s)
		} else {
			rest = append(rest, s)
		}
	}
	return taken, rest
}
