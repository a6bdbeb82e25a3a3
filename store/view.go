package store

import (
	"maps"
	"slices"
)

// view is what is known of the recipes, aliases and keys in a database: all changes
// up to a version, and perhaps some later ones. It isn't safe for concurrent use.
type view struct {
	meta
	recipes map[string]Recipe
	aliases map[string]Alias
	keys    map[string]Key
	// ahead are the changes after version that are in the maps already, although
	// one before them has not been heard of yet.
	ahead map[int64]notice

	// The records in the order of lists; nil when they have to be sorted anew.
	recipeList []Recipe
	aliasList  []Alias
	keyList    []Key
}

// records are some of the records of a database.
type records struct {
	recipes []Recipe
	aliases []Alias
	keys    []Key
}

func (r records) len() int { return len(r.recipes) + len(r.aliases) + len(r.keys) }

func newView() *view {
	return &view{recipes: map[string]Recipe{}, aliases: map[string]Alias{}, keys: map[string]Key{}, ahead: map[int64]notice{}}
}

// empty tells whether nothing is known, or there is nothing.
func (v *view) empty() bool { return len(v.recipes)+len(v.aliases)+len(v.keys) == 0 }

// hear takes a change in, unless it is known. Changes may come in any order: of
// two of one record the later holds.
func (v *view) hear(n notice) error {
	if _, known := v.ahead[n.version]; known || n.version <= v.version {
		return nil
	}
	overtaken := false
	for _, later := range v.ahead {
		overtaken = overtaken || later.version > n.version && later.kind == n.kind && later.key == n.key
	}
	if !overtaken {
		if err := v.apply(n); err != nil {
			return err
		}
	}
	v.ahead[n.version] = n
	for {
		if _, next := v.ahead[v.version+1]; !next {
			return nil
		}
		v.version++
		delete(v.ahead, v.version)
	}
}

// apply makes a record what a notice says.
func (v *view) apply(n notice) error {
	switch n.kind {
	case kindRecipe:
		v.recipeList = nil
		return applyTo(v.recipes, n)
	case kindAlias:
		v.aliasList = nil
		return applyTo(v.aliases, n)
	case kindKey:
		v.keyList = nil
		return applyTo(v.keys, n)
	}
	return nil // of a later mergeway
}

func applyTo[T any](records map[string]T, n notice) error {
	if len(n.record) == 0 {
		delete(records, n.key)
		return nil
	}
	var record T
	if err := decode(n.record, n.kind, n.key, &record); err != nil {
		return err
	}
	records[n.key] = record
	return nil
}

// carryOver takes over from an older view of the same state what that one had
// heard of later changes.
func (v *view) carryOver(old *view) error {
	for _, version := range slices.Sorted(maps.Keys(old.ahead)) {
		if err := v.hear(old.ahead[version]); err != nil {
			return err
		}
	}
	return nil
}

// sortedRecipes are the recipes as [Store.ListRecipes] gives them.
func (v *view) sortedRecipes() []Recipe { return sorted(&v.recipeList, v.recipes, sortRecipes) }

// sortedAliases are the aliases as [Store.ListAliases] gives them.
func (v *view) sortedAliases() []Alias { return sorted(&v.aliasList, v.aliases, sortAliases) }

// sortedKeys are the keys as [Store.ListKeys] gives them.
func (v *view) sortedKeys() []Key { return sorted(&v.keyList, v.keys, sortKeys) }

// sorted gives a list of its caller's own of some records. list is where they stay
// sorted until one of them changes.
func sorted[T any](list *[]T, records map[string]T, sort func([]T)) []T {
	if *list == nil {
		*list = slices.AppendSeq(make([]T, 0, len(records)), maps.Values(records))
		sort(*list)
	}
	return slices.Clone(*list)
}

// missedIn gives what another view lacks of this one: recipes, which are values
// and never change; keys; and aliases that it doesn't have, or has where they were
// once. An alias that was moved to somewhere else there has been moved since.
func (v *view) missedIn(other *view) (missed records) {
	for _, r := range v.sortedRecipes() {
		if _, there := other.recipes[r.ID]; !there {
			missed.recipes = append(missed.recipes, r)
		}
	}
	for _, a := range v.sortedAliases() {
		if theirs, there := other.aliases[a.Name]; !there || a.wasOnce(theirs) {
			missed.aliases = append(missed.aliases, a)
		}
	}
	for _, k := range v.sortedKeys() {
		if _, there := other.keys[k.ID]; !there {
			missed.keys = append(missed.keys, k)
		}
	}
	return missed
}

// Change is something that another process changed: an alias it made, moved or
// deleted, or a recipe it deleted.
type Change struct {
	Alias    string // its name; empty if it is the recipe
	From, To string // the targets of the alias before and after; empty where there was or is none
	Recipe   string // the id of the recipe that was deleted
}

// target is where the alias of a notice points, or the id of its recipe; empty if
// it isn't there, and for keys.
func (v *view) target(n notice) string {
	switch n.kind {
	case kindAlias:
		return v.aliases[n.key].Target
	case kindRecipe:
		return v.recipes[n.key].ID
	}
	return ""
}

// changeOf is what a notice changed that had its record point elsewhere before.
func changeOf(n notice, before, after string) (c Change, worthTelling bool) {
	switch {
	case before == after:
		return Change{}, false
	case n.kind == kindAlias:
		return Change{Alias: n.key, From: before, To: after}, true
	}
	return Change{Recipe: before}, after == ""
}

// changesTo gives what has changed from this view to a later one.
func (v *view) changesTo(later *view) []Change {
	var all []Change
	for id := range v.recipes {
		if _, there := later.recipes[id]; !there {
			all = append(all, Change{Recipe: id})
		}
	}
	for name, old := range v.aliases {
		if a := later.aliases[name]; a.Target != old.Target {
			all = append(all, Change{Alias: name, From: old.Target, To: a.Target})
		}
	}
	for name, a := range later.aliases {
		if _, there := v.aliases[name]; !there {
			all = append(all, Change{Alias: name, To: a.Target})
		}
	}
	return all
}
