package evaluation

import (
	"context"
	"slices"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// Get gives an evaluation.
func (s *Service) Get(ctx context.Context, id string) (Evaluation, error) {
	if x := s.find(id); x != nil {
		e, _ := x.look()
		return e, nil
	}
	d, err := s.Store.GetDocument(ctx, kind, id)
	if err != nil {
		return Evaluation{}, err
	}
	return read(d, time.Now())
}

// List gives all evaluations, the newest first. One that can't be read is shown as
// failed.
func (s *Service) List(ctx context.Context) ([]Evaluation, error) {
	stored, err := s.Store.ListDocuments(ctx, kind)
	if err != nil {
		return nil, err
	}
	all := make([]Evaluation, 0, len(stored))
	for _, d := range slices.Backward(stored) {
		if x := s.find(d.ID); x != nil {
			e, _ := x.look()
			all = append(all, e)
			continue
		}
		e, err := read(d, time.Now())
		if err != nil {
			e = Evaluation{ID: d.ID, State: Failed, Reason: err.Error(), CreatedAt: d.CreatedAt}
		}
		all = append(all, e)
	}
	return all, nil
}

// Samples gives the verdicts on the replies of an evaluation that has ended.
func (s *Service) Samples(ctx context.Context, id string) ([]task.Sample, error) {
	e, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if !e.State.Final() {
		return nil, fault.New(fault.Conflict, "evaluation %s is %s: its samples are stored when it has ended", id, e.State)
	}
	data, err := s.Store.DocumentData(ctx, kind, id)
	if err != nil {
		return nil, err
	}
	return task.DecodeSamples(data)
}

// Watch streams an evaluation as it changes, from the first revision above after,
// until it has ended or ctx does. Who reads slowly misses what was in between.
func (s *Service) Watch(ctx context.Context, id string, after int) (<-chan Evaluation, error) {
	if _, err := s.Get(ctx, id); err != nil {
		return nil, err
	}
	out := make(chan Evaluation)
	go func() {
		defer close(out)
		for {
			e, changed, err := s.next(ctx, id)
			if err != nil {
				return
			}
			if e.Revision > after {
				select {
				case out <- e:
					after = e.Revision
				case <-ctx.Done():
					return
				}
			}
			if e.State.Final() {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// next gives an evaluation, and what says that it is time to look again.
func (s *Service) next(ctx context.Context, id string) (Evaluation, <-chan struct{}, error) {
	if x := s.find(id); x != nil {
		e, changed := x.look()
		return e, changed, nil
	}
	e, err := s.Get(ctx, id)
	later := make(chan struct{})
	time.AfterFunc(pollEvery, func() { close(later) })
	return e, later, err
}

// Cancel ends an evaluation and waits until it has. What is known of it is kept. To
// cancel a cancelled one is fine; one that has ended otherwise is a conflict.
func (s *Service) Cancel(ctx context.Context, id string) error {
	if x := s.find(id); x != nil {
		x.cancel(errCancelled)
		select {
		case <-x.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	e, err := s.Get(ctx, id)
	switch {
	case err != nil:
		return err
	case e.State == Cancelled:
		return nil
	case e.State.Final():
		return fault.New(fault.Conflict, "evaluation %s is %s already", id, e.State)
	}
	// Another process runs it, and looks for this now and then.
	if err := s.ask(ctx, id); err != nil {
		return err
	}
	changes, err := s.Watch(ctx, id, e.Revision)
	if err != nil {
		return err
	}
	for e = range changes {
		if e.State.Final() && e.State != Cancelled {
			return fault.New(fault.Conflict, "evaluation %s is %s already", id, e.State)
		}
	}
	return ctx.Err()
}

// ask leaves the wish to cancel an evaluation for the process that runs it.
func (s *Service) ask(ctx context.Context, id string) error {
	err := s.Store.CreateDocument(ctx, store.Document{Kind: kindCancel, ID: id, CreatedAt: time.Now()})
	if fault.CodeOf(err) == fault.Conflict { // somebody else has already
		return nil
	}
	return err
}
