package search

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// Tasks is what searches need of a task.Library.
type Tasks interface {
	Get(name string) (*task.Task, error) // fault.NotFound
}

// Options are what a Service is made of.
type Options struct {
	Store  Store
	Lab    Lab
	Tasks  Tasks
	Logger *slog.Logger // slog.Default if nil

	// MaxConcurrent is how many searches run at once; the others wait. Default:
	// 1, for they share one device.
	MaxConcurrent int
	// QueueLimit is how many may wait. Default: 16.
	QueueLimit int
	// RetryDelay is the first pause before something that is temporarily
	// impossible is tried again. Default: 100 ms.
	RetryDelay time.Duration
	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// errStopping is what a service that was stopped answers.
var errStopping = fault.New(fault.Unavailable, "the server is stopping")

// Service launches searches, runs them, and remembers them.
type Service struct {
	lab    Lab
	tasks  Tasks
	keeper keeper
	log    *slog.Logger

	maxConcurrent int
	queueLimit    int
	ctx           context.Context // of all runners; ends when the service stops
	stop          context.CancelCauseFunc
	runners       sync.WaitGroup

	mu      sync.Mutex
	active  map[string]*runner // running or queued
	queue   []*runner          // those waiting for a place, in order
	planned int                // those about to be stored and queued
	running int
	stopped bool
}

// NewService makes a service. Searches that are in the store go on when
// [Service.Start] is called.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Lab == nil || o.Tasks == nil {
		return nil, fault.New(fault.Internal, "a search service needs a store, a lab and tasks")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	setDefault(&o.MaxConcurrent, 1)
	setDefault(&o.QueueLimit, 16)
	setDefault(&o.RetryDelay, 100*time.Millisecond)
	if o.MaxConcurrent < 0 || o.QueueLimit < 0 || o.RetryDelay < 0 {
		return nil, fault.New(fault.Invalid, "the limits of a search service are positive numbers")
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Now().UTC() }
	}
	s := &Service{
		lab: o.Lab, tasks: o.Tasks, log: o.Logger,
		keeper:        keeper{store: o.Store, log: o.Logger, now: o.Now, delay: o.RetryDelay},
		maxConcurrent: o.MaxConcurrent, queueLimit: o.QueueLimit,
		active: map[string]*runner{},
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	return s, nil
}

// Start continues every search in the store that hasn't ended, those that had
// begun before those that had not. A search it can't read is reported in the
// log and left alone.
//
// It assumes that no other process runs searches from the same store.
func (s *Service) Start(ctx context.Context) error {
	stored, err := s.keeper.store.ListSearches(ctx)
	if err != nil {
		return err
	}
	var found []*runner
	for _, one := range stored {
		if State(one.State).Final() {
			continue
		}
		r, err := decodeRecord(one)
		var trials []Trial
		if err == nil {
			trials, err = s.keeper.trials(ctx, r)
		}
		if code := fault.CodeOf(err); code == fault.Unavailable || code == fault.Cancelled {
			return err // it is the store that is out of order, not the search
		}
		if err != nil {
			s.log.Error("a search can't continue", "search", one.ID, "error", err)
			continue
		}
		found = append(found, newRunner(s.ctx, s, r, trials))
	}
	slices.SortStableFunc(found, func(a, b *runner) int {
		if begunA, begunB := a.record.StartedAt != nil, b.record.StartedAt != nil; begunA != begunB {
			if begunA {
				return -1
			}
			return 1
		}
		return a.record.CreatedAt.Compare(b.record.CreatedAt)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopping
	}
	for _, x := range found {
		if _, there := s.active[x.id]; there {
			x.cancel(nil)
			continue
		}
		s.log.Info("search continues", "search", x.id, "state", x.record.State, "trials", len(x.trials))
		s.enqueue(x)
	}
	return nil
}

// enqueue makes a search active, and runs it if there is a place. The caller
// holds the lock.
func (s *Service) enqueue(x *runner) {
	s.active[x.id] = x
	if s.stopped { // while it was being stored: it begins when a service starts
		x.leave()
		return
	}
	s.queue = append(s.queue, x)
	s.dispatch()
}

// dispatch gives free places to those who wait. The caller holds the lock.
func (s *Service) dispatch() {
	for !s.stopped && s.running < s.maxConcurrent && len(s.queue) > 0 {
		x := s.queue[0]
		s.queue = s.queue[1:]
		s.running++
		s.runners.Go(func() {
			x.run()
			s.retire(x, true)
		})
	}
}

// retire forgets a search that has ended; from now on the store speaks for it.
func (s *Service) retire(x *runner, ran bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.cancel(nil)
	if s.active[x.id] == x {
		delete(s.active, x.id)
	}
	if ran {
		s.running--
	}
	s.dispatch()
}

// find gives the runner of an active search, or nil.
func (s *Service) find(id string) *runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[id]
}

