package keys

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/quota"
	"github.com/mergeway/mergeway/store"
)

// Scope is something that a key may do. No scope contains another.
type Scope string

// The scopes.
const (
	Inference Scope = "inference" // let models answer
	Manage    Scope = "manage"    // recipes, aliases, loading of models, keys
	Search    Scope = "search"    // launch searches and see what they do
)

// Scopes lists all scopes.
func Scopes() []Scope { return []Scope{Inference, Manage, Search} }

// Key is an API key as everybody but its owner knows it.
type Key struct {
	ID string // made from its digest
	Spec
	CreatedAt  time.Time // zero for one of the configuration
	UsedAt     time.Time // to a minute or so; zero: never
	Configured bool      // by the configuration, which alone can take it away

	digest Digest
}

// Spec is what is asked of a new key.
type Spec struct {
	Name      string       `json:"name"` // for people
	Scopes    []Scope      `json:"scopes"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"` // zero: never
	Limits    quota.Limits `json:"limits,omitzero"`
}

// Allows tells whether a key has a scope.
func (k Key) Allows(s Scope) bool { return slices.Contains(k.Scopes, s) }

// Expired tells whether a key's time has passed.
func (k Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// MaxName is the longest name of a key, in bytes.
const MaxName = 128

// Check says what is wrong with a spec.
func (s Spec) Check() error {
	switch {
	case strings.TrimSpace(s.Name) == "" || len(s.Name) > MaxName:
		return fault.Bad("name", "a key has a name of 1 to %d bytes", MaxName)
	case strings.ContainsFunc(s.Name, unicode.IsControl):
		return fault.Bad("name", "the name of a key has no control characters")
	case len(s.Scopes) == 0:
		return fault.Bad("scopes", "a key has at least one scope: %s", scopeList())
	case s.ExpiresAt.Year() > 9999: // RFC 3339 has four digits
		return fault.Bad("expires_at", "expires_at is after the year 9999")
	}
	for i, scope := range s.Scopes {
		if !slices.Contains(Scopes(), scope) {
			return fault.Bad("scopes", "there is no scope %.40q: there are %s", scope, scopeList())
		}
		if slices.Contains(s.Scopes[:i], scope) {
			return fault.Bad("scopes", "the scope %s is there twice", scope)
		}
	}
	for _, limit := range []struct {
		param string
		value int
	}{{"requests_per_minute", s.Limits.Requests}, {"tokens_per_minute", s.Limits.Tokens}, {"concurrent_requests", s.Limits.Concurrent}} {
		if limit.value < 0 || limit.value > quota.Max {
			return fault.Bad("limits."+limit.param, "%s is %d: it must be 0, for no limit, to %d", limit.param, limit.value, quota.Max)
		}
	}
	return nil
}

func scopeList() string {
	var names []string
	for _, s := range Scopes() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// body is what the store keeps of a key.
type body struct {
	Hash Digest `json:"hash"`
	Spec
}

// record gives a key as the store keeps it.
func (k Key) record() (store.Key, error) {
	data, err := json.Marshal(body{Hash: k.digest, Spec: k.Spec})
	if err != nil {
		return store.Key{}, fmt.Errorf("encoding key %s: %w", k.ID, err)
	}
	return store.Key{ID: k.ID, Body: data, CreatedAt: k.CreatedAt, UsedAt: k.UsedAt}, nil
}

// read gives a stored key.
func read(r store.Key) (Key, error) {
	var b body
	if err := json.Unmarshal(r.Body, &b); err != nil {
		return Key{}, fault.Wrap(err, fault.Damaged, "the record of key %q can't be read", r.ID)
	}
	return Key{ID: r.ID, Spec: b.Spec, CreatedAt: r.CreatedAt, UsedAt: r.UsedAt, digest: b.Hash}, nil
}
