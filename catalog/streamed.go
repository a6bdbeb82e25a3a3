package catalog

import (
	"context"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

// mergeStreamed makes the model of a recipe whose models are not all on the
// device, and won't be: those that are there are used there, and the others are
// read from their folders, a unit at a time. If that leaves no room, nothing is
// held.
func (c *Catalog) mergeStreamed(ctx context.Context, name string, r merge.Recipe, check func() error, progress func(done, total int)) (*infer.Model, int64, error) {
	m, bytes, held, err := c.mergeParts(ctx, name, r, true, check, progress)
	if held > 0 && fault.CodeOf(err) == fault.OutOfMemory {
		m, bytes, _, err = c.mergeParts(ctx, name, r, false, check, progress)
	}
	return m, bytes, err
}

// mergeParts is mergeStreamed with or without what is on the device; it tells how
// many models were held there.
func (c *Catalog) mergeParts(ctx context.Context, name string, r merge.Recipe, hold bool, check func() error, progress func(done, total int)) (_ *infer.Model, bytes int64, held int, err error) {
	p, err := c.openParts(ctx, r, hold)
	if err != nil {
		return nil, 0, 0, within(err, "a source of %s", name)
	}
	defer p.close()
	if err := check(); err != nil {
		return nil, 0, p.held, err
	}
	if r.Tokenizer != nil {
		words, err := c.mergedWords(r)
		if err != nil {
			return nil, 0, p.held, within(err, "the words of %s", name)
		}
		p.tokenizer, p.template = words.tokenizer, words.template
	}
	if p.template, err = c.templateOf(r, p.template); err != nil {
		return nil, 0, p.held, within(err, "the chat template of %s", name)
	}
	vision, err := c.holdVision(ctx, r.Sees())
	if err != nil {
		return nil, 0, p.held, within(err, "the vision part of %s", name)
	}
	defer vision.release()
	parent := p.models[r.Parent()]
	configs := map[string]checkpoint.Config{}
	for name, m := range p.models {
		configs[name] = m.Config()
	}
	bytes = mergedBytes(r, parent.DType(), configs)
	aligned := alignedBytes(r, configs)
	feed, o, err := c.reserveFeed(bytes+aligned, p.feed)
	if err != nil {
		return nil, 0, p.held, within(err, "%s has no room: it needs %d bytes, and %d more to read its sources unit by unit", name, bytes+aligned, p.feed)
	}
	defer c.residents.memory.Release(feed + aligned)
	o.Progress = progress
	began := time.Now()
	w, err := c.fill(bytes, func() (*infer.Weights, error) { return c.executor.MergeFrom(ctx, r, p.models, o) })
	if err != nil {
		return nil, 0, p.held, err
	}
	// What was read has to be what was checked.
	for _, s := range p.streamed {
		s.look()
	}
	if err := check(); err != nil {
		w.Free()
		c.residents.memory.Release(bytes)
		return nil, 0, p.held, err
	}
	c.noteMerge(name, began, len(p.streamed) > 0)
	return vision.give(&infer.Model{Name: name, Weights: w, Tokenizer: p.tokenizer, Template: p.template}), bytes, p.held, nil
}

// reserveFeed takes bytes from the budget, and besides them enough to read the
// next unit while one is merged, or if that is too much, one after the other. It
// gives how much that is.
func (c *Catalog) reserveFeed(bytes, unit int64) (feed int64, o merge.StreamOptions, err error) {
	if err = c.residents.memory.Reserve(bytes + 2*unit); err == nil {
		return 2 * unit, o, nil
	}
	o.Sequential = true
	return unit, o, c.residents.memory.Reserve(bytes + unit)
}
