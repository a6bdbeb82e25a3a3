package catalog

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// PutRecipe keeps a recipe, after checking that its sources exist and fit
// together; nothing is merged yet. A source may also be a stored recipe or an
// alias: it is kept as the input that it is now. Equal recipes of equal sources
// are one: the one that is there already is given back, under the name it has.
//
// The error is fault.Invalid with the field, fault.NotFound for a source that
// isn't there, fault.Unfit with every reason.
func (c *Catalog) PutRecipe(ctx context.Context, name string, r merge.Recipe) (store.Recipe, error) {
	mine, err := c.describe(ctx, name, r)
	if err != nil {
		return store.Recipe{}, err
	}
	kept, err := c.store.PutRecipe(ctx, mine)
	switch {
	case err != nil:
		return store.Recipe{}, err
	case kept.Digest != mine.Digest:
		return store.Recipe{}, fault.New(fault.Conflict, "the id %s belongs to another recipe already", mine.ID)
	case kept.CreatedAt.Equal(mine.CreatedAt):
		c.log.InfoContext(ctx, "recipe stored", "recipe", mine.ID, "name", name)
	}
	return kept, nil
}

// UseRecipe is PutRecipe for who wants the model, and keeps the recipe only for
// that: one that is known is not put again, so that it can be used while nothing
// can be stored.
func (c *Catalog) UseRecipe(ctx context.Context, r merge.Recipe) (store.Recipe, error) {
	mine, err := c.describe(ctx, "", r)
	if err != nil {
		return store.Recipe{}, err
	}
	if known, err := c.store.GetRecipe(ctx, mine.ID); err == nil && known.Digest == mine.Digest {
		return known, nil
	}
	return c.PutRecipe(ctx, "", r)
}

// describe makes the record of a recipe, after checking it.
func (c *Catalog) describe(ctx context.Context, name string, r merge.Recipe) (store.Recipe, error) {
	if name != "" {
		if err := merge.CheckName("name", name); err != nil {
			return store.Recipe{}, err
		}
	}
	r, err := c.expand(ctx, r)
	if err != nil {
		return store.Recipe{}, err
	}
	if r, _, err = c.fit(ctx, r); err != nil {
		return store.Recipe{}, err
	}
	record, err := c.record(r)
	record.Name = name
	return record, err
}

// record makes the record of a recipe that fits its sources as they are now.
func (c *Catalog) record(r merge.Recipe) (store.Recipe, error) {
	body, err := r.Canonical()
	if err != nil {
		return store.Recipe{}, err
	}
	digest, err := c.digest(r)
	if err != nil {
		return store.Recipe{}, err
	}
	return store.Recipe{ID: recipeID(digest), Body: body, Digest: digest, CreatedAt: c.now()}, nil
}

// digest names what a recipe makes of the sources as they are now.
func (c *Catalog) digest(r merge.Recipe) (string, error) {
	digests, err := c.digests(r)
	if err != nil {
		return "", err
	}
	return c.identify(r, digests)
}

// Digests are those of the sources that a recipe is made of, over their contents as
// they are now. A source that is not there is a fault.NotFound.
func (c *Catalog) Digests(_ context.Context, r merge.Recipe) (map[string]string, error) {
	return c.digests(r)
}

// digests are those of the sources that a recipe is made of.
func (c *Catalog) digests(r merge.Recipe) (map[string]string, error) {
	digests := map[string]string{}
	for _, name := range r.Leaves() {
		s, err := c.source(name)
		if err != nil {
			return nil, err
		}
		if digests[name], err = s.readDigest(); err != nil {
			return nil, err
		}
	}
	return digests, nil
}

// GetRecipe gives a stored recipe by id, digest, or name.
func (c *Catalog) GetRecipe(ctx context.Context, id string) (store.Recipe, error) {
	r, err := c.resolve(ctx, id)
	if err == nil && r.entry.Kind != Recipe {
		err = fault.New(fault.NotFound, "%q is no recipe but a %s", id, r.entry.Kind)
	}
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return store.Recipe{}, fault.New(fault.NotFound, "there is no recipe %q", id)
		}
		return store.Recipe{}, err
	}
	return *r.recipe, nil
}

// ListRecipes gives all stored recipes, the oldest first.
func (c *Catalog) ListRecipes(ctx context.Context) ([]store.Recipe, error) {
	return c.store.ListRecipes(ctx)
}

// DeleteRecipe forgets a recipe, unless an alias stands for it. Requests that
// are being answered by its model are answered to the end.
func (c *Catalog) DeleteRecipe(ctx context.Context, id string) error {
	r, err := c.GetRecipe(ctx, id)
	if err != nil {
		return err
	}
	if err := c.store.DeleteRecipe(ctx, r.ID); err != nil {
		return err
	}
	c.residents.drop(r.ID)
	c.makings.forget(r.ID)
	return nil
}

// ReadRecipe gives what a stored recipe says. The error is fault.Damaged: it was
// checked when it was stored.
func ReadRecipe(stored store.Recipe) (merge.Recipe, error) {
	r, err := merge.ParseRecipe(stored.Body)
	if err != nil {
		return r, fault.Wrap(err, fault.Damaged, "recipe %s can't be read", stored.ID)
	}
	return r, nil
}
