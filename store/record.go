package store

import (
	"encoding/json"
	"time"
)

// Recipe is a stored merge recipe. Body is its canonical JSON.
type Recipe struct {
	ID        string          `json:"id"`
	Name      string          `json:"name,omitempty"` // for people; may be empty
	Body      json.RawMessage `json:"body,omitempty"`
	Digest    string          `json:"digest,omitempty"` // over the recipe and its sources' contents
	CreatedAt time.Time       `json:"created_at"`
}

// Key is the record of an API key, never the key itself. Body is the JSON of
// the room that checks keys: a digest, a name, scopes and limits.
type Key struct {
	ID        string          `json:"id"`
	Body      json.RawMessage `json:"body,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UsedAt    time.Time       `json:"used_at,omitzero"` // zero: never
}

// Search is the record of a search. State is there to be read by people; Body is
// the search room's own JSON: what was asked for, the optimizer's state, results.
type Search struct {
	ID        string          `json:"id"`
	State     string          `json:"state"`
	Body      json.RawMessage `json:"body,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	// Claim is the token of the claim under which the record is written; the store
	// doesn't keep it. Empty: it is written whoever runs the search.
	Claim string `json:"-"`
}

// Trial is the record of one candidate of a search. Numbers need not be
// contiguous; a trial put again under its number replaces the one that was there.
type Trial struct {
	SearchID string          `json:"-"` // filled in by the store; where trials are kept says it
	Number   int             `json:"number"`
	Body     json.RawMessage `json:"body,omitempty"`
	// Samples is what is known of each problem; it is written with the trial, and
	// given by TrialSamples only.
	Samples []byte `json:"-"`
}
