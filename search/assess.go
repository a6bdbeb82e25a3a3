package search

import (
	"context"
	"slices"
	"time"

	"github.com/mergeway/mergeway/search/task"
)

// assessment is what became of a model that was asked the problems of every task of
// a search.
type assessment struct {
	merge, answer time.Duration
	tasks         []TaskScore // in the order of the tasks
	samples       []task.Sample
	tokens        Tokens
	asked         int // problems, if it was stopped before it had been asked all; else 0
}

// score is the one on the first task, which is the only one of most searches.
func (v assessment) score() *task.Score {
	score := v.tasks[0].Score
	return &score
}

// spend counts what an evaluation took.
func (v *assessment) spend(e Evaluation) {
	v.merge, v.answer, v.tokens = v.merge+e.Merge, v.answer+e.Answer, v.tokens.plus(e.Tokens)
}

// several are the scores on the tasks, if there is more than one.
func (v assessment) several() []TaskScore {
	if len(v.tasks) < 2 {
		return nil
	}
	return v.tasks
}

// note says why not one reply could be judged, if it was always the same.
func (v assessment) note() string {
	if len(v.samples) == 0 {
		return ""
	}
	why := v.samples[0].Failure
	if slices.ContainsFunc(v.samples, func(s task.Sample) bool { return s.Failure != why }) {
		return ""
	}
	return why
}

// values are those of the objectives, if a spec lists some.
func (v assessment) values(s Spec) []float64 {
	if len(s.Objectives) == 0 {
		return nil
	}
	return s.values(v.tasks)
}

// assess asks a model the problems of every task. Whoever can't be scored on one has
// no score at all.
func (x *runner) assess(ctx context.Context, what string, choose func(t *task.Task) []task.Problem, ask func(t *task.Task, problems []task.Problem) (Evaluation, error)) (assessment, error) {
	var v assessment
	for _, t := range x.asked {
		problems := choose(t)
		e, err := x.evaluate(ctx, what, len(problems), func() (Evaluation, error) { return ask(t, problems) })
		v.spend(e)
		if err != nil {
			return v, err
		}
		v.tasks = append(v.tasks, TaskScore{Task: t.Name, Score: task.Summarize(e.Outcomes), Outcomes: letters(e.Outcomes)})
		v.samples = append(v.samples, task.Samples(problems, e.Outcomes)...)
	}
	return v, nil
}

// on gives the problems of a split of a task.
func on(split task.Split) func(t *task.Task) []task.Problem {
	return func(t *task.Task) []task.Problem { return t.Problems(split) }
}
