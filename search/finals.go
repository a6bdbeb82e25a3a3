package search

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// validate scores the best trials, and the mean of the final distribution, on
// the validation problems.
func (x *runner) validate(ctx context.Context) error {
	if x.record.Winner != nil {
		return nil
	}
	if x.record.Finalists == nil {
		x.record.Finalists = x.finalists()
	}
	if len(x.record.Finalists) == 0 {
		return fault.New(fault.Internal, "not one candidate could be scored, so there is no winner; the last one: %s", x.lastFailure())
	}
	if err := x.enter(ctx, Validating); err != nil {
		return err
	}
	for i, f := range x.record.Finalists {
		if f.Validation != nil || f.Failure != "" {
			continue
		}
		var err error
		var v assessment
		v, f.Failure, err = x.score(ctx, "validate a finalist", task.Validation, func(t *task.Task, problems []task.Problem) (Evaluation, error) {
			return x.lab.Evaluate(ctx, f.Recipe, t, problems)
		})
		if err != nil {
			return err
		}
		if f.Failure == "" {
			f.Validation, f.ValidationValues, f.Tasks = v.score(), v.values(x.record.Spec), v.several()
		}
		next := x.record
		next.Front = validated(next.Front, f)
		next.Finalists = slices.Clone(next.Finalists)
		next.Finalists[i] = f
		if err := x.tell(ctx, next, Event{Type: Validated, Finalist: &f}); err != nil {
			return err
		}
	}
	return nil
}

// finalists are the best trials by fitness, no recipe twice, of equals the later
// ones, which come from a distribution that has learnt more; and the mean of
// the final distribution.
func (x *runner) finalists() []Finalist {
	if len(x.record.Spec.Objectives) > 1 {
		x.record.Front = extendFront(x.record.Front, x.trials) // those of a generation that was not finished
		if len(x.record.Front) == 0 {
			return nil
		}
		return x.withGuess(x.frontFinalists())
	}
	// Who was stopped was found unable to win.
	best := slices.DeleteFunc(slices.Clone(x.trials), func(t Trial) bool { return t.Score == nil || t.Asked > 0 })
	slices.SortStableFunc(best, func(a, b Trial) int {
		return cmp.Or(cmp.Compare(b.Fitness, a.Fitness), cmp.Compare(b.Number, a.Number))
	})
	var chosen []Finalist
	taken := map[string]bool{}
	for _, t := range best {
		key, err := t.Recipe.Canonical()
		if err != nil || taken[string(key)] {
			continue
		}
		if len(chosen) == x.record.Spec.ValidateTop {
			break
		}
		taken[string(key)] = true
		chosen = append(chosen, Finalist{Trial: &t.Number, Recipe: t.Recipe, Search: t.Score})
	}
	if len(chosen) == 0 {
		return nil
	}
	return x.withGuess(chosen)
}

// withGuess adds the optimizer's guess to some finalists, unless it is among them.
func (x *runner) withGuess(chosen []Finalist) []Finalist {
	guess := x.record.Optimizer.Guess()
	if guess == nil {
		return chosen
	}
	mean, err := x.space.Recipe(guess)
	if err != nil {
		return chosen // no valid recipe in the middle: then it is no candidate
	}
	key, err := mean.Canonical()
	if err != nil || slices.ContainsFunc(chosen, func(f Finalist) bool {
		other, err := f.Recipe.Canonical()
		return err == nil && string(other) == string(key)
	}) {
		return chosen
	}
	return append(chosen, Finalist{Recipe: mean})
}

// winner is the finalist with the best validation score, or with the best weighted
// mean of several objectives; of equals the first.
func (x *runner) winner() *Winner {
	var best *Finalist
	for i, f := range x.record.Finalists {
		if f.Validation == nil {
			continue
		}
		if best == nil || x.validationOf(f) > x.validationOf(*best) {
			best = &x.record.Finalists[i]
		}
	}
	if best == nil {
		return nil
	}
	return &Winner{
		Trial: best.Trial, Recipe: best.Recipe, Search: best.Search, Validation: best.Validation,
		Values: best.Values, ValidationValues: best.ValidationValues,
	}
}

// validationOf is the number by which finalists are compared.
func (x *runner) validationOf(f Finalist) float64 {
	if f.ValidationValues != nil {
		return x.record.Spec.weighted(f.ValidationValues)
	}
	return f.Validation.Accuracy
}

