package search

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// The causes that end a runner's context.
var (
	errCancelled = errors.New("the search was cancelled")
	errPaused    = errors.New("the search was paused")
	errStopped   = errors.New("the process was stopped")
)

// finalSaveTimeout bounds the last write of a search whose context has ended.
const finalSaveTimeout = 10 * time.Second

// runner carries one search from wherever it is to its end. One goroutine calls
// run; the others only look at snapshots and events.
type runner struct {
	id     string
	lab    Lab
	tasks  Tasks
	keeper keeper
	log    *slog.Logger
	// replyBytes is how much of the replies of a trial is kept.
	replyBytes int

	launchNext func(ctx context.Context, done Search) (id string, err error)

	cancel context.CancelCauseFunc
	ctx    context.Context
	ended  chan struct{} // closed when run, or whoever ends the search instead of it, is through
	events *eventLog

	// What run works with. It belongs to its goroutine.
	record record
	trials []Trial
	asked  []*task.Task // each task of the search
	space  *Space
	seen   map[string]int  // recipe and problems → number of the trial
	began  time.Time       // when trials began, less the time spent on earlier ones
	ahead  *crowd[verdict] // the generation's candidates, if several are tried at once; nil else

	mu       sync.Mutex
	snapshot Search // what the store has
}

// newRunner makes a runner for a search that is in the store, and that the claim
// is of.
func newRunner(ctx context.Context, s *Service, r record, trials []Trial, claim store.Claim) *runner {
	x := &runner{
		id: r.ID, lab: s.lab, tasks: s.tasks, keeper: s.keeper.under(claim), replyBytes: s.replyBytes,
		log:    s.log.With("search", r.ID),
		ended:  make(chan struct{}),
		record: r, trials: trials, launchNext: s.launchNext,
	}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.events = newEventLog(r.replay(trials))
	x.count()
	x.show()
	return x
}

// lastEvent is the highest number of the events that trials tell.
func lastEvent(trials []Trial) int {
	last := 0
	for _, t := range trials {
		events := t.events()
		last = max(last, events[len(events)-1].Number)
	}
	return last
}

// look gives the search as the store has it.
func (x *runner) look() Search {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.snapshot
}

// show makes the current state visible.
func (x *runner) show() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.snapshot = x.record.Search.clone()
}

// run works until the search has ended or the context has.
func (x *runner) run() {
	defer close(x.ended)
	err := x.work(x.ctx)
	if err == nil {
		x.events.close()
		return
	}
	_ = x.end(err) // it is in the log
}

// work goes through the phases of a search. Each skips what is already done.
func (x *runner) work(ctx context.Context) error {
	if err := x.prepare(ctx); err != nil {
		return err
	}
	for _, phase := range []func(context.Context) error{x.try, x.validate, x.test, x.publish} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// prepare gets ready what isn't stored because it follows from what is.
func (x *runner) prepare(ctx context.Context) error {
	var err error
	digests := append([]string{x.record.TaskDigest}, x.record.OtherDigests...)
	x.asked = nil
	for i, name := range x.record.Spec.taskNames() {
		t, err := x.tasks.Get(ctx, name)
		if err != nil {
			return hindered(err)
		}
		if i >= len(digests) || t.Digest != digests[i] {
			return hindrance{fault.New(fault.Conflict, "the task %q has changed since the search began: scores from before and after can't be compared", name)}
		}
		x.asked = append(x.asked, t)
	}
	if x.space, err = newSpace(x.record.Spec, x.record.depths(), x.record.Inputs); err != nil {
		return err
	}
	if x.record.Optimizer == nil {
		return fault.New(fault.Damaged, "the search has lost its optimizer")
	}
	x.seen = map[string]int{}
	for _, t := range x.trials {
		x.remember(t)
	}
	return nil
}

// enter changes the state, unless the search is in it already.
func (x *runner) enter(ctx context.Context, state State) error {
	if x.record.State == state {
		return nil
	}
	return x.change(ctx, x.record, state, "")
}

// change gives the record a new state, and saves it.
func (x *runner) change(ctx context.Context, next record, state State, reason string) error {
	next.State, next.Reason = state, reason
	now := x.keeper.now()
	if next.StartedAt == nil && state == Running {
		next.StartedAt = &now
	}
	if state.Final() {
		next.EndedAt = &now
	}
	x.log.Info("search is "+string(state), "reason", reason, "trials", len(x.trials))
	return x.tell(ctx, next, Event{Type: StateChanged, State: state, Reason: reason})
}

// tell makes a new record and its event the search's: in the store first, and
// then before everybody's eyes. If it can't be saved nothing has changed, so
// that no later save brings a result whose event was never told.
func (x *runner) tell(ctx context.Context, next record, e Event) error {
	e.Number, e.At = next.LastEvent+1, x.keeper.now()
	next.LastEvent = e.Number
	next.Milestones = append(slices.Clip(next.Milestones), e)
	if err := x.keeper.save(ctx, next); err != nil {
		return err
	}
	x.record = next
	x.show()
	x.events.add(e)
	return nil
}

// end closes a search that can't go on, and says why. The context of its work
// may have ended, so this one write gets another. It gives the error of the
// write, if that failed. A search that another process has isn't ours to end.
func (x *runner) end(err error) error {
	defer x.events.close()
	if errors.Is(err, store.ErrClaimLost) || errors.Is(context.Cause(x.ctx), store.ErrClaimLost) {
		x.log.Warn("the search is left alone", "reason", err)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.ctx), finalSaveTimeout)
	defer cancel()
	state, reason := Failed, err.Error()
	switch cause := context.Cause(x.ctx); {
	case errors.Is(cause, errCancelled):
		state, reason = Cancelled, ""
	case cause == nil && isHindrance(err):
		state = Paused
	case errors.Is(cause, errPaused):
		state, reason = Paused, ""
	case cause != nil:
		if x.record.StartedAt == nil {
			return nil // still queued, as the store says
		}
		state, reason = Interrupted, errStopped.Error()
	}
	if err := x.change(ctx, x.record, state, reason); err != nil {
		x.log.Error("the end of the search is not in the store", "error", err)
		return err
	}
	return nil
}

// leave lets go of a search that never ran here and stays queued in the store.
func (x *runner) leave() {
	x.events.close()
	close(x.ended)
}

// grace gives a context that outlives ctx by so much.
func grace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if pause(late, d) == nil {
			cancel(context.Cause(ctx))
		}
	})
	return late, func() {
		stop()
		cancel(nil)
	}
}
