package search

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

const (
	// hopeless is how many generations in a row may fail as a whole before the
	// search does.
	hopeless = 3
	// patience is how often an evaluation that is refused for the moment is
	// attempted before the candidate counts as failed.
	patience = 8
)

// try evaluates candidates until the budget is spent or the optimizer has
// nothing more to propose.
func (x *runner) try(ctx context.Context) error {
	if x.record.Progress.Stopped != "" {
		return nil
	}
	if err := x.enter(ctx, Running); err != nil {
		return err
	}
	x.began = time.Now().Add(-seconds(x.record.Progress.Seconds))
	defer x.disperse()
	for {
		if x.index() == 0 && x.failedGenerations() >= hopeless {
			return fault.New(fault.Internal, "no candidate of the last %d generations could be scored; the last one: %s", hopeless, x.lastFailure())
		}
		if reason := x.exhausted(); reason != "" {
			x.record.Progress.Stopped = reason
			return nil // saved on entering the next state
		}
		t, err := x.candidate(ctx)
		if err != nil {
			return err
		}
		if err := x.keep(ctx, t); err != nil {
			return err
		}
	}
}

// exhausted says what ends the trials, if anything does.
func (x *runner) exhausted() string {
	spec := x.record.Spec
	switch {
	case len(x.trials) >= spec.Trials:
		return "trials"
	case x.elapsed() >= seconds(60*spec.Minutes):
		return "minutes"
	case spec.Tokens > 0 && x.record.Progress.Tokens.all() >= spec.Tokens:
		return "tokens"
	case x.index() == 0:
		return x.record.Optimizer.ShouldStop()
	}
	return ""
}

// elapsed is the time spent on trials.
func (x *runner) elapsed() time.Duration { return time.Since(x.began) }

// index counts the trials of the generation in progress.
func (x *runner) index() int {
	n := 0
	for i := len(x.trials) - 1; i >= 0 && x.trials[i].Generation == x.record.Optimizer.Generation(); i-- {
		n++
	}
	return n
}

// proposal is what the optimizer proposes as candidate index of its generation:
// the trial before it is tried, or the reason why it can't be.
func (x *runner) proposal(index int) (Trial, error) {
	opt := x.record.Optimizer
	t := Trial{
		Number: len(x.trials) + index - x.index(), Generation: opt.Generation(), Index: index,
		Event: x.record.LastEvent + 1,
	}
	t.Genome = opt.Candidate(index)
	recipe, err := x.space.Recipe(t.Genome)
	t.Recipe = recipe
	return t, err
}

// candidate evaluates the next candidate. What goes wrong with it is its
// failure; only the end of ctx is an error.
func (x *runner) candidate(ctx context.Context) (Trial, error) {
	spec := x.record.Spec
	t, err := x.proposal(x.index())
	if err != nil {
		t.Failure = err.Error()
		t.At = x.keeper.now()
		return t, nil
	}
	if twin, ok := x.seen[x.key(t)]; ok {
		original := x.trials[twin]
		t.Score, t.Fitness, t.Outcomes, t.DuplicateOf = original.Score, original.Fitness, original.Outcomes, &original.Number
		t.Values, t.Tasks, t.Asked = original.Values, original.Tasks, original.Asked
		t.At = x.keeper.now()
		return t, nil
	}
	v, err := x.verdict(ctx, t)
	if ctx.Err() != nil {
		return t, context.Cause(ctx)
	}
	t.MergeSeconds, t.AnswerSeconds, t.At = v.merge.Seconds(), v.answer.Seconds(), x.keeper.now()
	t.Tokens = v.tokens
	if err != nil {
		if hindrance := x.blameless(ctx, err); hindrance != nil {
			return t, hindrance
		}
		t.Failure = err.Error()
		x.log.Warn("a candidate failed", "trial", t.Number, "error", err)
		return t, nil
	}
	t.Score, t.Fitness, t.Outcomes = v.score(), spec.weighted(spec.values(v.tasks)), v.tasks[0].Outcomes
	t.Values, t.Tasks, t.Asked = v.values(spec), v.several(), v.asked
	if t.samples, err = task.EncodeSamples(v.samples, x.replyBytes); err != nil {
		x.log.Error("the samples of a trial can't be kept", "trial", t.Number, "error", err)
	}
	return t, nil
}

// evaluate asks the lab, again if it was only busy, and checks what it gives.
func (x *runner) evaluate(ctx context.Context, what string, problems int, ask func() (Evaluation, error)) (Evaluation, error) {
	var e Evaluation
	err := x.keeper.repeat(ctx, what, func() error {
		return x.guarded(func() (err error) { e, err = ask(); return err })
	}, func(attempts int, err error) bool { return temporary(err) && attempts < patience })
	if err == nil && len(e.Outcomes) != problems {
		err = fault.New(fault.Internal, "%d outcomes for %d problems", len(e.Outcomes), problems)
	}
	return e, err
}

// temporary reports whether the same may succeed later.
func temporary(err error) bool {
	switch fault.CodeOf(err) {
	case fault.Busy, fault.Unavailable, fault.OutOfMemory:
		return true
	}
	return false
}

