package search

import (
	"slices"
	"time"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// State is where a search stands in its life.
type State string

// The states, in the order of a life. Done, Failed and Cancelled are final.
const (
	Queued      State = "queued"      // waits for a place to run
	Running     State = "running"     // tries candidates
	Validating  State = "validating"  // scores the best on the validation problems
	Testing     State = "testing"     // scores the winner and the baselines on the test problems
	Paused      State = "paused"      // somebody paused it, or Search.Reason hinders it; it goes on when somebody resumes it
	Interrupted State = "interrupted" // the process was stopped; it goes on when one starts
	Done        State = "done"        // the winner is published
	Failed      State = "failed"      // Search.Reason says why
	Cancelled   State = "cancelled"   // somebody cancelled it; its trials are kept
)

// Final reports whether nothing more will happen to a search in this state.
func (s State) Final() bool { return s == Done || s == Failed || s == Cancelled }

// unclaimed reports whether nobody is to run a search in this state.
func (s State) unclaimed() bool { return s.Final() || s == Paused }

// Search is one search: what was asked for, how far it is, what it found.
type Search struct {
	ID    string `json:"id"`
	State State  `json:"state"`
	// Reason says why a search failed or was interrupted, or what keeps a paused one
	// from going on until somebody sets it right and resumes it.
	Reason string `json:"reason,omitempty"`
	// Spec is what was asked for, defaults filled in.
	Spec Spec `json:"spec"`
	// Parameters tells what each number of a genome means.
	Parameters []Parameter `json:"parameters"`

	// Key is the id of the API key that asked for it; empty if it has none.
	Key string `json:"key,omitempty"`

	CreatedAt time.Time  `json:"created_at"`
	StartedAt *time.Time `json:"started_at,omitempty"` // null while it waits
	EndedAt   *time.Time `json:"ended_at,omitempty"`   // null while it runs

	Progress Progress `json:"progress"`
	// Finalists are the candidates scored on the validation problems.
	Finalists []Finalist `json:"finalists,omitempty"`
	// Front are the trials that no other beats in every objective, where there are
	// several: what such a search finds. At most 100 are listed.
	Front []FrontMember `json:"front,omitempty"`
	// Scores is the paper's table: base, sources, their plain average and the
	// winner on the test problems.
	Scores []Row `json:"scores,omitempty"`
	// Winner is the recipe that was found, once it has been chosen.
	Winner *Winner `json:"winner,omitempty"`

	// Next is the id of the search that follows, once it has begun, NextFailure why it
	// could not, and Previous the id of the one that this one follows.
	Next        string `json:"next,omitempty"`
	NextFailure string `json:"next_failure,omitempty"` // why it could not begin
	Previous    string `json:"previous,omitempty"`     // the id of the search before

	// LastEvent is the number of the latest event.
	LastEvent int `json:"last_event"`
}

// Progress is how far the trials of a search are.
type Progress struct {
	// Generation counts the generations finished.
	Generation int `json:"generation"`
	// Trials counts the candidates tried, Failures those of them that could not
	// be scored, and Duplicates those that an earlier one stood in for.
	Trials     int `json:"trials"`
	Failures   int `json:"failures"`   // trials that failed
	Duplicates int `json:"duplicates"` // trials that repeated one that was done
	// StoppedEarly counts those that racing stopped before they had been asked all.
	StoppedEarly int `json:"stopped_early,omitempty"`
	// Seconds is the time spent on trials.
	Seconds float64 `json:"seconds"`
	// Tokens are those of all trials.
	Tokens
	// Best is the best trial by fitness so far.
	Best *Best `json:"best,omitempty"`
	// Sigma is the optimizer's step size.
	Sigma float64 `json:"sigma"`
	// Stopped says what ended the trials: "trials", "minutes", "tokens", or the
	// optimizer's reason. Empty while they go on.
	Stopped string `json:"stopped,omitempty"`
}

// Best points to a trial.
type Best struct {
	Trial   int        `json:"trial"`   // its number
	Fitness float64    `json:"fitness"` // its score on the search problems
	Score   task.Score `json:"score"`
}

// Finalist is a candidate that is scored on the validation problems.
type Finalist struct {
	// Trial is the number of the trial; nil for the mean of the final
	// distribution, which no trial was.
	Trial *int `json:"trial,omitempty"`
	// Recipe is what is scored.
	Recipe merge.Recipe `json:"recipe"`
	// Search is the trial's score on the search problems, Validation the one
	// that counts.
	Search     *task.Score `json:"search,omitempty"`
	Validation *task.Score `json:"validation,omitempty"`
	// Values and ValidationValues are those of the objectives on either, and Tasks the
	// validation scores on each task, where there are several.
	Values           []float64   `json:"values,omitempty"`
	ValidationValues []float64   `json:"validation_values,omitempty"` // on the validation problems
	Tasks            []TaskScore `json:"tasks,omitempty"`             // on the validation problems
	// Failure says why there is no validation score.
	Failure string `json:"failure,omitempty"`
}

// Role is what a model in the table of scores is there for.
type Role string

// The roles.
const (
	RoleBase    Role = "base"    // what the sources were fine-tuned from
	RoleSource  Role = "source"  // one of the models merged
	RoleAverage Role = "average" // all of them, in equal parts
	RoleWinner  Role = "winner"  // what the search found
)

// Row is one line of the table of scores on the test problems.
type Row struct {
	Role Role `json:"role"`
	// Name is the model's name; for the average and the winner, the role's.
	Name    string      `json:"name"`
	Score   *task.Score `json:"score,omitempty"`
	Values  []float64   `json:"values,omitempty"`  // of the objectives
	Tasks   []TaskScore `json:"tasks,omitempty"`   // the scores on each task, where there are several
	Failure string      `json:"failure,omitempty"` // why it has no score
	Note    string      `json:"note,omitempty"`    // why not one of its replies could be judged
}

// Winner is the recipe that a search found.
type Winner struct {
	// Trial is the number of the trial it was; nil for the final mean.
	Trial  *int         `json:"trial,omitempty"`
	Recipe merge.Recipe `json:"recipe"`
	// Model is the id of the published recipe, and Alias its alias; empty until
	// it is published.
	Model string `json:"model,omitempty"`
	Alias string `json:"alias,omitempty"` // the name that it was published under
	// The scores. Only Test is unbiased: the winner was chosen by the others.
	Search     *task.Score `json:"search,omitempty"`
	Validation *task.Score `json:"validation,omitempty"`
	Test       *task.Score `json:"test,omitempty"`
	// The values of the objectives on the same problems.
	Values           []float64 `json:"values,omitempty"`
	ValidationValues []float64 `json:"validation_values,omitempty"` // by which it was chosen
	TestValues       []float64 `json:"test_values,omitempty"`       // the unbiased ones
}

// clone copies what a running search goes on changing.
func (s Search) clone() Search {
	s.Finalists, s.Scores, s.Front = slices.Clone(s.Finalists), slices.Clone(s.Scores), slices.Clone(s.Front)
	return s
}

// counted is the search with the counters of these trials.
func (s Search) counted(trials []Trial) Search {
	p := &s.Progress
	p.Trials, p.Failures, p.Duplicates, p.StoppedEarly, p.Best = len(trials), 0, 0, 0, nil
	p.Tokens = Tokens{}
	for _, t := range trials {
		p.Tokens = p.Tokens.plus(t.Tokens)
		if t.Event > s.LastEvent { // after the last checkpoint
			p.Seconds += t.MergeSeconds + t.AnswerSeconds
		}
		if t.DuplicateOf != nil {
			p.Duplicates++
		}
		if t.Asked > 0 {
			p.StoppedEarly++
		}
		if t.Score == nil {
			p.Failures++
		} else if t.Asked == 0 && (p.Best == nil || t.Fitness > p.Best.Fitness) {
			p.Best = &Best{Trial: t.Number, Fitness: t.Fitness, Score: *t.Score}
		}
	}
	s.LastEvent = max(s.LastEvent, lastEvent(trials))
	return s
}
