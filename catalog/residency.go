package catalog

import (
	"context"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Unload frees a model. Requests that hold it go on to their end, and the next
// one makes it anew; a pin is lifted. A model that is not there is as good as
// unloaded.
func (c *Catalog) Unload(ctx context.Context, name string) (Entry, error) {
	what, err := c.resolve(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	if c.residents.drop(what.key()) {
		c.log.InfoContext(ctx, "model dropped", "model", what.key())
	}
	return c.Get(ctx, name)
}

// Load makes a model if it isn't there. With pinned it stays until it is
// unpinned or unloaded, however short memory is for others; otherwise an earlier
// pin is lifted.
func (c *Catalog) Load(ctx context.Context, name string, pinned bool) (Entry, error) {
	lease, err := c.Acquire(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	defer lease.Release()
	if !c.residents.pin(lease.key, pinned) {
		return Entry{}, fault.New(fault.Conflict, "model %q was unloaded while it was being loaded", name)
	}
	return c.Get(ctx, name)
}

// expire frees models that nobody asks for, until the catalog is closed.
func (c *Catalog) expire(ttl time.Duration) {
	tick := time.NewTicker(max(ttl/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.residents.expire(ttl)
		case <-c.ctx.Done():
			return
		}
	}
}
