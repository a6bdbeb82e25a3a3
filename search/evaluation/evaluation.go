package evaluation

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// State is where an evaluation stands in its life.
type State string

// The states. The last four are final.
const (
	Queued      State = "queued"      // waits for a place to run
	Running     State = "running"     // the model answers
	Completed   State = "completed"   // the score is known
	Failed      State = "failed"      // Evaluation.Reason says why
	Cancelled   State = "cancelled"   // somebody cancelled it
	Interrupted State = "interrupted" // its process ended
)

// Final reports whether nothing more will happen in this state.
func (s State) Final() bool { return s != Queued && s != Running }

// Spec says what to evaluate. The zero value of a field stands for its default.
type Spec struct {
	// Model is a source, an alias or a recipe.
	Model string `json:"model"`
	// Task is the name of the task.
	Task string `json:"task"`
	// Split says which of its problems. Default: "test".
	Split task.Split `json:"split" enums:"search,validation,test"`
	// Limit is how many of them, from the first on. 0: all.
	Limit int `json:"limit,omitempty"`
	// Minutes is the longest that the model may take. Default: 60.
	Minutes float64 `json:"minutes"`
}

// The bounds of a Spec.
const (
	DefaultMinutes = 60
	MaxMinutes     = 7 * 24 * 60
)

// withDefaults fills in what isn't given, and refuses what makes no sense.
func (s Spec) withDefaults() (Spec, error) {
	if s.Split == "" {
		s.Split = task.Test
	}
	if s.Minutes == 0 {
		s.Minutes = DefaultMinutes
	}
	switch {
	case s.Model == "":
		return s, fault.Bad("model", "an evaluation needs a model")
	case s.Task == "":
		return s, fault.Bad("task", "an evaluation needs a task")
	case s.Limit < 0:
		return s, fault.Bad("limit", "limit is %d: it can't be negative", s.Limit)
	case !(0 < s.Minutes && s.Minutes <= MaxMinutes):
		return s, fault.Bad("minutes", "minutes is %v: it has to lie between 0 and %d", s.Minutes, MaxMinutes)
	}
	return s, nil
}

// Evaluation is one evaluation: what was asked for, how far it is, the score.
type Evaluation struct {
	ID    string `json:"id"`
	State State  `json:"state" enums:"queued,running,completed,failed,cancelled,interrupted"`
	// Reason says why it failed or was interrupted.
	Reason string `json:"reason,omitempty"`
	// Spec is what was asked for, defaults filled in.
	Spec Spec `json:"spec"`
	// TaskDigest is the content of the task.
	TaskDigest string `json:"task_digest"`
	// Resolved is the model that answers: what an alias stood for.
	Resolved string `json:"resolved,omitempty"`
	// Problems is how many there are, Done how many are answered and judged.
	Problems int `json:"problems"`
	Done     int `json:"done"` // how many of them are answered and judged
	// Score sums up those that are done.
	Score *task.Score `json:"score,omitempty"`
	// Seconds is how long the model has been answering.
	Seconds   float64    `json:"seconds"`
	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at,omitempty"` // absent while it waits
	EndedAt   *time.Time `json:"ended_at,omitempty"`   // absent while it runs
	// Revision counts the changes of the record, from 1.
	Revision int `json:"revision"`
}

// The kinds of documents that evaluations are kept as.
const (
	kind       = "evaluation"
	kindCancel = "evaluation to cancel"
)

// document is the evaluation as the store has it.
func (e Evaluation) document(at time.Time, samples []byte) (store.Document, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return store.Document{}, fault.Wrap(err, fault.Internal, "write evaluation %s as JSON", e.ID)
	}
	return store.Document{Kind: kind, ID: e.ID, Body: body, CreatedAt: e.CreatedAt, UpdatedAt: at, Data: samples}, nil
}

// read gives the evaluation that a document holds. One whose process has shown no
// sign of life for too long has none any more.
func read(d store.Document, now time.Time) (Evaluation, error) {
	var e Evaluation
	if err := json.Unmarshal(d.Body, &e); err != nil {
		return e, fault.Wrap(err, fault.Damaged, "evaluation %s", d.ID)
	}
	if !e.State.Final() && now.Sub(d.UpdatedAt) > lostAfter {
		e.State, e.Reason = Interrupted, "the process that ran it has ended"
		e.Revision++
	}
	return e, nil
}

// newID names an evaluation.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return "eval-" + hex.EncodeToString(b[:])
}
