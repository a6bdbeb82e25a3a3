package catalog

import (
	"context"
	"maps"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// Expand gives a recipe in which what a stored recipe makes, or an alias stands
// for, is written out, as it is when the recipe is stored. Who makes many recipes
// of the same models expands their names once.
func (c *Catalog) Expand(ctx context.Context, r merge.Recipe) (merge.Recipe, error) {
	return c.expand(ctx, r)
}

// expand gives a recipe in which what a stored recipe makes, or an alias stands
// for, is written out: an input in the place of a name. An alias may move and a
// recipe be deleted; the content that has the id may not change with them.
func (c *Catalog) expand(ctx context.Context, r merge.Recipe) (merge.Recipe, error) {
	inputs := maps.Clone(r.Inputs)
	names := map[string]string{}
	for _, name := range r.Models() {
		if in, ok := r.Inputs[name]; ok {
			var err error
			if inputs[name], err = c.expand(ctx, in); err != nil {
				return r, err
			}
			continue
		}
		what, err := c.resolve(ctx, name)
		switch {
		case fault.CodeOf(err) == fault.NotFound: // Fit tells of all that are missing
		case err != nil:
			return r, err
		case what.source != nil:
			names[name] = what.source.name
		default:
			in, err := c.readUnchanged(*what.recipe)
			if err != nil {
				return r, err
			}
			if inputs == nil {
				inputs = map[string]merge.Recipe{}
			}
			inputs[name] = in
		}
	}
	r = r.Renamed(names)
	r.Inputs = inputs
	return r, nil
}

// readUnchanged reads a stored recipe whose sources are as they were when it was
// stored.
func (c *Catalog) readUnchanged(stored store.Recipe) (merge.Recipe, error) {
	r, err := ReadRecipe(stored)
	if err == nil {
		_, err = c.unchanged(r, stored)
	}
	return r, err
}

// acquirePart gives one of the models that a recipe names: a source, or what one
// of its inputs makes. That is a model like any other, under the id that its
// recipe has or would have: made once for all who need it, and kept as long as
// there is room.
//
// Who makes a model holds its parts while the next is made. Nobody waits for
// itself, as no recipe is within itself, and memory is never waited for.
func (c *Catalog) acquirePart(ctx context.Context, r merge.Recipe, name string) (*Lease, error) {
	in, ok := r.Inputs[name]
	if !ok {
		return c.Acquire(ctx, name)
	}
	record, err := c.record(in)
	if err != nil {
		return nil, err
	}
	return c.acquire(ctx, record.ID, resolved{entry: c.recipeEntry(record), recipe: &record})
}

// partsOf are the models that a recipe names, inputs first: what has to be made
// takes more room while it is made than afterwards.
func partsOf(r merge.Recipe) []string {
	var made, loaded []string
	for _, name := range r.Models() {
		if _, ok := r.Inputs[name]; ok {
			made = append(made, name)
		} else {
			loaded = append(loaded, name)
		}
	}
	return append(made, loaded...)
}
