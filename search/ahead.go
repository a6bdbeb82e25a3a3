package search

import (
	"context"

	"github.com/mergeway/mergeway/search/task"
)

// verdict is what came of the evaluation of a candidate.
type verdict struct {
	assessment
	err error
}

// verdict evaluates the candidate that a trial proposes. Where the lab can try
// several at once, those that follow it in the generation are under way meanwhile;
// they are all made of what the optimizer knew when the generation began, so their
// number and order change nothing.
func (x *runner) verdict(ctx context.Context, t Trial) (assessment, error) {
	if x.ahead == nil && x.lab.Width(ctx) > 1 {
		x.ahead = gather(ctx, x.lab.Width, x.jobs(t))
	}
	if !x.ahead.has(t.Index) {
		v := x.job(t)(ctx)
		return v.assessment, v.err
	}
	v, _ := x.ahead.wait(ctx, t.Index)
	return v.assessment, v.err
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
	spec := x.record.Spec
	if spec.Racing != nil {
		problems := sample(x.asked[0].Problems(task.Search), spec.SampleSize, spec.Seed, t.Generation)
		if r := x.racing(t, len(problems)); r != nil {
			return func(ctx context.Context) verdict {
				v, err := x.race(ctx, r, spec.Fitness, problems, func(block []task.Problem) (Evaluation, error) {
					return x.lab.Evaluate(ctx, t.Recipe, x.asked[0], block)
				})
				return verdict{v, err}
			}
		}
	}
	return func(ctx context.Context) verdict {
		v, err := x.assess(ctx, "evaluate a candidate", func(on *task.Task) []task.Problem {
			return sample(on.Problems(task.Search), spec.SampleSize, spec.Seed, t.Generation)
		}, func(on *task.Task, problems []task.Problem) (Evaluation, error) {
			return x.lab.Evaluate(ctx, t.Recipe, on, problems)
		})
		return verdict{v, err}
	}
}

// disperse stops what is under way of a generation.
func (x *runner) disperse() {
	x.ahead.close()
	x.ahead = nil
}
