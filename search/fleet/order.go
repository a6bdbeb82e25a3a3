package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// order asks for the evaluation of one model on some problems.
type order struct {
	// Recipe is the model to make.
	Recipe merge.Recipe `json:"recipe"`
	// Digests are of the contents of the models that the recipe names.
	Digests map[string]string `json:"digests"`
	// Task is what it is asked, and Problems are the ids of the problems.
	Task       string   `json:"task"`
	TaskDigest string   `json:"task_digest"`
	Problems   []string `json:"problems"`
	// Version is of the program that asks.
	Version string `json:"version"`
}

// id names the order by what it asks.
func (o order) id() (string, error) {
	body, err := json.Marshal(o)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "write an order")
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16]), nil
}

// parcel is what lies in the queue: an order and how often it went out before.
type parcel struct {
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	Order   order  `json:"order"`
}

// answer is what came of an order.
type answer struct {
	// Worker says whose it is.
	Worker string `json:"worker"`
	// Evaluation is set if it went well, Fault if it did not.
	Evaluation *search.Evaluation `json:"evaluation,omitempty"`
	Fault      *refusal           `json:"fault,omitempty"`
}

// refusal is a fault.Error on its way.
type refusal struct {
	Code    fault.Code `json:"code"`
	Param   string     `json:"param,omitempty"`
	Message string     `json:"message"`
	// Mine means that it is the worker that is unfit, and not what it was asked.
	Mine bool `json:"mine,omitempty"`
}

// errUnfit says that a worker can't do what others could.
var errUnfit = errors.New("this worker differs from who asks it")

// newRefusal writes an error down.
func newRefusal(err error) *refusal {
	r := &refusal{Code: fault.CodeOf(err), Message: err.Error(), Mine: errors.Is(err, errUnfit)}
	var f *fault.Error
	if errors.As(err, &f) {
		r.Param = f.Param
	}
	return r
}

// err is the error again, at whose worker it happened.
func (r *refusal) err(worker string) error {
	return &fault.Error{Code: r.Code, Param: r.Param, Message: "worker " + worker + ": " + r.Message}
}

// ids are those of problems.
func ids(problems []task.Problem) []string {
	out := make([]string, len(problems))
	for i, p := range problems {
		out[i] = p.ID
	}
	return out
}

// find gives the problems of a task with these ids.
func find(t *task.Task, ids []string) ([]task.Problem, error) {
	byID := map[string]task.Problem{}
	for _, split := range task.Splits() {
		for _, p := range t.Problems(split) {
			byID[p.ID] = p
		}
	}
	out := make([]task.Problem, len(ids))
	for i, id := range ids {
		p, there := byID[id]
		if !there {
			return nil, fault.Wrap(errUnfit, fault.Conflict, "task %q has no problem %q here", t.Name, id)
		}
		out[i] = p
	}
	return out, nil
}
