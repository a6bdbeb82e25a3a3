package gateway

import (
	"strings"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// Search is one search: what was asked for, how far it is, what it found.
type Search struct {
	Object  string `json:"object" enums:"search"`
	Created int64  `json:"created"`
	search.Search
}

// SearchList is the reply to GET /v1/searches.
type SearchList struct {
	Object string   `json:"object" enums:"list"`
	Data   []Search `json:"data"`
}

func newSearch(s search.Search) Search {
	return Search{Object: "search", Created: s.CreatedAt.Unix(), Search: s}
}

// TrialPage is the reply to GET /v1/searches/{id}/trials.
type TrialPage struct {
	Object  string         `json:"object" enums:"list"`
	Data    []search.Trial `json:"data"`
	HasMore bool           `json:"has_more"` // ask again with after = the last trial's number
}

// TrialRecipe is the reply to GET /v1/searches/{id}/trials/{trial}/recipe.
type TrialRecipe struct {
	Object string       `json:"object" enums:"recipe"`
	Name   string       `json:"name"`   // what it is called if it is promoted
	Recipe merge.Recipe `json:"recipe"` // as POST /v1/recipes takes it
}

// PromoteRequest is the body of POST /v1/searches/{id}/promote.
type PromoteRequest struct {
	Alias string `json:"alias" binding:"required" example:"production"` // the name to serve it under
	// Trial is the number of the trial to serve. Default: the winner.
	Trial *int `json:"trial,omitempty" extensions:"x-nullable" minimum:"0" example:"12"`
	// IfTarget is where the alias has to stand for the move to be made; "" if it
	// must not be there yet.
	IfTarget *string `json:"if_target,omitempty" extensions:"x-nullable" example:"base"`
}

// Task is what a search can be scored on.
type Task struct {
	ID          string         `json:"id" example:"ja-math"`
	Object      string         `json:"object" enums:"task"`
	Description string         `json:"description"`        // what it asks of a model
	Language    string         `json:"language,omitempty"` // a right reply's, as an ISO 639-1 code
	Problems    map[string]int `json:"problems"`           // how many each split has
	Error       string         `json:"error,omitempty"`    // why it can't be used
}

// TaskList is the reply to GET /v1/tasks.
type TaskList struct {
	Object string `json:"object" enums:"list"`
	Data   []Task `json:"data"`
}

func newTask(l task.Listing) Task {
	out := Task{ID: l.Name, Object: "task", Problems: map[string]int{}}
	if l.Err != nil {
		_, body := explain(l.Err, "")
		out.Error = strings.TrimSpace(body.Error.Message)
		return out
	}
	out.Description, out.Language = l.Task.Description, l.Task.Language
	for _, split := range task.Splits() {
		out.Problems[string(split)] = l.Task.Count(split)
	}
	return out
}
