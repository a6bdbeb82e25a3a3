package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Condition says why an alias must not be moved from where it is; nil if it may
// be. An alias that isn't there has no Target. Conditions are checked in one step
// with the move, whoever else moves the alias at the same time.
type Condition func(now store.Alias) error

// SetAlias makes an alias, or moves it if all conditions hold. Requests that began
// before go on with the model they have. A target that is itself an alias means
// what that one stands for now.
func (c *Catalog) SetAlias(ctx context.Context, alias, target string, only ...Condition) (store.Alias, error) {
	if err := c.CheckAlias(ctx, alias); err != nil {
		return store.Alias{}, err
	}
	r, err := c.resolve(ctx, target)
	if err != nil {
		if fault.CodeOf(err) == fault.NotFound {
			err = &fault.Error{Code: fault.NotFound, Param: "target", Message: "there is no model \"" + target + "\" for the alias to stand for"}
		}
		return store.Alias{}, err
	}
	to := store.Target{ID: r.key(), Recipe: r.recipe != nil}
	return c.moveAlias(ctx, alias, only, func(store.Alias) (store.Target, error) { return to, nil })
}

// Rollback says which of its earlier targets an alias is moved back to. The zero
// value is the latest.
type Rollback struct {
	Target string // one that the history remembers; empty: see Steps
	Steps  int    // so many moves back; 0 is 1
}

// RollbackAlias moves an alias to where it was before, if all conditions hold. It
// is a move like any other: rolling back twice comes back to the beginning.
//
// The error is fault.Conflict if it has never been there, or if that model is gone.
func (c *Catalog) RollbackAlias(ctx context.Context, alias string, to Rollback, only ...Condition) (store.Alias, error) {
	unknown := fault.New(fault.NotFound, "there is no alias %q", alias)
	a, err := c.moveAlias(ctx, alias, only, func(now store.Alias) (store.Target, error) {
		if now.Target == "" {
			return store.Target{}, unknown
		}
		target, err := to.find(now)
		if err != nil {
			return store.Target{}, err
		}
		if isRecipeID(target) {
			return store.Target{ID: target, Recipe: true}, nil
		}
		_, err = c.source(target)
		return store.Target{ID: target}, err
	})
	var gone *fault.Error
	if errors.As(err, &gone) && gone.Code == fault.NotFound && gone != unknown {
		return store.Alias{}, &fault.Error{Code: fault.Conflict, Param: "to", Message: "what alias \"" + alias + "\" stood for is gone: " + gone.Message}
	}
	return a, err
}

// find gives the target that is meant.
func (r Rollback) find(a store.Alias) (string, error) {
	if r.Target == "" {
		steps := max(r.Steps, 1)
		if steps > len(a.History) {
			return "", &fault.Error{Code: fault.Conflict, Param: "steps",
				Message: fmt.Sprintf("alias %q can't go back %d moves: it remembers %d", a.Name, steps, len(a.History))}
		}
		return a.History[len(a.History)-steps].Target, nil
	}
	if a.Target == r.Target {
		return r.Target, nil
	}
	for _, was := range a.History {
		if was.Target == r.Target {
			return r.Target, nil
		}
	}
	return "", &fault.Error{Code: fault.Conflict, Param: "to",
		Message: fmt.Sprintf("alias %q can't go back to %q: it doesn't remember to have stood for it", a.Name, r.Target)}
}

// moveAlias moves an alias to what is picked from how it is, if all conditions
// hold.
func (c *Catalog) moveAlias(ctx context.Context, alias string, only []Condition, pick store.Move) (store.Alias, error) {
	var from string
	a, err := c.store.PutAlias(ctx, alias, func(now store.Alias) (store.Target, error) {
		from = now.Target
		for _, check := range only {
			if err := check(now); err != nil {
				return store.Target{}, err
			}
		}
		return pick(now)
	}, c.now())
	if err != nil {
		return store.Alias{}, err
	}
	if a.Target != from {
		c.log.InfoContext(ctx, "alias set", "alias", alias, "target", a.Target, "before", from)
		c.observer.Swapped()
		c.handOver(from, a.Target)
	}
	return a, nil
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
