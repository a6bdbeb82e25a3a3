package gateway

import (
	"context"
	"errors"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

// fakeSearches holds one search, whose events the test writes.
type fakeSearches struct {
	search search.Search
	trials []search.Trial
	cells  []search.Cell
	events []search.Event      // what has happened
	live   <-chan search.Event // what will happen; nil: nothing
}

func newFakeSearches() *fakeSearches {
	f := &fakeSearches{search: search.Search{ID: "search-1", State: search.Running, CreatedAt: epoch}}
	f.search.Spec.Name = "better"
	f.search.Parameters = []search.Parameter{{Label: "a weight all", Source: "a", Kind: "weight", Group: "all", Low: 0, High: 2}}
	for i := range 5 {
		recipe := merge.NewRecipe(merge.TaskArithmetic)
		recipe.Base, recipe.Sources = "base", []merge.Source{{Model: "a", Weight: merge.Numbers(0.5 * float64(i))}}
		f.trials = append(f.trials, search.Trial{Number: i, Genome: []float64{0.25 * float64(i)}, Recipe: recipe, Fitness: 0.1 * float64(i), At: epoch})
		f.events = append(f.events, search.Event{Number: i + 1, Type: search.TrialEnded, At: epoch, Trial: &f.trials[i]})
	}
	f.search.LastEvent = len(f.events)
	return f
}

func (f *fakeSearches) LaunchFor(_ context.Context, key string, spec search.Spec) (search.Search, error) {
	if spec.Task != "ja-math" {
		return search.Search{}, fault.New(fault.NotFound, "there is no task %q", spec.Task)
	}
	f.search.Spec, f.search.State, f.search.Key = spec, search.Queued, key
	return f.search, nil
}

func (f *fakeSearches) Get(_ context.Context, id string) (search.Search, error) {
	if id != f.search.ID {
		return search.Search{}, fault.New(fault.NotFound, "there is no search %q", id)
	}
	return f.search, nil
}

func (f *fakeSearches) List(context.Context) ([]search.Search, error) {
	return []search.Search{f.search}, nil
}

func (f *fakeSearches) Trials(ctx context.Context, id string) ([]search.Trial, error) {
	_, err := f.Get(ctx, id)
	return f.trials, err
}

func (f *fakeSearches) Samples(ctx context.Context, id string, trial int) ([]task.Sample, error) {
	if _, err := f.Get(ctx, id); err != nil {
		return nil, err
	}
	if trial >= len(f.trials) {
		return nil, &fault.Error{Code: fault.NotFound, Param: "trial", Message: "no such trial"}
	}
	return someSamples(), nil
}

func (f *fakeSearches) Cells(ctx context.Context, id string) ([]search.Cell, error) {
	_, err := f.Get(ctx, id)
	return f.cells, err
}

// someSamples are verdicts of each kind.
func someSamples() []task.Sample {
	return []task.Sample{
		{ID: "p1", Outcome: task.Outcome{Score: 1, Correct: true, NumberRight: true, LanguageRight: true, Extracted: "-7", Reply: "答えは-7です。"}},
		{ID: "p2", Outcome: task.Outcome{Score: 0.5, LanguageRight: true, Reply: `=HYPERLINK("x")`}},
		{ID: "p3", Outcome: task.Outcome{Failure: "no grade"}},
	}
}

func (f *fakeSearches) Cancel(ctx context.Context, id string) error {
	return f.become(ctx, id, search.Cancelled)
}

func (f *fakeSearches) become(ctx context.Context, id string, state search.State) error {
	if _, err := f.Get(ctx, id); err != nil {
		return err
	}
	if f.search.State.Final() {
		return fault.New(fault.Conflict, "it has ended")
	}
	f.search.State = state
	return nil
}

func (f *fakeSearches) Pause(ctx context.Context, id string) error {
	return f.become(ctx, id, search.Paused)
}

func (f *fakeSearches) Resume(ctx context.Context, id string) error {
	return f.become(ctx, id, search.Queued)
}

func (f *fakeSearches) Events(ctx context.Context, id string, after int) (<-chan search.Event, error) {
	if _, err := f.Get(ctx, id); err != nil {
		return nil, err
	}
	out := make(chan search.Event)
	go func() {
		defer close(out)
		send := func(e search.Event) {
			select {
			case out <- e:
			case <-ctx.Done():
			}
		}
		for _, e := range f.events {
			if e.Number > after {
				send(e)
			}
		}
		for f.live != nil {
			select {
			case e, more := <-f.live:
				if !more {
					return
				}
				send(e)
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// fakeTasks lists one task that works and one that doesn't.
type fakeTasks struct{}

func (fakeTasks) List(context.Context) ([]task.Listing, error) {
	return []task.Listing{
		{Name: "broken", Err: fault.Wrap(errors.New("no such file"), fault.Damaged, "search.jsonl is missing")},
		{Name: "ja-math", Task: &task.Task{Name: "ja-math", Description: "sums", Language: "ja"}},
	}, nil
}

func (fakeTasks) Get(_ context.Context, name string) (*task.Task, error) {
	return nil, fault.New(fault.NotFound, "there is no task %q", name)
}

func (fakeTasks) Put(context.Context, task.Files) (*task.Task, bool, error) {
	return nil, false, fault.New(fault.Conflict, "there are as many tasks as may be")
}

func (fakeTasks) Delete(_ context.Context, name string) error {
	return fault.New(fault.NotFound, "there is no task %q", name)
}
