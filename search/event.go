package search

import "time"

// EventType says which field of an [Event] is set.
type EventType string

// The events of a search.
const (
	StateChanged  EventType = "state"      // State, and Reason if there is one
	TrialEnded    EventType = "trial"      // Trial
	GenerationEnd EventType = "generation" // Generation
	Validated     EventType = "validation" // Finalist
	Tested        EventType = "test"       // Row
	Published     EventType = "published"  // Winner
)

// Event is one thing that happened in a search. Events of a search are numbered
// from 1 without gaps; what has a number is in the store, and keeps it.
type Event struct {
	Number int       `json:"number"` // counts the events of a search, from 1
	At     time.Time `json:"at"`
	Type   EventType `json:"type"`

	State      State       `json:"state,omitempty"`
	Reason     string      `json:"reason,omitempty"` // why, where something went wrong
	Trial      *Trial      `json:"trial,omitempty"`
	Generation *Generation `json:"generation,omitempty"`
	Finalist   *Finalist   `json:"finalist,omitempty"`
	Row        *Row        `json:"row,omitempty"`
	Winner     *Winner     `json:"winner,omitempty"`
}
