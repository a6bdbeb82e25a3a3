package store

import (
	"slices"
	"time"
)

// Alias is a name that points at a model and can be moved.
type Alias struct {
	Name      string        `json:"name"`
	Target    string        `json:"target"`
	UpdatedAt time.Time     `json:"updated_at"` // when it came to point at Target
	History   []AliasChange `json:"history,omitempty"`
}

// AliasChange is an earlier target of an alias, and when it became that.
type AliasChange struct {
	Target string    `json:"target"`
	At     time.Time `json:"at"`
}

// MaxAliasHistory is how many earlier targets an alias remembers: the latest.
const MaxAliasHistory = 32

// Previous is where the alias pointed before: what a rollback moves it to.
func (a Alias) Previous() (target string, ok bool) {
	if len(a.History) == 0 {
		return "", false
	}
	return a.History[len(a.History)-1].Target, true
}

// Target is what an alias is to stand for.
type Target struct {
	ID     string
	Recipe bool // it is the id of a recipe, which has to be in the store
}

// Move says where an alias is to point, given how it is now; an alias that isn't
// there has no Target. It may be asked several times, and must not use the store.
// Its error leaves the alias as it is.
type Move func(now Alias) (Target, error)

// To moves an alias to a model that the store knows nothing of.
func To(id string) Move {
	return func(Alias) (Target, error) { return Target{ID: id}, nil }
}

// ToRecipe moves an alias to a recipe.
func ToRecipe(id string) Move {
	return func(Alias) (Target, error) { return Target{ID: id, Recipe: true}, nil }
}

// from asks where an alias goes from here. It gives the alias as it will be, and
// whether that is a change.
func (m Move) from(now Alias, at time.Time) (next Alias, target Target, changed bool, err error) {
	if target, err = m(now); err != nil {
		return Alias{}, Target{}, false, err
	}
	if err := checkKey("target", target.ID); err != nil {
		return Alias{}, Target{}, false, err
	}
	next, changed = now.moved(target.ID, at)
	return next, target, changed, nil
}

// moved is the alias after it was pointed at target, and whether that changed it.
func (a Alias) moved(target string, at time.Time) (Alias, bool) {
	if a.Target == target {
		return a, false
	}
	if a.Target != "" {
		a.History = append(slices.Clone(a.History), AliasChange{Target: a.Target, At: a.UpdatedAt})
	}
	if extra := len(a.History) - MaxAliasHistory; extra > 0 {
		a.History = a.History[extra:]
	}
	a.Target, a.UpdatedAt = target, utc(at)
	return a, true
}

// wasOnce tells whether an alias was what another record of it says, and has been
// moved since.
func (a Alias) wasOnce(earlier Alias) bool {
	return slices.ContainsFunc(a.History, func(c AliasChange) bool {
		return c.Target == earlier.Target && c.At.Equal(earlier.UpdatedAt)
	})
}
