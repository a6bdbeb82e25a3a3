package gateway

import (
	"context"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/evaluation"
	"github.com/mergeway/mergeway/search/task"
)

// fakeEvaluations holds one evaluation, and what it was asked to launch.
type fakeEvaluations struct {
	now      evaluation.Evaluation
	changes  []evaluation.Evaluation
	launched []evaluation.Spec
}

func newFakeEvaluations() *fakeEvaluations {
	f := &fakeEvaluations{}
	for i, state := range []evaluation.State{evaluation.Queued, evaluation.Running, evaluation.Running, evaluation.Completed} {
		f.now = evaluation.Evaluation{ID: "eval-1", State: state, Problems: 3, Done: i, CreatedAt: epoch, Revision: i + 1}
		f.changes = append(f.changes, f.now)
	}
	return f
}

func (f *fakeEvaluations) Launch(_ context.Context, spec evaluation.Spec) (evaluation.Evaluation, error) {
	if spec.Task != "ja-math" {
		return evaluation.Evaluation{}, fault.New(fault.NotFound, "there is no task %q", spec.Task)
	}
	f.launched = append(f.launched, spec)
	return f.changes[0], nil
}

func (f *fakeEvaluations) Get(_ context.Context, id string) (evaluation.Evaluation, error) {
	if id != f.now.ID {
		return evaluation.Evaluation{}, fault.New(fault.NotFound, "there is no evaluation %q", id)
	}
	return f.now, nil
}

func (f *fakeEvaluations) List(context.Context) ([]evaluation.Evaluation, error) {
	return []evaluation.Evaluation{f.now}, nil
}

func (f *fakeEvaluations) Samples(ctx context.Context, id string) ([]task.Sample, error) {
	e, err := f.Get(ctx, id)
	if err == nil && !e.State.Final() {
		err = fault.New(fault.Conflict, "it is still running")
	}
	return someSamples(), err
}

func (f *fakeEvaluations) Watch(ctx context.Context, _ string, after int) (<-chan evaluation.Evaluation, error) {
	out := make(chan evaluation.Evaluation)
	go func() {
		defer close(out)
		for _, e := range f.changes {
			if e.Revision <= after {
				continue
			}
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (f *fakeEvaluations) Cancel(ctx context.Context, id string) error {
	e, err := f.Get(ctx, id)
	if err == nil && e.State.Final() {
		return fault.New(fault.Conflict, "it is %s already", e.State)
	}
	f.now.State = evaluation.Cancelled
	return err
}
