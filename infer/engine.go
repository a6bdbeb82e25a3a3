package infer

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
)

// Options of an engine. Zero values mean the defaults.
type Options struct {
	Slots          int            // users' sequences decoded at the same time, over all models; 32
	BackgroundRows int            // a search's sequences in one batch; 256
	MaxContext     int            // longest prompt plus reply; the model's own limit
	QueueLimit     int            // users' requests waiting before new ones are refused; 256
	ChunkTokens    int            // prompt tokens computed before others get a turn; 256
	GreedySteps    int            // tokens decoded per call in the background; 8
	GrowColumns    int            // how far ahead of the longest sequence the KV cache is made; 64
	PrefixBytes    int64          // memory for saved prefixes; 256 MiB, none if negative
	PictureBytes   int64          // memory for what was made of pictures that nobody asks about now; 256 MiB, none if negative
	RequestTiles   int            // tiles that the pictures of one request are cut into; 80
	Memory         *device.Memory // what weights and caches share; boundless if nil
	Observer       Observer       // is told what requests wait and work takes; may be nil
	Logger         *slog.Logger
}

func (o Options) withDefaults() Options {
	for _, d := range []struct {
		value     *int
		otherwise int
	}{
		{&o.Slots, 32}, {&o.BackgroundRows, 256}, {&o.QueueLimit, 256},
		{&o.ChunkTokens, 256}, {&o.GreedySteps, 8}, {&o.GrowColumns, 64},
		{&o.RequestTiles, 80},
	} {
		if *d.value <= 0 {
			*d.value = d.otherwise
		}
	}
	if o.PrefixBytes == 0 {
		o.PrefixBytes = 256 << 20
	}
	if o.PictureBytes == 0 {
		o.PictureBytes = 256 << 20
	}
	if o.Memory == nil {
		o.Memory = device.NewMemory(math.MaxInt64)
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Engine decodes requests for any number of models on one device. One
// goroutine owns the device's time; see [Engine.loop].
type Engine struct {
	computer computer
	options  Options
	prefixes *prefixes
	gallery  *gallery
	now      func() time.Time

	mu      sync.Mutex
	wake    *sync.Cond
	users   []*sequence // waiting
	search  []*sequence // waiting, in the background
	closed  bool
	stopped chan struct{}
	stats   Stats

	// Of the loop alone:
	userBatches, searchBatches []*batch
	turns                      int
	debt                       time.Duration // device time that a search owes to users
	tight, searchTight         bool          // a cache had no room: nobody is admitted until something ends
}

// NewEngine starts an engine on the device.
func NewEngine(dev *device.Device, o Options) *Engine {
	o = o.withDefaults()
	e := newEngine(newDeviceComputer(dev, o.Memory), o)
	go e.loop()
	return e
}

// newEngine makes an engine that does not run yet.
func newEngine(c computer, o Options) *Engine {
	o = o.withDefaults()
	e := &Engine{computer: c, options: o, prefixes: &prefixes{limit: o.PrefixBytes}, now: time.Now, stopped: make(chan struct{})}
	e.wake = sync.NewCond(&e.mu)
	e.gallery = &gallery{limit: max(0, o.PictureBytes), memory: o.Memory, all: map[pictureKey]*features{}}
	o.Memory.OnPressure(e.prefixes.makeRoom)
	o.Memory.OnPressure(e.gallery.makeRoom)
	return e
}

// Compilations counts the programs compiled so far. It stays flat while models
// of known shapes are swapped.
func (e *Engine) Compilations() int64 { return e.computer.compilations() }

// Context is the longest prompt plus reply, in tokens, that models of a config
// are served with.
func (e *Engine) Context(c checkpoint.Config) int {
	if e.options.MaxContext > 0 {
		return min(c.MaxPositionEmbeddings, e.options.MaxContext)
	}
	return c.MaxPositionEmbeddings
}

// Waiting is the number of users' requests in the queue.
func (e *Engine) Waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.users)
}

// Forget drops what is kept of a model beyond its requests, which must have
// ended: its weights are about to be freed.
func (e *Engine) Forget(w *Weights) { e.prefixes.forget(w) }

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
			discard(sequences[:i]...)
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
		r := &results[i]
		for c := range s.out {
			text.WriteString(c.Text)
			r.CompletionTokens, r.CachedTokens, r.FinishReason, r.Stop = c.Tokens, c.Cached, c.FinishReason, c.Stop
			r.Logprobs = append(r.Logprobs, c.Logprobs...)
			r.PromptLogprobs = append(r.PromptLogprobs, c.PromptLogprobs...)
			if c.Err != nil && failed == nil {
				failed = c.Err
				cancel() // and wait for the others: their weights are in use until they end
			}
		}
		r.Text, r.PromptTokens = text.String(), len(rs[i].Prompt)
	}
	if failed != nil {
		return nil, failed
	}
	return results, nil
}

// prepare checks a request and makes a sequence of it. One that no empty device
// would have room for is refused here, and not after it has waited.
func (e *Engine) prepare(ctx context.Context, m *Model, r Request) (*sequence, error) {
	views, err := e.views(m, r)
	if err != nil {
		return nil, err
	}
	longest, err := r.validate(m, e.Context(m.Weights.Config()))
	if err != nil {
		return nil, err
	}
	tokens := len(r.Prompt)
	needed := max(
		e.computer.cacheBytes(m.Weights, promptBucket(1), columnBucket(tokens)),
		e.computer.cacheBytes(m.Weights, e.computer.rows(m.Weights, 1), columnBucket(tokens+min(1, longest))))
	model := m.Weights.Bytes()
	if len(views) > 0 {
		model += m.Vision.Bytes()
		needed += viewBytes(m, views, nil)
	}
	if total, _ := e.options.Memory.Usage(); model+needed > total {
		return nil, fault.New(fault.OutOfMemory, "a prompt of %d tokens needs %d bytes of KV cache and pictures beside the model's %d, and the budget of this device is %d",
			tokens, needed, model, total)
	}
	return newSequence(ctx, m, r, views, longest)
}

// discard ends sequences that nobody reads.
func discard(all ...*sequence) {
	for _, s := range all {
		s.sampler.close()
	}
}

// enqueue lets sequences wait for their turn: all of them, or none.
func (e *Engine) enqueue(all ...*sequence) error {
	err := e.tryEnqueue(all)
	if err != nil {
		discard(all...)
	}
	return err
}

func (e *Engine) tryEnqueue(all []*sequence) error {
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
	now := e.now()
	for _, s := range all {
		s.queued = now
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
	for e.await() {
		err := device.Try("share out the device's time", func() error { e.turn(); return nil })
		if err != nil { // not of one batch, so there is no telling whose it is
			e.options.Logger.Error("a turn failed; all replies end", "error", err)
			e.endAll(err)
		}
	}
	e.shut(fault.New(fault.Unavailable, "the engine is shutting down"))
}

// shut ends everything and frees what the engine holds.
func (e *Engine) shut(err error) {
	e.endAll(err)
	e.prefixes.forget(nil)
	e.gallery.clear()
	e.computer.close()
}

// await sleeps until there is work; false means the engine closes.
func (e *Engine) await() bool {
	working := len(e.userBatches)+len(e.searchBatches) > 0
	e.mu.Lock()
	defer e.mu.Unlock()
	for !working && !e.closed && len(e.users)+len(e.search) == 0 {
		e.wake.Wait()
	}
	return !e.closed
}
