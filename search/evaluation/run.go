package evaluation

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// run carries one evaluation to its end.
type run struct {
	service  *Service
	task     *task.Task
	problems []task.Problem
	ctx      context.Context
	cancel   context.CancelCauseFunc
	ended    chan struct{} // closed when the end is stored

	outcomes []task.Outcome // of live's goroutine alone

	mu      sync.Mutex
	now     Evaluation
	changed chan struct{} // closed at the next change
}

// look gives the evaluation as it is, and a channel that is closed when it changes.
func (x *run) look() (Evaluation, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.now, x.changed
}

// change alters the evaluation before everybody's eyes.
func (x *run) change(alter func(e *Evaluation)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	alter(&x.now)
	x.now.Revision++
	close(x.changed)
	x.changed = make(chan struct{})
}

// live waits for a place, lets the model answer, and stores the end.
func (x *run) live() {
	s := x.service
	defer s.retire(x)
	defer close(x.ended)
	var beats sync.WaitGroup
	quiet := make(chan struct{})
	beats.Go(func() { x.beat(quiet) })
	err := x.work()
	close(quiet)
	beats.Wait()

	state, reason := Completed, ""
	switch cause := context.Cause(x.ctx); {
	case errors.Is(cause, errCancelled):
		state = Cancelled
	case errors.Is(cause, errStopped):
		state, reason = Interrupted, errStopped.Error()
	case err != nil:
		state, reason = Failed, err.Error()
	}
	at := time.Now().UTC()
	samples, encoded := task.EncodeSamples(task.Samples(x.problems, x.outcomes), s.ReplyBytes)
	if encoded != nil {
		s.Logger.Error("the samples of an evaluation can't be kept", "evaluation", x.now.ID, "error", encoded)
	}
	final, _ := x.look()
	final.State, final.Reason, final.EndedAt = state, reason, &at
	final.Revision++
	x.keep(final, samples)
	x.change(func(e *Evaluation) { e.State, e.Reason, e.EndedAt = state, reason, &at })
	s.Logger.Info("evaluation has ended", "evaluation", final.ID, "state", state, "reason", reason, "model", final.Spec.Model, "task", final.Spec.Task)
}

// keep stores the evaluation, again for a while if the store is out of reach.
func (x *run) keep(e Evaluation, samples []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.ctx), storeTimeout)
	defer cancel()
	for delay := 100 * time.Millisecond; ; delay *= 2 {
		err := x.put(ctx, e, samples)
		if err == nil {
			break
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			x.service.Logger.Error("the end of an evaluation is not in the store", "evaluation", e.ID, "error", err)
			return
		}
	}
	if err := x.service.Store.DeleteDocument(ctx, kindCancel, e.ID); err != nil && fault.CodeOf(err) != fault.NotFound {
		x.service.Logger.Warn("a wish to cancel stays in the store", "evaluation", e.ID, "error", err)
	}
}

func (x *run) put(ctx context.Context, e Evaluation, samples []byte) error {
	d, err := e.document(time.Now().UTC(), samples)
	if err != nil {
		return err
	}
	return x.service.Store.PutDocument(ctx, d)
}

// beat stores the evaluation now and then, as a sign of life, and looks whether
// somebody wants it cancelled.
func (x *run) beat(quiet <-chan struct{}) {
	ticks := time.NewTicker(beat)
	defer ticks.Stop()
	for {
		select {
		case <-quiet:
			return
		case <-ticks.C:
		}
		ctx, cancel := context.WithTimeout(x.ctx, storeTimeout)
		e, _ := x.look()
		if err := x.put(ctx, e, nil); err != nil {
			x.service.Logger.Warn("an evaluation can't be stored", "evaluation", e.ID, "error", err)
		}
		if _, err := x.service.Store.GetDocument(ctx, kindCancel, e.ID); err == nil {
			x.cancel(errCancelled)
		}
		cancel()
	}
}

// work lets the model answer.
func (x *run) work() (err error) {
	s := x.service
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-x.ctx.Done():
		return context.Cause(x.ctx)
	}
	defer func() {
		if p := recover(); p != nil {
			s.Logger.Error("an evaluation panicked", "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "panic: %v", p)
		}
	}()
	spec := x.now.Spec
	ctx, cancel := context.WithTimeoutCause(x.ctx, time.Duration(spec.Minutes*float64(time.Minute)), errMinutes)
	defer cancel()
	began := time.Now().UTC()
	x.change(func(e *Evaluation) { e.State, e.StartedAt = Running, &began })
	var subject Subject
	if err := patiently(ctx, func() (err error) { subject, err = s.Open(ctx, spec.Model); return err }); err != nil {
		return err
	}
	defer subject.Close()
	x.change(func(e *Evaluation) { e.Resolved = subject.ID() })
	for from := 0; from < len(x.problems); from += chunk {
		part := x.problems[from:min(from+chunk, len(x.problems))]
		var outcomes []task.Outcome
		err := patiently(ctx, func() (err error) { outcomes, err = subject.Answer(ctx, x.task, part); return err })
		if err == nil && len(outcomes) != len(part) {
			err = fault.New(fault.Internal, "%d outcomes for %d problems", len(outcomes), len(part))
		}
		if err != nil {
			return err
		}
		x.outcomes = append(x.outcomes, outcomes...)
		score := task.Summarize(x.outcomes)
		x.change(func(e *Evaluation) {
			e.Done, e.Score, e.Seconds = len(x.outcomes), &score, time.Since(began).Seconds()
		})
	}
	return nil
}

// patience is how often something that is impossible for the moment is tried.
const patience = 8

// patiently does something, again if it was only impossible for the moment. The end
// of ctx is its cause.
func patiently(ctx context.Context, do func() error) error {
	delay := 100 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := do()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch fault.CodeOf(err) {
		case fault.Busy, fault.Unavailable, fault.OutOfMemory:
		default:
			return err
		}
		if attempt == patience {
			return err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		delay *= 2
	}
}
