package search

import (
	"strings"
	"time"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// Trial is one candidate that was tried.
type Trial struct {
	// Number counts the trials of a search from 0.
	Number int `json:"number"`
	// Generation and Index say which candidate of the optimizer it was, both
	// from 0.
	Generation int `json:"generation"`
	Index      int `json:"index"`
	// Genome is the candidate, a point of the unit cube; Recipe is what it
	// stands for.
	Genome []float64    `json:"genome"`
	Recipe merge.Recipe `json:"recipe"`
	// Score sums up its outcomes on the search problems of its generation;
	// nil if it failed.
	Score *task.Score `json:"score,omitempty"`
	// Fitness is what the optimizer was told; it is larger for the better, and
	// means nothing if the trial failed.
	Fitness float64 `json:"fitness"`
	// Outcomes has one letter for each problem: "1" correct, "p" right in part,
	// "n" only the number right, "l" only the language right, "0" neither, "-" not
	// asked.
	Outcomes string `json:"outcomes,omitempty"`
	// Asked is how many problems it was asked if racing stopped it before it had been
	// asked all: Score and Fitness are of these.
	Asked int `json:"asked,omitempty"`
	// Values are those of the objectives, where the spec lists some: Fitness is then
	// their weighted mean.
	Values []float64 `json:"values,omitempty"`
	// Tasks are the scores on each task, where there are several. Score and Outcomes
	// are those on the first.
	Tasks []TaskScore `json:"tasks,omitempty"`
	// DuplicateOf is the number of an earlier trial of the same recipe on the
	// same problems, whose score this one took over.
	DuplicateOf *int `json:"duplicate_of,omitempty"`
	// MergeSeconds and AnswerSeconds are the time it took.
	MergeSeconds  float64 `json:"merge_seconds"`
	AnswerSeconds float64 `json:"answer_seconds"` // time that the model took to answer the problems
	// Tokens are those that it read and wrote.
	Tokens
	// Failure says why the candidate could not be scored.
	Failure string    `json:"failure,omitempty"`
	At      time.Time `json:"at"`

	// Event is the number of the event that told of it.
	Event int `json:"event"`
	// Ends sums up the generation that this trial was the last of, and is told
	// by the event after Event.
	Ends *Generation `json:"ends,omitempty"`

	samples []byte // what task.EncodeSamples made of its outcomes, on the way to the store
}

// Generation sums up a generation of trials.
type Generation struct {
	Generation int `json:"generation"` // counts from 0
	// Best and Mean are fitness values of its trials that did not fail.
	Best float64 `json:"best"`
	Mean float64 `json:"mean"` // the mean fitness of its trials
	// Failures counts the trials that failed.
	Failures int `json:"failures"`
	// Sigma is the step size afterwards.
	Sigma float64 `json:"sigma"`
	// Front counts the trials that none beats in every objective, where there are
	// several, and Hypervolume is how much of the space of values they cover.
	Front       int     `json:"front,omitempty"`
	Hypervolume float64 `json:"hypervolume,omitempty"` // with two or three objectives
}

// of gives the fitness of a score.
func (f Fitness) of(s task.Score) float64 {
	switch f {
	case Shaped:
		return s.Accuracy + 0.25*s.NumberRight + 0.25*s.LanguageRight
	case NumberRight:
		return s.NumberRight
	case LanguageRight:
		return s.LanguageRight
	}
	return s.Accuracy
}

// letters writes outcomes as Trial.Outcomes has them.
func letters(outcomes []task.Outcome) string {
	var b strings.Builder
	for _, o := range outcomes {
		switch {
		case o.Correct:
			b.WriteByte('1')
		case o.Score > 0:
			b.WriteByte('p')
		case o.NumberRight:
			b.WriteByte('n')
		case o.LanguageRight:
			b.WriteByte('l')
		default:
			b.WriteByte('0')
		}
	}
	return b.String()
}
