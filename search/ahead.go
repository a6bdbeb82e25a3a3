package search

import (
	"context"

	"github.com/mergeway/mergeway/search/task"
)

// verdict is what came of the evaluation of a candidate.
type verdict struct {
	evaluation Evaluation
	err        error
}

// verdict evaluates the candidate that a trial proposes. Where the lab can try
// several at once, those that follow it in the generation are under way meanwhile;
// they are all made of what the optimizer knew when the generation began, so their
// number and order change nothing.
func (x *runner) verdict(ctx context.Context, t Trial) (Evaluation, error) {
	if x.ahead == nil && x.lab.Width(ctx) > 1 {
		x.ahead = gather(ctx, x.lab.Width, x.jobs(t))
	}
	if !x.ahead.has(t.Index) {
		v := x.job(t)(ctx)
		return v.evaluation, v.err
	}
	v, _ := x.ahead.wait(ctx, t.Index)
	return v.evaluation, v.err
}

// jobs are the evaluations of a generation from a trial on, by index. Candidates
// that repeat one that is done or under way are left out: most take its score over.
func (x *runner) jobs(first Trial) []func(context.Context) verdict {
	size := x.record.Optimizer.Population()
	jobs := make([]func(context.Context) verdict, size)
	under := map[string]bool{}
	for i := first.Index; i < size && first.Number+i-first.Index < x.record.Spec.Trials; i++ {
		t, err := x.proposal(i)
		if err != nil {
			continue
		}
		key := x.key(t)
		if _, done := x.seen[key]; done || under[key] {
			continue
		}
		under[key] = true
		jobs[i] = x.job(t)
	}
	return jobs
}

// job is the evaluation of the candidate that a trial proposes.
func (x *runner) job(t Trial) func(context.Context) verdict {
	problems := x.problems(t)
	return func(ctx context.Context) verdict {
		e, err := x.evaluate(ctx, "evaluate a candidate", len(problems), func() (Evaluation, error) {
			return x.lab.Evaluate(ctx, t.Recipe, x.task, problems)
		})
		return verdict{e, err}
	}
}

// problems are those that a trial is scored on.
func (x *runner) problems(t Trial) []task.Problem {
	spec := x.record.Spec
	return sample(x.task.Problems(task.Search), spec.SampleSize, spec.Seed, t.Generation)
}

// disperse stops what is under way of a generation.
func (x *runner) disperse() {
	x.ahead.close()
	x.ahead = nil
}