// test scores the baselines and the winner on the test problems: the winner
// once, because a test that is repeated until it pleases is none.
func (x *runner) test(ctx context.Context) error {
	if x.record.Winner == nil {
		if x.record.Winner = x.winner(); x.record.Winner == nil {
			return fault.New(fault.Internal, "not one finalist could be scored on the validation problems; the first: %s", x.record.Finalists[0].Failure)
		}
		x.record.Scores = x.table()
	}
	if x.record.Winner.Model != "" {
		return nil
	}
	if err := x.enter(ctx, Testing); err != nil {
		return err
	}
	for i, row := range x.record.Scores {
		if row.Score != nil || row.Failure != "" {
			continue
		}
		var err error
		var v assessment
		v, row.Failure, err = x.score(ctx, "test "+row.Name, task.Test, func(t *task.Task, problems []task.Problem) (Evaluation, error) {
			switch row.Role {
			case RoleWinner:
				return x.lab.Evaluate(ctx, x.record.Winner.Recipe, t, problems)
			case RoleAverage:
				return x.lab.Evaluate(ctx, x.record.Inputs.in(x.record.Spec.average()), t, problems)
			}
			return x.lab.EvaluateModel(ctx, row.Name, t, problems)
		})
		if err != nil {
			return err
		}
		if row.Failure == "" {
			row.Score, row.Values, row.Tasks, row.Note = v.score(), v.values(x.record.Spec), v.several(), v.note()
		}
		next := x.record
		next.Scores = slices.Clone(next.Scores)
		next.Scores[i] = row
		if row.Role == RoleWinner {
			w := *next.Winner
			w.Test, w.TestValues = row.Score, row.Values
			next.Winner = &w
		}
		if err := x.tell(ctx, next, Event{Type: Tested, Row: &row}); err != nil {
			return err
		}
	}
	return nil
}

// table is the paper's table, still without scores.
func (x *runner) table() []Row {
	spec := x.record.Spec
	rows := []Row{{Role: RoleBase, Name: spec.Base}}
	for _, name := range spec.Sources {
		if name == spec.Base { // of a path
			continue
		}
		rows = append(rows, Row{Role: RoleSource, Name: name})
	}
	return append(rows, Row{Role: RoleAverage, Name: string(RoleAverage)}, Row{Role: RoleWinner, Name: string(RoleWinner)})
}

// score evaluates a model on a split of each task, or gives the reason why there is
// no score. Only the end of ctx is an error, and a hindrance.
func (x *runner) score(ctx context.Context, what string, split task.Split, ask func(t *task.Task, problems []task.Problem) (Evaluation, error)) (assessment, string, error) {
	v, err := x.assess(ctx, what, on(split), ask)
	switch {
	case ctx.Err() != nil:
		return v, "", context.Cause(ctx)
	case err != nil:
		return v, err.Error(), x.blameless(ctx, err)
	}
	return v, "", nil
}

// publish stores the winner as a recipe, serves it under its alias, and ends
// the search.
func (x *runner) publish(ctx context.Context) error {
	if x.record.Winner.Test == nil {
		row := x.record.Scores[len(x.record.Scores)-1]
		return fault.New(fault.Internal, "the winner could not be scored on the test problems: %s", row.Failure)
	}
	if x.record.Winner.Model == "" {
		spec := x.record.Spec
		w := *x.record.Winner
		err := x.keeper.repeat(ctx, "publish the winner", func() error {
			return x.guarded(func() (err error) {
				// The store refuses what is written without the claim. It can't
				// tell who moves the alias.
				if _, err := x.keeper.renew(ctx); err != nil {
					return err
				}
				w.Model, err = x.lab.Publish(ctx, spec.Name, w.Recipe, spec.Alias)
				return err
			})
		}, func(attempts int, err error) bool {
			// Memory and the store come back; a fault of ours may not.
			return temporary(err) || fault.CodeOf(err) == fault.Internal && attempts < patience
		})
		if err != nil {
			if hindrance := x.blameless(ctx, err); hindrance != nil {
				return hindrance
			}
			return fmt.Errorf("publish the winner: %w", err)
		}
		// The alias has moved and doesn't move back: that is told, and the search
		// is done, even if somebody cancels or stops it now.
		late, cancel := grace(ctx, finalSaveTimeout)
		defer cancel()
		ctx = late
		w.Alias = spec.Alias
		next := x.record
		next.Winner = &w
		if err := x.tell(ctx, next, Event{Type: Published, Winner: &w}); err != nil {
			return err
		}
	}
	if err := x.goOn(ctx); err != nil {
		return err
	}
	return x.enter(ctx, Done)
}
