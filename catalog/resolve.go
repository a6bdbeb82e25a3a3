package catalog

import (
	"context"
	"strings"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/store"
)

// resolved is what a name turned out to be.
type resolved struct {
	entry  Entry
	source *source       // for a source, or an alias of one
	recipe *store.Recipe // for a recipe, or an alias of one
}

// key identifies the model, whatever it was asked as.
func (r resolved) key() string {
	if r.source != nil {
		return r.source.name
	}
	return r.recipe.ID
}

// digestPrefix begins the digest of a recipe.
const digestPrefix = "sha256:"

// resolve finds out what a name is. Sources go before recipes by id, and these
// before aliases; no alias can be given the name of either. What people call a
// recipe comes last: several may be called the same, or the same as an alias.
func (c *Catalog) resolve(ctx context.Context, name string) (resolved, error) {
	r, err := c.resolveModel(ctx, name)
	if fault.CodeOf(err) != fault.NotFound || strings.Contains(name, merge.AdapterMark) { // which no alias has
		return r, err
	}
	a, err := c.store.GetAlias(ctx, name)
	if fault.CodeOf(err) == fault.NotFound || fault.CodeOf(err) == fault.Invalid {
		return c.resolveByRecipeName(ctx, name)
	}
	if err != nil {
		return resolved{}, err
	}
	if r, err = c.resolveModel(ctx, a.Target); err != nil {
		return resolved{}, within(err, "alias %q", name)
	}
	sees := r.entry.Sees
	r.entry = c.aliasEntry(a)
	r.entry.Sees = sees
	return r, nil
}

// resolveModel finds a source by name, or a recipe by id or digest.
func (c *Catalog) resolveModel(ctx context.Context, name string) (resolved, error) {
	s, err := c.source(name)
	if err == nil {
		return resolved{entry: c.sourceEntry(s.found), source: s}, nil
	}
	if fault.CodeOf(err) != fault.NotFound {
		return resolved{}, err
	}
	id := name
	if hash, ok := strings.CutPrefix(name, digestPrefix); ok && len(hash) == 64 {
		id = recipeID(name)
	} else if !strings.HasPrefix(name, recipePrefix) {
		return resolved{}, err
	}
	r, err := c.store.GetRecipe(ctx, id)
	if err != nil || id != name && r.Digest != name {
		if err == nil || fault.CodeOf(err) == fault.NotFound || fault.CodeOf(err) == fault.Invalid {
			return resolved{}, fault.New(fault.NotFound, "there is no model %q", name)
		}
		return resolved{}, err
	}
	return resolved{entry: c.recipeEntry(r), recipe: &r}, nil
}

// resolveByRecipeName finds the one recipe that people call by a name.
func (c *Catalog) resolveByRecipeName(ctx context.Context, name string) (resolved, error) {
	unknown := fault.New(fault.NotFound, "there is no model %q", name)
	if name == "" {
		return resolved{}, unknown
	}
	all, err := c.store.ListRecipes(ctx)
	if err != nil {
		return resolved{}, err
	}
	var found *store.Recipe
	for i := range all {
		if all[i].Name != name {
			continue
		}
		if found != nil {
			return resolved{}, fault.New(fault.Conflict, "recipes %s and %s are both called %q: ask for one by its id", found.ID, all[i].ID, name)
		}
		found = &all[i]
	}
	if found == nil {
		return resolved{}, unknown
	}
	return resolved{entry: c.recipeEntry(*found), recipe: found}, nil
}

// recipePrefix begins the id of every recipe, and so of no source or alias.
const recipePrefix = "recipe-"

// idDigits is how much of the digest is in an id: 64 bits, so that two of a
// billion recipes share an id with a probability of 3 %, and of a million 3e-8.
const idDigits = 16

// recipeID names a recipe by its content.
func recipeID(digest string) string {
	return recipePrefix + strings.TrimPrefix(digest, digestPrefix)[:idDigits]
}

// isRecipeID tells whether a name has the form of a recipe's id. No source has
// such a name: it would take the place of a recipe that is stored, or will be.
func isRecipeID(name string) bool {
	hash, ok := strings.CutPrefix(name, recipePrefix)
	return ok && len(hash) == idDigits && strings.Trim(hash, "0123456789abcdef") == ""
}

// CheckAlias refuses a name for an alias that something else has, or could have:
// fault.Conflict, or fault.Invalid for what is no name. An alias of that name is
// no obstacle; it can be moved.
func (c *Catalog) CheckAlias(ctx context.Context, alias string) error {
	if err := merge.CheckName("name", alias); err != nil {
		return err
	}
	if strings.HasPrefix(alias, recipePrefix) {
		return fault.New(fault.Conflict, "names that begin with %q are ids of recipes", recipePrefix)
	}
	r, err := c.resolveModel(ctx, alias)
	if fault.CodeOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, "there is a %s called %q", r.entry.Kind, alias)
}
