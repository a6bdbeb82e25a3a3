package catalog

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// SetAlias makes an alias, or moves it. Requests that began before go on with
// the model they have. A target that is itself an alias means what that one
// stands for now.
func (c *Catalog) SetAlias(ctx context.Context, alias, target string) error {
	if err := c.CheckAlias(ctx, alias); err != nil {
		return err
	}
	c.naming.Lock() // or the recipe may be deleted before the alias stands for it
	defer c.naming.Unlock()
	r, err := c.resolve(ctx, target)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			return &fault.Error{Code: fault.NotFound, Param: "target", Message: "there is no model \"" + target + "\" for the alias to stand for"}
		}
		return err
	}
	if _, err := c.store.PutAlias(ctx, alias, r.key(), c.now()); err != nil {
		return err
	}
	c.log.InfoContext(ctx, "alias set", "alias", alias, "target", r.key())
	c.observer.Swapped()
	return nil
}

// GetAlias gives an alias.
func (c *Catalog) GetAlias(ctx context.Context, alias string) (store.Alias, error) {
	return c.store.GetAlias(ctx, alias)
}

// ListAliases gives all aliases in order of name.
func (c *Catalog) ListAliases(ctx context.Context) ([]store.Alias, error) {
	return c.store.ListAliases(ctx)
}

// DeleteAlias forgets an alias; the model it stood for stays.
func (c *Catalog) DeleteAlias(ctx context.Context, alias string) error {
	return c.store.DeleteAlias(ctx, alias)
}
