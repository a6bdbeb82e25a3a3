package search

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// Tasks is what searches need of a task.Library.
type Tasks interface {
	Get(ctx context.Context, name string) (*task.Task, error) // fault.NotFound
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
	// Owner names this process to people. Default: its machine and process id.
	Owner string
	// ClaimTTL is how long a search whose process has died waits before another
	// process on the same store continues it. Default: 15 s.
	ClaimTTL time.Duration
	// RetryDelay is the first pause before something that is temporarily
	// impossible is tried again. Default: 100 ms.
	RetryDelay time.Duration
	// ReplyBytes is how much of the replies of a trial is kept with its samples.
	// Default: 64 KiB; less than 0: nothing.
	ReplyBytes int
	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// MinClaimTTL is the shortest [Options.ClaimTTL]: claims are renewed several times
// meanwhile.
const MinClaimTTL = 10 * time.Millisecond

// DefaultReplyBytes is how much of the replies of a trial is kept.
const DefaultReplyBytes = 64 << 10

// errStopping is what a service that was stopped answers.
var errStopping = fault.New(fault.Unavailable, "the server is stopping")

// Service launches searches, runs them, and remembers them.
type Service struct {
	lab    Lab
	tasks  Tasks
	keeper keeper
	log    *slog.Logger
	owner  string // names this process in claims
	// claimEvery is how often claims are renewed, and searches that nobody has a
	// claim of are looked for.
	claimEvery time.Duration

	maxConcurrent int
	queueLimit    int
	replyBytes    int
	ctx           context.Context // of all runners; ends when the service stops
	stop          context.CancelCauseFunc
	runners       sync.WaitGroup

	mu      sync.Mutex
	active  map[string]*runner // running or queued
	queue   []*runner          // those waiting for a place, in order
	planned int                // those about to be stored and queued
	running int
	stopped bool

	adopting bool // searches that nobody runs are looked for
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
	setDefault(&o.ReplyBytes, DefaultReplyBytes)
	setDefault(&o.ClaimTTL, 15*time.Second)
	if o.Owner == "" {
		host, _ := os.Hostname() // only people read it
		o.Owner = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	if o.ClaimTTL < MinClaimTTL {
		return nil, fault.Bad("claim-ttl", "a claim of a search lasts %v: at least %v", o.ClaimTTL, MinClaimTTL)
	}
	if o.MaxConcurrent < 0 || o.QueueLimit < 0 || o.RetryDelay < 0 {
		return nil, fault.New(fault.Invalid, "the limits of a search service are positive numbers")
	}
	if o.Now == nil {
		o.Now = func() time.Time { return time.Now().UTC() }
	}
	s := &Service{
		lab: o.Lab, tasks: o.Tasks, log: o.Logger,
		keeper: keeper{store: o.Store, log: o.Logger, now: o.Now, delay: o.RetryDelay, ttl: o.ClaimTTL},
		owner:  o.Owner, claimEvery: o.ClaimTTL / renewals,

		maxConcurrent: o.MaxConcurrent, queueLimit: o.QueueLimit, replyBytes: o.ReplyBytes,
		active: map[string]*runner{},
	}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	return s, nil
}

// Start continues every search in the store that hasn't ended, that isn't paused, and that no other
// process runs, those that had begun before those that had not. A search it can't
// read is reported in the log and left alone. From then on searches whose process
// has died are continued here, as places become free.
func (s *Service) Start(ctx context.Context) error {
	stored, err := s.keeper.store.ListSearches(ctx)
	if err != nil {
		return err
	}
	unfinished := map[string]bool{} // by id: whether it had begun
	var ids []string                // by time of creation
	for _, one := range stored {
		if State(one.State).unclaimed() {
			continue
		}
		r, err := decodeRecord(one)
		if err != nil {
			s.log.Error("a search can't continue", "search", one.ID, "error", err)
			continue
		}
		ids = append(ids, one.ID)
		unfinished[one.ID] = r.StartedAt != nil
	}
	slices.SortStableFunc(ids, func(a, b string) int {
		switch {
		case unfinished[a] == unfinished[b]:
			return 0
		case unfinished[a]:
			return -1
		}
		return 1
	})
	for _, id := range ids {
		if err := s.adopt(ctx, id); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errStopping
	}
	if !s.adopting {
		s.adopting = true
		s.runners.Go(s.adoptFree)
	}
	return nil
}

// enqueue makes a search active, and runs it if there is a place. The caller
// holds the lock.
func (s *Service) enqueue(x *runner) {
	s.active[x.id] = x
	s.runners.Go(func() { s.keepClaim(x) })
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
