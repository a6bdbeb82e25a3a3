package catalog

import (
	"context"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/merge"
)

// ExportOptions say where a recipe's model is written, and how.
type ExportOptions struct {
	Dir      string                     // see merge.Executor.Export
	Replace  bool                       // an earlier export
	Scores   []merge.CardScore          // for its card
	Progress func(written, total int64) // may be nil
}

// Export writes the model of a recipe as a Hugging Face folder. The model is made
// if it isn't there, and held meanwhile; what it is made of has to be as it was
// when the recipe was stored.
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
	lease, err := c.Acquire(ctx, stored.ID)
	if err != nil {
		return c.unlessStopping(err)
	}
	defer lease.Release()
	// The model may have been here since before its sources changed; the parent's
	// files and the digests would then be another model's.
	for _, name := range r.Leaves() {
		s, err := c.source(name)
		if err != nil {
			return within(err, "recipe %s", stored.ID)
		}
		s.look()
	}
	digests, err := c.unchanged(r, stored)
	if err != nil {
		return err
	}
	origin, err := c.source(r.Origin())
	if err != nil {
		return err
	}
	if r, err = c.withVocabulary(r); err != nil {
		return within(err, "recipe %s", stored.ID)
	}
	lender := origin
	if r.Vocabulary != nil {
		if lender, err = c.source(r.Vocabulary.Lender); err != nil {
			return err
		}
	}
	err = device.Try("export "+stored.ID, func() error {
		return c.executor.Export(ctx, o.Dir, r, lease.Model.Weights, merge.ExportOptions{
			Parent: origin.dir, Lender: lender.dir, Replace: o.Replace, Progress: o.Progress,
			Card: merge.Card{Digests: digests, Scores: o.Scores},
		})
	})
	return c.unlessStopping(err)
}