// guarded turns a panic below into an error: one bad candidate must not take
// the server with it.
func (x *runner) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			x.log.Error("the lab panicked", "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "panic: %v", p)
		}
	}()
	return do()
}

// keep saves a trial, and with the last of a generation what the optimizer
// learns from it, and then lets everybody know.
func (x *runner) keep(ctx context.Context, t Trial) error {
	spec := x.record.Spec
	if t.Index+1 < x.record.Optimizer.Population() {
		if err := x.keeper.saveTrial(ctx, x.record.ID, t); err != nil {
			return err
		}
		x.accept(t)
		return nil
	}
	generation := append(slices.Clone(x.trials[len(x.trials)-t.Index:]), t)
	scored := make([]Scored, len(generation))
	for i, g := range generation {
		scored[i] = Scored{Genome: g.Genome, Fitness: g.Fitness, Values: g.Values, Failed: g.Score == nil}
	}
	opt, err := x.record.Optimizer.Told(scored)
	if err != nil {
		return fmt.Errorf("generation %d: %w", t.Generation, err)
	}
	t.Ends = summarize(generation, opt.Sigma())
	front := x.record.Front
	if len(spec.Objectives) > 1 {
		front = extendFront(front, generation)
		t.Ends.Front, t.Ends.Hypervolume = len(front), hypervolume(front)
	}

	next := x.record
	next.Optimizer = opt
	next.Search = x.record.Search.counted(append(slices.Clone(x.trials), t))
	next.Front = front
	next.Progress.Sigma = opt.Sigma()
	next.Progress.Generation = opt.Generation()
	next.Progress.Seconds = x.elapsed().Seconds()
	next.LastEvent = t.Event + 1
	if err := x.keeper.save(ctx, next, t); err != nil {
		return err
	}
	x.record = next
	x.accept(t)
	x.disperse()
	x.log.Info("generation ended", "generation", t.Generation, "trials", len(x.trials), "of", spec.Trials,
		"best", t.Ends.Best, "mean", t.Ends.Mean, "sigma", t.Ends.Sigma)
	return nil
}

// accept adds a trial that is in the store.
func (x *runner) accept(t Trial) {
	t.samples = nil // the store has them
	x.trials = append(x.trials, t)
	x.remember(t)
	x.count()
	x.record.Progress.Seconds = x.elapsed().Seconds()
	events := t.events()
	x.record.LastEvent = events[len(events)-1].Number
	x.show()
	x.events.add(events...)
}

// remember makes a scored trial known to later duplicates of it.
func (x *runner) remember(t Trial) {
	if t.Score != nil && t.DuplicateOf == nil {
		x.seen[x.key(t)] = t.Number
	}
}

// key identifies a recipe and the problems it is scored on.
func (x *runner) key(t Trial) string {
	canonical, err := t.Recipe.Canonical()
	if err != nil {
		return fmt.Sprintf("trial %d", t.Number)
	}
	if x.record.Spec.SampleSize > 0 {
		return fmt.Sprintf("%d %s", t.Generation, canonical)
	}
	return string(canonical)
}

// count brings the counters of the search up to date with its trials.
func (x *runner) count() { x.record.Search = x.record.Search.counted(x.trials) }

// failedGenerations counts the latest generations of which every trial failed.
func (x *runner) failedGenerations() int {
	n := 0
	for end := len(x.trials); end > 0; n++ {
		begin := end - 1
		for begin > 0 && x.trials[begin-1].Generation == x.trials[end-1].Generation {
			begin--
		}
		if slices.ContainsFunc(x.trials[begin:end], func(t Trial) bool { return t.Score != nil }) {
			break
		}
		end = begin
	}
	return n
}

// lastFailure says why the latest trial failed.
func (x *runner) lastFailure() string {
	if len(x.trials) == 0 {
		return "there was none"
	}
	return x.trials[len(x.trials)-1].Failure
}

// summarize sums up a generation of trials.
func summarize(trials []Trial, sigma float64) *Generation {
	g := &Generation{Generation: trials[0].Generation, Sigma: sigma}
	scored := 0
	for _, t := range trials {
		if t.Score == nil {
			g.Failures++
			continue
		}
		if scored == 0 || t.Fitness > g.Best {
			g.Best = t.Fitness
		}
		g.Mean += t.Fitness
		scored++
	}
	if scored > 0 {
		g.Mean /= float64(scored)
	}
	return g
}

// sample draws n of the problems for a generation, the same ones whenever it is
// asked, in their order; all of them if n is 0.
func sample(problems []task.Problem, n int, seed uint64, generation int) []task.Problem {
	if n <= 0 || n >= len(problems) {
		return problems
	}
	random := rand.NewPCG(seed, uint64(generation))
	lots := make([]uint64, len(problems))
	order := make([]int, len(problems))
	for i := range problems {
		lots[i], order[i] = random.Uint64(), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(lots[a], lots[b]) })
	chosen := slices.Sorted(slices.Values(order[:n]))
	drawn := make([]task.Problem, n)
	for i, c := range chosen {
		drawn[i] = problems[c]
	}
	return drawn
}

// seconds is a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
