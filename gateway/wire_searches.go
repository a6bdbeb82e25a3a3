package gateway

import (
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
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
	// Objective serves the trial that is best at it, in place of a trial's number.
	Objective string `json:"objective,omitempty" example:"ja-math"`
	// IfTarget is where the alias has to stand for the move to be made; "" if it
	// must not be there yet.
	IfTarget *string `json:"if_target,omitempty" extensions:"x-nullable" example:"base"`
}
