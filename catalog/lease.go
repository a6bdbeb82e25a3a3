package catalog

import (
	"context"
	"sync"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// Lease is a model that stays as long as it is held.
type Lease struct {
	Entry Entry // as it was asked for
	Model *infer.Model

	key     string // of its resident
	release func()
	once    sync.Once
}

// Release gives the model back; it must not be used any more. To call it again
// does nothing.
func (l *Lease) Release() {
	l.once.Do(func() {
		if l.release != nil {
			l.release()
		}
	})
}

// Acquire gives the model of a name, making it if it isn't there. However many
// callers ask, it is made once; a caller whose ctx ends stops waiting, and the
// model is made all the same.
//
// The error is fault.NotFound for an unknown name, fault.Damaged for a folder
// that can't be loaded, fault.OutOfMemory if the budget has no room now.
func (c *Catalog) Acquire(ctx context.Context, name string) (*Lease, error) {
	what, err := c.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	return c.acquire(ctx, name, what)
}

// acquire is Acquire for a name that is resolved.
func (c *Catalog) acquire(ctx context.Context, name string, what resolved) (*Lease, error) {
	r, fresh := c.residents.hold(what.key())
	if fresh {
		if err := c.start(func() { c.make(r, what) }); err != nil {
			c.residents.settle(r, nil, 0, err)
		}
	}
	if err := c.await(ctx, r, name); err != nil {
		return nil, err
	}
	what.entry.State, what.entry.Bytes, what.entry.Error = Ready, r.bytes, ""
	return &Lease{Entry: what.entry, Model: r.model, key: r.key, release: func() { c.residents.release(r) }}, nil
}

// await waits for a resident that the caller holds, and lets go of it beside an error.
func (c *Catalog) await(ctx context.Context, r *resident, name string) error {
	select {
	case <-r.done:
	case <-ctx.Done():
		c.residents.release(r)
		return fault.Wrap(context.Cause(ctx), fault.Cancelled, "waiting for model %q", name)
	}
	if r.err != nil {
		c.residents.release(r)
	}
	return r.err
}

// start runs work that Close waits for.
func (c *Catalog) start(work func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return errStopping
	}
	c.working.Go(work)
	return nil
}

// begin is start for what a caller does itself: Close ends the ctx it gives, and
// waits for end to be called.
func (c *Catalog) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, nil, errStopping
	}
	c.working.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	unlink := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { unlink(); cancel(); c.working.Done() }, nil
}

// errStopping is the answer to those who ask for a model, or wait for one, while
// the catalog is closed.
var errStopping = fault.New(fault.Unavailable, "the server is stopping")

// unlessStopping is err, or the reason for it if it is that the catalog closes.
func (c *Catalog) unlessStopping(err error) error {
	if fault.CodeOf(err) == fault.Cancelled && c.ctx.Err() != nil {
		return errStopping
	}
	return err
}
