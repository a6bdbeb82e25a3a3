package catalog

import (
	"context"
	"encoding/json"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// ExportOptions say where a recipe's model is written, and how.
type ExportOptions struct {
	Dir      string                     // see merge.Executor.Export
	Replace  bool                       // an earlier export
	Scores   []merge.CardScore          // for its card
	Progress func(written, total int64) // may be nil
	Note     json.RawMessage            // see merge.ExportOptions
}

// Export writes the model of a recipe as a Hugging Face folder. If the model is on
// the device it is held meanwhile; if not, it is written as it is merged, and never
// is there as a whole. What it is made of has to be as it was when the recipe was
// stored. One that was cut off is gone on with by the next that writes the same
// recipe to the same folder.
func (c *Catalog) Export(ctx context.Context, id string, o ExportOptions) error {
	ctx, end, err := c.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	stored, err := c.GetRecipe(ctx, id)
	if err != nil {
		return err
	}
	r, err := ReadRecipe(stored)
	if err != nil {
		return err
	}
	err = device.Try("export "+stored.ID, func() error {
		if r.Method == merge.Dataflow { // what is on the device is its models' own
			return c.exportStreamed(ctx, stored, r, o)
		}
		if held := c.residents.holdReady(stored.ID); held != nil {
			defer c.residents.release(held)
			return c.exportResident(ctx, stored, r, held, o)
		}
		return c.exportStreamed(ctx, stored, r, o)
	})
	return c.unlessStopping(err)
}

// exportResident writes a model that is on the device.
func (c *Catalog) exportResident(ctx context.Context, stored store.Recipe, r merge.Recipe, held *resident, o ExportOptions) error {
	// The model may have been here since before its sources changed; the parent's
	// files and the digests would then be another model's.
	for _, name := range r.Leaves() {
		s, err := c.source(name)
		if err != nil {
			return within(err, "recipe %s", stored.ID)
		}
		s.look()
	}
	options, err := c.exportOptions(stored, r, o)
	if err != nil {
		return err
	}
	if r, err = c.withVocabulary(r); err != nil {
		return within(err, "recipe %s", stored.ID)
	}
	return c.executor.Export(ctx, o.Dir, r, held.model.Weights, options)
}

// exportStreamed merges and writes a model unit by unit. What lies on the device is
// used there, unless that leaves no room.
func (c *Catalog) exportStreamed(ctx context.Context, stored store.Recipe, r merge.Recipe, o ExportOptions) error {
	r, _, err := c.fit(ctx, r)
	if err != nil {
		return within(err, "recipe %s", stored.ID)
	}
	held, err := c.exportParts(ctx, stored, r, true, o)
	if held > 0 && fault.CodeOf(err) == fault.OutOfMemory {
		_, err = c.exportParts(ctx, stored, r, false, o)
	}
	return err
}

// exportParts is exportStreamed with or without what is on the device; it tells how
// many models were held there.
func (c *Catalog) exportParts(ctx context.Context, stored store.Recipe, r merge.Recipe, hold bool, o ExportOptions) (held int, err error) {
	p, err := c.openParts(ctx, r, hold)
	if err != nil {
		return 0, within(err, "a source of %s", stored.ID)
	}
	defer p.close()
	options, err := c.exportOptions(stored, r, o)
	if err != nil {
		return p.held, err
	}
	configs := map[string]checkpoint.Config{}
	for name, m := range p.models {
		configs[name] = m.Config()
	}
	unit := p.feed + merge.UnitBytes(r.Config(configs), p.models[r.Parent()].DType()) + alignedBytes(r, configs)
	feed, stream, err := c.reserveFeed(0, unit)
	if err != nil {
		return p.held, within(err, "the export of %s has no room: it needs %d bytes to merge it unit by unit", stored.ID, unit)
	}
	defer c.residents.memory.Release(feed)
	options.Sequential = stream.Sequential
	return p.held, c.executor.ExportFrom(ctx, o.Dir, r, p.models, options)
}

// exportOptions are those of the executor. The recipe's sources have to be as they
// were when it was stored.
func (c *Catalog) exportOptions(stored store.Recipe, r merge.Recipe, o ExportOptions) (merge.ExportOptions, error) {
	digests, err := c.unchanged(r, stored)
	if err != nil {
		return merge.ExportOptions{}, err
	}
	origin, err := c.source(r.Origin())
	if err != nil {
		return merge.ExportOptions{}, err
	}
	lender, err := c.source(r.Speaker())
	if err != nil {
		return merge.ExportOptions{}, err
	}
	template, err := merge.ChatTemplateText(r, c.folder)
	if err != nil {
		return merge.ExportOptions{}, within(err, "the chat template of %s", stored.ID)
	}
	vision := ""
	if leaf := r.Sees(); leaf != "" {
		if vision, err = c.folder(leaf); err != nil {
			return merge.ExportOptions{}, err
		}
	}
	return merge.ExportOptions{
		ChatTemplate: template, Vision: vision,
		Parent: origin.dir, Lender: lender.dir, Replace: o.Replace, Progress: o.Progress, Identity: stored.Digest, Note: o.Note,
		Card: merge.Card{Digests: digests, Scores: o.Scores},
	}, nil
}
