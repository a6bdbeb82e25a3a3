package gateway

import (
	"encoding/json"

	"github.com/mergeway/mergeway/search/task"
)

// ModelCard is what there is to know about a model.
type ModelCard struct {
	Object  string `json:"object" enums:"model.card"`
	ID      string `json:"id" example:"recipe-0123456789abcdef"` // of the model itself, whatever it was asked as
	Name    string `json:"name,omitempty" example:"two-of-each"` // what people call a recipe
	Kind    string `json:"kind" enums:"source,recipe"`           // a folder, or a recipe
	Created int64  `json:"created"`
	Digest  string `json:"digest"` // over its content; of a recipe over that of its parts, too, when it was stored

	Recipe  json.RawMessage `json:"recipe,omitempty" swaggertype:"object"` // in its one canonical form
	Parts   []CardPart      `json:"parts"`                                 // what a recipe merges
	Changed bool            `json:"changed"`                               // a part is not what it was when the recipe was stored: store it again
	Aliases []string        `json:"aliases"`                               // the names that stand for it
	Scores  []CardScore     `json:"scores"`                                // what searches found it to be worth

	InputModalities []string `json:"input_modalities"` // what it reads: text, and image if it sees pictures

	State    string      `json:"state" enums:"ready,unloaded,loading,draining,failed"` // whether it can answer at once
	Pinned   bool        `json:"pinned"`                                               // it stays on the device however short memory is
	Bytes    int64       `json:"bytes"`                                                // memory of its weights while it is ready
	Error    string      `json:"error,omitempty"`                                      // why it failed
	Progress float64     `json:"progress,omitempty" example:"0.25"`                    // how much of it is made while it is loading, as far as that is known
	Made     *CardMaking `json:"made,omitempty"`                                       // the last time; absent if this process hasn't
}

// CardPart is a model that a recipe merges.
type CardPart struct {
	Model  string `json:"model" example:"base"`
	Base   bool   `json:"base"`             // differences are taken from it
	Source bool   `json:"source"`           // it is one of the sources
	Digest string `json:"digest"`           // over its content as it is now; empty if it is gone
	Recipe string `json:"recipe,omitempty"` // the id of the recipe that makes it, for one of the recipe's inputs
}

// CardMaking tells how long a model took.
type CardMaking struct {
	At           int64   `json:"at"`            // when it was ready
	Seconds      float64 `json:"seconds"`       // with what it is made of loaded first, where that was not there
	MergeSeconds float64 `json:"merge_seconds"` // the merge alone; 0 for a source
	Streamed     bool    `json:"streamed"`      // its models did not fit on the device together: they were read while they were merged
}

// CardScore is what one search knows of a model.
type CardScore struct {
	Search      string      `json:"search"`                                 // its id
	Name        string      `json:"name"`                                   // what people call it
	Task        string      `json:"task" example:"ja-math"`                 // what it was scored on
	As          string      `json:"as" enums:"winner,finalist,base,source"` // what it was in the search
	Trial       *int        `json:"trial,omitempty"`                        // which one it was
	SearchScore *task.Score `json:"search_score,omitempty"`                 // on the search problems, by which it was found
	Validation  *task.Score `json:"validation,omitempty"`                   // on those that chose the winner
	Test        *task.Score `json:"test,omitempty"`                         // on those that nothing was chosen by
}
