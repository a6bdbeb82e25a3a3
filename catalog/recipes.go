package catalog

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// PutRecipe keeps a recipe, after checking that its sources exist and fit
// together; nothing is merged yet. Equal recipes of equal sources are one: the
// one that is there already is given back, under the name it has.
//
// The error is fault.Invalid with the field, fault.NotFound for a source that
// isn't there, fault.Unfit with every reason.
func (c *Catalog) PutRecipe(ctx context.Context, name string, r merge.Recipe) (store.Recipe, error) {
	if name != "" {
		if err := merge.CheckName("name", name); err != nil {
			return store.Recipe{}, err
		}
	}
	if _, err := c.Fit(ctx, r); err != nil {
		return store.Recipe{}, err
	}
	body, err := r.Canonical()
	if err != nil {
		return store.Recipe{}, err
	}
	digest, err := c.digest(r)
	if err != nil {
		return store.Recipe{}, err
	}
	id := recipeID(digest)
	mine := store.Recipe{ID: id, Name: name, Body: body, Digest: digest, CreatedAt: c.now()}
	kept, err := c.store.PutRecipe(ctx, mine)
	switch {
	case err != nil:
		return store.Recipe{}, err
	case kept.Digest != digest:
		return store.Recipe{}, fault.New(fault.Conflict, "the id %s belongs to another recipe already", id)
	case kept.CreatedAt.Equal(mine.CreatedAt):
		c.log.InfoContext(ctx, "recipe stored", "recipe", id, "name", name)
	}
	return kept, nil
}

// digest names what a recipe makes of the sources as they are now.
func (c *Catalog) digest(r merge.Recipe) (string, error) {
	digests := map[string]string{}
	for _, name := range r.Models() {
		s, err := c.source(name)
		if err != nil {
			return "", err
		}
		if digests[name], err = s.readDigest(); err != nil {
			return "", err
		}
	}
	return r.Digest(digests)
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
