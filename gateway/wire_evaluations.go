package gateway

import "github.com/mergeway/mergeway/search/evaluation"

// EvaluationRequest is the body of POST /v1/evaluations.
type EvaluationRequest struct {
	Model   string  `json:"model" example:"winner"`                         // a source, an alias or a recipe; or recipe brings one along
	Task    string  `json:"task" binding:"required" example:"ja-math"`      // see GET /v1/tasks
	Split   string  `json:"split,omitempty" enums:"search,validation,test"` // of the task's problems; test if absent
	Limit   int     `json:"limit,omitempty"`                                // only so many of them, from the first on; 0: all
	Minutes float64 `json:"minutes,omitempty"`                              // the longest that it may take; 60 if absent
	RecipeField
}

// Evaluation is one evaluation: what was asked for, how far it is, the score.
type Evaluation struct {
	Object  string `json:"object" enums:"evaluation"`
	Created int64  `json:"created"`
	evaluation.Evaluation
}

// EvaluationList is the reply to GET /v1/evaluations.
type EvaluationList struct {
	Object string       `json:"object" enums:"list"`
	Data   []Evaluation `json:"data"`
}

func newEvaluation(e evaluation.Evaluation) Evaluation {
	return Evaluation{Object: "evaluation", Created: e.CreatedAt.Unix(), Evaluation: e}
}
