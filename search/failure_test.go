package search

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search/task"
)

// numbered is a hook that gets the number, from 1, of each evaluation of one
// split.
func numbered(split task.Split, do func(n int64) error) func(context.Context, question) error {
	var count atomic.Int64
	return func(_ context.Context, q question) error {
		if q.split != split {
			return nil
		}
		return do(count.Add(1))
	}
}

func TestACandidateThatGoesWrongIsOnlyItsTrialsFailure(t *testing.T) {
	for name, c := range map[string]struct {
		happens func() error
		reason  string
	}{
		"an error":          {func() error { return errors.New("no such tensor") }, "no such tensor"},
		"a fault":           {func() error { return fault.New(fault.Unfit, "shapes differ") }, "shapes differ"},
		"a panic":           {func() error { panic("index out of range") }, "panic: index out of range"},
		"busy all the time": {func() error { return fault.New(fault.Busy, "queue is full") }, "queue is full"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sixth, recipes := "", []string{}
			w.lab.hook(func(_ context.Context, q question) error {
				if q.split != task.Search {
					return nil
				}
				if !slices.Contains(recipes, q.recipe) {
					recipes = append(recipes, q.recipe)
				}
				if len(recipes) == 6 && sixth == "" {
					sixth = q.recipe
				}
				if q.recipe == sixth { // however often it is tried
					return c.happens()
				}
				return nil
			})
			s := w.done(t, w.launch(t, small()))
			require.Equal(t, 1, s.Progress.Failures)
			require.Equal(t, 20, s.Progress.Trials)
			for i, x := range w.tried(t, s.ID) {
				if i != 5 {
					require.Empty(t, x.Failure)
					require.NotNil(t, x.Score)
					continue
				}
				require.Equal(t, c.reason, x.Failure)
				require.Nil(t, x.Score)
				require.Empty(t, x.Outcomes)
			}
			require.Equal(t, 1, w.tried(t, s.ID)[7].Ends.Failures)
		})
	}
}

func TestTheWrongNumberOfOutcomesIsAFailure(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Lab = shortLab{o.Lab} })
	s := w.finish(t, w.launch(t, small()))
	require.Equal(t, Failed, s.State)
	require.Contains(t, s.Reason, "19 outcomes for 20 problems")
}

// shortLab forgets the last outcome.
type shortLab struct{ Lab }

func (l shortLab) Evaluate(ctx context.Context, r merge.Recipe, t *task.Task, problems []task.Problem) (Evaluation, error) {
	return l.Lab.Evaluate(ctx, r, t, problems[1:])
}

func TestASearchFailsWithAReason(t *testing.T) {
	broken := errors.New("the device is gone")
	always := func(int64) error { return broken }
	for name, c := range map[string]struct {
		hook   func(context.Context, question) error
		spec   func(*Spec)
		trials int
		reason string
	}{
		"after three generations of failures": {
			numbered(task.Search, always), func(*Spec) {}, 12,
			"no candidate of the last 3 generations could be scored; the last one: the device is gone",
		},
		"if the budget ends before that": {
			numbered(task.Search, always), func(s *Spec) { s.Trials = 6 }, 6,
			"not one candidate could be scored, so there is no winner; the last one: the device is gone",
		},
		"if three generations fail later on": {
			numbered(task.Search, func(n int64) error {
				if n > 4 {
					return broken
				}
				return nil
			}), func(*Spec) {}, 16, "no candidate of the last 3 generations",
		},
		"if no finalist can be validated": {
			numbered(task.Validation, always), func(*Spec) {}, 20, "not one finalist could be scored on the validation problems; the first: the device is gone",
		},
		"if the winner can't be tested": {
			numbered(task.Test, func(n int64) error {
				if n == 5 {
					return broken
				}
				return nil
			}), func(*Spec) {}, 20, "the winner could not be scored on the test problems: the device is gone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.lab.hook(c.hook)
			id := w.launch(t, small(c.spec))
			events := w.listen(t, id, 0)
			requireGapless(t, events, 1)
			last := events[len(events)-1]
			require.Equal(t, Failed, last.State)
			require.Contains(t, last.Reason, c.reason)
			s := w.finish(t, id)
			require.Equal(t, Failed, s.State)
			require.Equal(t, last.Reason, s.Reason)
			require.NotNil(t, s.EndedAt)
			require.Len(t, w.tried(t, id), c.trials)
			require.Empty(t, w.lab.publications())
			require.Equal(t, fault.Conflict, fault.CodeOf(w.Cancel(patient(t), id)))
		})
	}
}

func TestGenerationsThatFailNowAndThenDoNotEndASearch(t *testing.T) {
	w := newWorld(t)
	w.lab.hook(numbered(task.Search, func(n int64) error {
		if n > 4 && n <= 12 { // two generations in a row
			return errors.New("bad luck")
		}
		return nil
	}))
	s := w.done(t, w.launch(t, small()))
	require.Equal(t, 8, s.Progress.Failures)
}

func TestFinalistsAndBaselinesMayFailOneByOne(t *testing.T) {
	w := newWorld(t)
	first := func(n int64) error {
		if n == 1 {
			panic("bad luck")
		}
		return nil
	}
	validation, test := numbered(task.Validation, first), numbered(task.Test, first)
	w.lab.hook(func(ctx context.Context, q question) error {
		return errors.Join(validation(ctx, q), test(ctx, q))
	})
	s := w.done(t, w.launch(t, small()))
	require.Equal(t, "panic: bad luck", s.Finalists[0].Failure)
	require.Nil(t, s.Finalists[0].Validation)
	require.NotEqual(t, s.Finalists[0].Recipe, s.Winner.Recipe)
	require.Equal(t, Row{Role: RoleBase, Name: "base", Failure: "panic: bad luck"}, s.Scores[0])
	for _, r := range s.Scores[1:] {
		require.NotNil(t, r.Score)
	}
}

func TestALabThatIsBusyIsAskedAgain(t *testing.T) {
	want := reference(t, small())
	for _, code := range []fault.Code{fault.Busy, fault.Unavailable, fault.OutOfMemory} {
		t.Run(string(code), func(t *testing.T) {
			w := newWorld(t)
			twice := map[question]int{}
			w.lab.hook(func(_ context.Context, q question) error {
				if twice[q]++; twice[q] <= 2 {
					return fault.New(code, "not now")
				}
				return nil
			})
			refusals := 0
			w.lab.publishing = func(context.Context) error {
				if refusals++; refusals <= patience+1 { // there is no giving up so late
					return fault.New(code, "not now")
				}
				return nil
			}
			id := w.launch(t, small())
			w.done(t, id)
			sameJSON(t, want, w.found(t, id))
			require.Len(t, w.lab.publications(), 1)
		})
	}
}

func TestAPublicationThatFailsEndsTheSearch(t *testing.T) {
	for name, c := range map[string]struct {
		happens  func() error
		attempts int
		reason   string
	}{
		"a conflict at once":          {func() error { return fault.New(fault.Conflict, "a model has that name") }, 1, "publish the winner: a model has that name"},
		"a panic after some patience": {func() error { panic("oh") }, patience, "publish the winner: panic: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			attempts := 0
			w.lab.publishing = func(context.Context) error { attempts++; return c.happens() }
			s := w.finish(t, w.launch(t, small()))
			require.Equal(t, Failed, s.State)
			require.Equal(t, c.reason, s.Reason)
			require.Equal(t, c.attempts, attempts)
			require.Empty(t, s.Winner.Model)
			require.NotNil(t, s.Winner.Test, "what was found is kept")
		})
	}
}
