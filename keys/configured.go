package keys

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/mergeway/mergeway/fault"
)

// Entry is a key as configuration declares it.
type Entry struct {
	Hash Digest `json:"hash"`
	Spec
}

// NewEntry makes a key for the configuration, and its entry there.
func NewEntry(s Spec) (Entry, string, error) {
	if err := s.Check(); err != nil {
		return Entry{}, "", err
	}
	secret := NewSecret()
	return Entry{Hash: DigestOf(secret), Spec: s}, secret, nil
}

// ParseEntries reads the keys of a configuration, a JSON list. Unknown fields are
// misspelled ones.
func ParseEntries(data []byte) ([]Entry, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fault.Bad("keys", "keys are a list of name, hash, scopes and, optionally, expires_at and limits")
	}
	entries := make([]Entry, len(raw))
	seen := map[Digest]bool{}
	for i, r := range raw {
		e, err := parseEntry(r)
		if err == nil && seen[e.Hash] {
			err = fault.Bad("hash", "another key has the same hash")
		}
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		entries[i], seen[e.Hash] = e, true
	}
	return entries, nil
}

func parseEntry(data []byte) (Entry, error) {
	var e Entry
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&e); err != nil {
		return Entry{}, fault.Wrap(err, fault.Invalid, "it is not name, hash, scopes and, optionally, expires_at and limits")
	}
	if e.Hash == (Digest{}) {
		return Entry{}, fault.Bad("hash", "hash is missing")
	}
	return e, e.Check()
}

// key is a declared key.
func (e Entry) key() Key {
	return Key{ID: e.Hash.id(), Spec: e.Spec, Configured: true, digest: e.Hash}
}
