package catalog

import (
	"context"
	"time"

	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// make makes a resident's model and settles it.
func (c *Catalog) make(r *resident, what resolved) {
	began := time.Now()
	var m *infer.Model
	var bytes int64
	report := func(done, total int) { c.residents.progress(r, done, total) }
	// Others' code runs here, on others' files: a panic must not end the server.
	err := device.Try("make model "+r.key, func() (err error) {
		if what.source != nil {
			m, bytes, err = c.load(c.ctx, what.source, report)
		} else {
			m, bytes, err = c.mergeStored(c.ctx, what.recipe, report)
		}
		return err
	})
	if what.source != nil && fault.CodeOf(err) == fault.Damaged {
		what.source.forget()
	}
	kind := Recipe
	if what.source != nil {
		kind = Source
	}
	err = c.unlessStopping(err)
	c.observer.Made(kind, time.Since(began), err)
	if err != nil {
		c.log.Error("a model could not be made", "model", r.key, "error", err)
	} else {
		c.makings.note(r.key, func(m *Making) { m.At, m.Total = c.now(), time.Since(began) })
		c.log.Info("model ready", "model", r.key, "bytes", bytes, "seconds", time.Since(began).Seconds())
	}
	c.residents.settle(r, m, bytes, err)
}

// load puts a source on the device, as its folder is now.
func (c *Catalog) load(ctx context.Context, s *source, progress func(done, total int)) (*infer.Model, int64, error) {
	if s.reload() {
		c.residents.drop(visionKey(s.name)) // of files that are gone
	}
	tok, template, err := s.readWords()
	if err != nil {
		return nil, 0, err
	}
	folder, err := s.open()
	if err != nil {
		return nil, 0, s.damaged(err)
	}
	defer folder.Close()
	config := folder.Config()
	if rows := tok.TextRows(); rows > config.VocabSize {
		return nil, 0, fault.New(fault.Damaged, "model %q can't be loaded: its tokenizer has %d tokens and its embedding only %d rows", s.name, rows, config.VocabSize)
	}
	stored, err := infer.NewStored(c.dev, folder, dtypes.InvalidDType)
	if err != nil {
		return nil, 0, s.damaged(err)
	}
	lender := ""
	if folder.Vision() != nil {
		lender = s.name
	}
	vision, err := c.holdVision(ctx, lender)
	if err != nil {
		return nil, 0, err
	}
	defer vision.release()
	bytes := weightBytes(config, stored.DType())
	if err := c.residents.memory.Reserve(bytes); err != nil {
		return nil, 0, within(err, "model %q has no room", s.name)
	}
	w, err := c.fill(bytes, func() (*infer.Weights, error) { return stored.Load(ctx, progress) })
	if err != nil {
		return nil, 0, s.damaged(err)
	}
	return vision.give(&infer.Model{Name: s.name, Weights: w, Tokenizer: tok, Template: template}), bytes, nil
}

// weightBytes is the memory that a model's weights take on the device.
func weightBytes(config checkpoint.Config, compute dtypes.DType) int64 {
	var n int64
	for _, p := range arch.Params(config) {
		size := int64(compute.Size())
		for _, d := range p.Shape {
			size *= int64(d)
		}
		n += size
	}
	return n
}

// mergedBytes is the memory that a recipe's model takes, which is held in a dtype. A
// path has nothing of its own but its scales, float32.
func mergedBytes(r merge.Recipe, held dtypes.DType, models map[string]checkpoint.Config) int64 {
	config := r.Config(models)
	switch {
	case r.Method != merge.Dataflow:
		return weightBytes(config, held)
	case config.HopScales:
		return int64(config.NumHiddenLayers) * int64(dtypes.Float32.Size())
	}
	return 0
}

// alignedBytes is the memory that a merge takes besides its models, to bring their
// embeddings into one order.
func alignedBytes(r merge.Recipe, models map[string]checkpoint.Config) int64 {
	if r.Vocabulary == nil {
		return 0
	}
	return r.Vocabulary.AlignedBytes(models[r.Parent()])
}

// fill makes weights that bytes are reserved for; if it fails, in whatever way, the
// bytes go back.
func (c *Catalog) fill(bytes int64, work func() (*infer.Weights, error)) (w *infer.Weights, err error) {
	defer func() {
		if w == nil {
			c.residents.memory.Release(bytes)
		}
	}()
	return work()
}

// mergeStored makes the model of a stored recipe. If the sources have changed
// since it was stored it isn't that model any more, and is refused.
func (c *Catalog) mergeStored(ctx context.Context, stored *store.Recipe, progress func(done, total int)) (*infer.Model, int64, error) {
	r, err := ReadRecipe(*stored)
	if err != nil {
		return nil, 0, err
	}
	r, _, err = c.fit(ctx, r)
	if err != nil {
		return nil, 0, within(err, "recipe %s", stored.ID)
	}
	unchanged := func() error {
		_, err := c.unchanged(r, *stored)
		return err
	}
	if err := unchanged(); err != nil { // known before anything is loaded
		return nil, 0, err
	}
	fits, err := c.allFit(r)
	if err != nil {
		return nil, 0, err
	}
	if fits || r.Method == merge.Dataflow {
		m, bytes, err := c.merge(ctx, stored.ID, r, unchanged)
		if r.Method == merge.Dataflow || fault.CodeOf(err) != fault.OutOfMemory {
			return m, bytes, err
		} // others have the room for now, who may keep it for long
	}
	return c.mergeStreamed(ctx, stored.ID, r, unchanged, progress)
}

// unchanged gives the digests of a stored recipe's sources, which have to be as
// they were when it was stored.
func (c *Catalog) unchanged(r merge.Recipe, stored store.Recipe) (map[string]string, error) {
	digests, err := c.digests(r)
	if err != nil {
		return nil, within(err, "recipe %s", stored.ID)
	}
	now, err := c.identify(r, digests)
	if err != nil {
		return nil, within(err, "recipe %s", stored.ID)
	}
	if now != stored.Digest {
		return nil, fault.New(fault.Conflict, "the sources of recipe %s have changed since it was stored: store it again to get the new model", stored.ID)
	}
	return digests, nil
}

// merge makes the model of a recipe. Its sources are held meanwhile, or, if it
// shares their weights, until it is freed; check is asked once they are there.
func (c *Catalog) merge(ctx context.Context, name string, r merge.Recipe, check func() error) (*infer.Model, int64, error) {
	sources, configs := map[string]*infer.Weights{}, map[string]checkpoint.Config{}
	var parent *infer.Model
	var leases []*Lease
	release := func() {
		for _, l := range leases {
			l.Release()
		}
	}
	defer func() {
		if release != nil {
			release()
		}
	}()
	for _, source := range partsOf(r) {
		lease, err := c.acquirePart(ctx, r, source)
		if err != nil {
			return nil, 0, within(err, "a source of %s", name)
		}
		leases = append(leases, lease)
		sources[source], configs[source] = lease.Model.Weights, lease.Model.Weights.Config()
		if source == r.Parent() {
			parent = lease.Model
		}
	}
	if err := check(); err != nil {
		return nil, 0, err
	}
	tok, template := parent.Tokenizer, parent.Template
	if r.Tokenizer != nil {
		words, err := c.mergedWords(r)
		if err != nil {
			return nil, 0, within(err, "the words of %s", name)
		}
		tok, template = words.tokenizer, words.template
	}
	template, err := c.templateOf(r, template)
	if err != nil {
		return nil, 0, within(err, "the chat template of %s", name)
	}
	vision, err := c.holdVision(ctx, r.Sees())
	if err != nil {
		return nil, 0, within(err, "the vision part of %s", name)
	}
	defer vision.release()
	bytes, aligned := mergedBytes(r, parent.Weights.DType(), configs), alignedBytes(r, configs)
	if err := c.residents.memory.Reserve(bytes + aligned); err != nil {
		return nil, 0, within(err, "%s has no room", name)
	}
	defer c.residents.memory.Release(aligned)
	began := time.Now()
	w, err := c.fill(bytes, func() (*infer.Weights, error) { return c.executor.Merge(ctx, r, sources) })
	if err != nil {
		return nil, 0, err
	}
	if w.Shared() { // its sources are held as long as it is there
		w.OnFree(release)
		release = nil
	}
	c.noteMerge(name, began, false)
	return vision.give(&infer.Model{Name: name, Weights: w, Tokenizer: tok, Template: template}), bytes, nil
}

// noteMerge notes how long a merge took, and whether its models were read meanwhile.
func (c *Catalog) noteMerge(name string, began time.Time, streamed bool) {
	if isRecipeID(name) { // and no candidate
		c.makings.note(name, func(m *Making) { m.Merge, m.Streamed = time.Since(began), streamed })
	}
}

// Merge makes the model of a recipe for the caller alone: a candidate that no
// name leads to. It counts against the budget until it is released.
func (c *Catalog) Merge(ctx context.Context, r merge.Recipe) (*Lease, error) {
	r, _, err := c.fit(ctx, r)
	if err != nil {
		return nil, err
	}
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	began := time.Now()
	m, bytes, err := c.mergeCandidate(ctx, r)
	c.observer.Candidate(time.Since(began), err)
	if err != nil {
		return nil, c.unlessStopping(err)
	}
	candidate := c.residents.candidate(m, bytes)
	entry := Entry{ID: m.Name, Kind: Recipe, Created: c.now(), State: Ready, Bytes: bytes}
	return &Lease{Entry: entry, Model: m, release: func() { c.residents.release(candidate) }}, nil
}

// mergeCandidate makes the model of a candidate. While others have the room that
// it needs to be made from models on the device, it fails: a search can wait, and
// to read its sources again for each candidate would take longer.
func (c *Catalog) mergeCandidate(ctx context.Context, r merge.Recipe) (*infer.Model, int64, error) {
	const name = "candidate"
	check := func() error { return nil }
	fits, err := c.allFit(r)
	switch {
	case err != nil:
		return nil, 0, err
	case fits || r.Method == merge.Dataflow:
		return c.merge(ctx, name, r, check)
	default:
		return c.mergeStreamed(ctx, name, r, check, nil)
	}
}
