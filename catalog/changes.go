package catalog

import (
	"github.com/mergeway/mergeway/store"
)

// Changed takes in what another process has changed in the store that they share.
// It returns at once.
func (c *Catalog) Changed(change store.Change) {
	if change.Recipe != "" {
		c.residents.drop(change.Recipe)
		return
	}
	c.log.Info("alias was moved elsewhere", "alias", change.Alias, "target", change.To, "before", change.From)
	c.handOver(change.From, change.To)
}

// handOver begins to make the model that an alias was moved to, if the one that it
// was moved from is here: somebody has used it, and whoever asks next shall not
// wait for the whole making. Where nobody has, it would only take room.
func (c *Catalog) handOver(from, to string) {
	if to == "" || from == to || !c.residents.has(from) {
		return
	}
	_ = c.start(func() { // no use to make it for a catalog that closes
		lease, err := c.Acquire(c.ctx, to)
		if err != nil {
			c.log.Warn("the new target of an alias could not be made ahead", "target", to, "error", err)
			return
		}
		lease.Release()
	})
}
