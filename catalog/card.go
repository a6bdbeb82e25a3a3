package catalog

import (
	"context"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Card is what there is to know about a model.
type Card struct {
	Entry   Entry         // of the model itself, whatever it was asked as
	Recipe  *store.Recipe // nil for a source
	Digest  string        // over its content; of a recipe over that of its sources, too, as they were
	Parts   []Part        // what a recipe merges
	Changed bool          // a part is not any more what it was when the recipe was stored
	Aliases []string      // the names that stand for it
	Made    *Making       // how it was made, the last time; nil: not by this process
}

// Part is a model that a recipe merges.
type Part struct {
	Name   string
	Base   bool   // it is the base
	Merged bool   // it is one of the sources
	Digest string // over its content as it is now; empty if it is gone
	Recipe string // the id of the recipe that makes it, for an input
}

// Making tells how long a model took.
type Making struct {
	At    time.Time     // when it was ready
	Total time.Duration // with what it is made of loaded first, where that was not there
	Merge time.Duration // the merge alone; 0 for a source
	// Streamed says that its models did not fit on the device together, and were
	// read from their folders while they were merged.
	Streamed bool
}

// Card gives the card of a model. The digests of what it is made of are computed
// if they are not known yet, from all of their weights.
func (c *Catalog) Card(ctx context.Context, name string) (Card, error) {
	what, err := c.resolve(ctx, name)
	if err != nil {
		return Card{}, err
	}
	card := Card{Recipe: what.recipe}
	if what.source != nil {
		card.Entry = c.sourceEntry(what.source.found)
		if card.Digest, err = what.source.readDigest(); err != nil {
			return Card{}, err
		}
	} else {
		card.Entry, card.Digest = c.recipeEntry(*what.recipe), what.recipe.Digest
		if err := c.describeParts(&card); err != nil {
			return Card{}, err
		}
	}
	aliases, err := c.store.ListAliases(ctx)
	if err != nil {
		return Card{}, err
	}
	for _, a := range aliases {
		if a.Target == what.key() {
			card.Aliases = append(card.Aliases, a.Name)
		}
	}
	card.Made = c.makings.of(what.key())
	return card, nil
}

// describeParts fills in what a recipe is made of.
func (c *Catalog) describeParts(card *Card) error {
	r, err := ReadRecipe(*card.Recipe)
	if err != nil {
		return err
	}
	digests := map[string]string{}
	for _, name := range r.Leaves() {
		s, err := c.source(name)
		if err == nil {
			digests[name], err = s.readDigest()
		}
		if code := fault.CodeOf(err); err != nil && code != fault.NotFound && code != fault.Damaged {
			return err
		}
	}
	for _, name := range r.Models() {
		part := Part{Name: name, Base: name == r.Base && r.Method.NeedsBase(), Merged: r.Merges(name), Digest: digests[name]}
		if in, ok := r.Inputs[name]; ok {
			part.Digest = ""
			if digest, err := c.identify(in, digests); err == nil { // fails where one of its sources is gone
				part.Digest, part.Recipe = digest, recipeID(digest)
			}
		}
		card.Parts = append(card.Parts, part)
	}
	now, err := c.identify(r, digests) // fails where one is gone
	card.Changed = err != nil || now != card.Digest
	return nil
}

// makings remembers how models were made, whether they are still there or not.
type makings struct {
	mu   sync.Mutex
	last map[string]Making // by key
}

// note keeps what is known of a making.
func (m *makings) note(key string, change func(*Making)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = map[string]Making{}
	}
	making := m.last[key]
	change(&making)
	m.last[key] = making
}

// of gives the last making that came to its end.
func (m *makings) of(key string) *Making {
	m.mu.Lock()
	defer m.mu.Unlock()
	if making, ok := m.last[key]; ok && !making.At.IsZero() {
		return &making
	}
	return nil
}

// forget drops what is known of a model that is no more.
func (m *makings) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.last, key)
}