// Get gives a search.
func (s *Service) Get(ctx context.Context, id string) (Search, error) {
	if x := s.find(id); x != nil {
		return x.look(), nil
	}
	r, err := s.keeper.load(ctx, id)
	return r.Search, err
}

// List gives all searches, the newest first. One that can't be read is shown as
// failed.
func (s *Service) List(ctx context.Context) ([]Search, error) {
	stored, err := s.keeper.store.ListSearches(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Search, 0, len(stored))
	for _, one := range stored {
		if x := s.find(one.ID); x != nil {
			all = append(all, x.look())
			continue
		}
		r, err := decodeRecord(one)
		if err != nil {
			r.Search = Search{ID: one.ID, State: Failed, Reason: err.Error(), CreatedAt: one.CreatedAt}
		}
		all = append(all, r.Search)
	}
	slices.SortStableFunc(all, func(a, b Search) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return all, nil
}

// Trials gives the trials of a search in the order of their numbers.
func (s *Service) Trials(ctx context.Context, id string) ([]Trial, error) {
	r, err := s.keeper.load(ctx, id)
	if err != nil {
		return nil, err
	}
	return s.keeper.trials(ctx, r)
}

// Events streams the events of a search that are numbered higher than after,
// past ones first, until the search ends or ctx does. How fast they are read is
// the reader's business.
func (s *Service) Events(ctx context.Context, id string, after int) (<-chan Event, error) {
	if after < 0 {
		return nil, fault.Bad("after", "events are numbered from 1: after can't be %d", after)
	}
	if x := s.find(id); x != nil {
		return x.events.watch(ctx, after), nil
	}
	r, err := s.keeper.load(ctx, id)
	if err != nil {
		return nil, err
	}
	trials, err := s.keeper.trials(ctx, r)
	if err != nil {
		return nil, err
	}
	l := newEventLog(r.replay(trials))
	l.close()
	return l.watch(ctx, after), nil
}

// Cancel ends a search and waits until it has. Its trials are kept. To cancel a
// cancelled search is fine; one that has ended otherwise is a conflict.
func (s *Service) Cancel(ctx context.Context, id string) error {
	if x := s.find(id); x != nil {
		x.cancel(errCancelled)
		if s.dequeue(x) {
			_ = x.end(errCancelled) // the store is asked below
			close(x.ended)
			s.retire(x, false)
		}
		select {
		case <-x.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r, err := s.keeper.load(ctx, id)
	switch {
	case err != nil:
		return err
	case r.State == Cancelled:
		return nil
	case r.State.Final():
		return fault.New(fault.Conflict, "search %s is %s already", id, r.State)
	}
	return s.bury(ctx, r)
}

// bury cancels a search that has not ended, yet that nobody runs: one that was
// given up because the store was out of reach for too long.
func (s *Service) bury(ctx context.Context, r record) error {
	if s.ctx.Err() != nil {
		return errStopping
	}
	trials, err := s.keeper.trials(ctx, r)
	if err != nil {
		return err
	}
	x := newRunner(s.ctx, s, r, trials)
	x.cancel(errCancelled)
	return x.end(errCancelled)
}

// dequeue takes a search out of the queue, and reports whether it was there.
func (s *Service) dequeue(x *runner) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.queue, x)
	if i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
	return i >= 0
}

// Stop interrupts all searches and waits until they are saved, or ctx ends.
// They go on at the next [Service.Start].
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	waiting := s.queue
	s.queue = nil
	s.mu.Unlock()
	s.stop(errStopped)
	for _, x := range waiting {
		x.leave()
	}
	saved := make(chan struct{})
	go func() {
		s.runners.Wait()
		close(saved)
	}()
	select {
	case <-saved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
