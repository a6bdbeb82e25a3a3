package evaluation

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// Store is what evaluations need of a store.Store.
type Store interface {
	CreateDocument(ctx context.Context, d store.Document) error
	PutDocument(ctx context.Context, d store.Document) error
	GetDocument(ctx context.Context, kind, id string) (store.Document, error)
	DocumentData(ctx context.Context, kind, id string) ([]byte, error)
	ListDocuments(ctx context.Context, kind string) ([]store.Document, error)
	DeleteDocument(ctx context.Context, kind, id string) error
}

// Tasks gives tasks by name.
type Tasks interface {
	Get(ctx context.Context, name string) (*task.Task, error) // fault.NotFound
}

// Subject is a model that is held while it answers.
type Subject interface {
	// ID is the model's: that of what an alias stood for when it was opened.
	ID() string
	// Answer gives the verdicts on the model's replies to problems, in their order.
	Answer(ctx context.Context, t *task.Task, problems []task.Problem) ([]task.Outcome, error)
	// Close lets go of the model.
	Close()
}

// Options are what a Service is made of.
type Options struct {
	Store  Store
	Tasks  Tasks
	Open   func(ctx context.Context, model string) (Subject, error)
	Logger *slog.Logger // slog.Default if nil

	// MaxConcurrent is how many evaluations run at once; the others wait. Default:
	// 1, for they share one device.
	MaxConcurrent int
	// QueueLimit is how many may wait. Default: 16.
	QueueLimit int
	// Keep is how many are kept; the oldest that have ended go first. Default: 1000.
	Keep int
	// ReplyBytes is how much of the replies of one evaluation is kept. Default: 16
	// MiB.
	ReplyBytes int
}

const (
	// chunk is how many problems are answered between two signs of progress.
	chunk = 64
	// beat is the time between two signs of life of an evaluation that runs.
	beat = 5 * time.Second
	// lostAfter is how long one without such signs counts as running.
	lostAfter = 30 * time.Second
	// pollEvery is the time between two looks at an evaluation of another process.
	pollEvery = time.Second
	// storeTimeout bounds a write that nobody waits for.
	storeTimeout = 10 * time.Second
)

// The causes that end an evaluation's context.
var (
	errCancelled = errors.New("the evaluation was cancelled")
	errStopped   = errors.New("the process was stopped")
	errMinutes   = errors.New("the time for the evaluation is over")
)

// Service runs evaluations and remembers them.
type Service struct {
	Options
	ctx  context.Context
	stop context.CancelCauseFunc
	all  sync.WaitGroup

	places chan struct{} // has an entry for each evaluation that runs

	mu      sync.Mutex
	active  map[string]*run
	stopped bool
}

// NewService makes a service.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Tasks == nil || o.Open == nil {
		return nil, fault.New(fault.Internal, "an evaluation service needs a store, tasks and models")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	for _, d := range []struct {
		field *int
		value int
	}{{&o.MaxConcurrent, 1}, {&o.QueueLimit, 16}, {&o.Keep, 1000}, {&o.ReplyBytes, 16 << 20}} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 0 {
			return nil, fault.New(fault.Invalid, "the limits of an evaluation service are positive numbers")
		}
	}
	s := &Service{Options: o, active: map[string]*run{}, places: make(chan struct{}, o.MaxConcurrent)}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	return s, nil
}

// Launch checks a spec, stores the evaluation and queues it.
func (s *Service) Launch(ctx context.Context, spec Spec) (Evaluation, error) {
	spec, err := spec.withDefaults()
	if err != nil {
		return Evaluation{}, err
	}
	t, err := s.Tasks.Get(ctx, spec.Task)
	if err != nil {
		return Evaluation{}, err
	}
	problems := t.Problems(spec.Split)
	if len(problems) == 0 {
		return Evaluation{}, fault.Bad("split", "task %q has no %q problems", t.Name, string(spec.Split))
	}
	if spec.Limit > 0 && spec.Limit < len(problems) {
		problems = problems[:spec.Limit]
	}
	x := &run{service: s, task: t, problems: problems, ended: make(chan struct{}), changed: make(chan struct{})}
	x.now = Evaluation{ID: newID(), State: Queued, Spec: spec, TaskDigest: t.Digest, Problems: len(problems), CreatedAt: time.Now().UTC(), Revision: 1}
	x.ctx, x.cancel = context.WithCancelCause(s.ctx)
	if err := s.admit(x); err != nil {
		return Evaluation{}, err
	}
	d, err := x.now.document(x.now.CreatedAt, nil)
	if err == nil {
		err = s.Store.CreateDocument(ctx, d)
	}
	if err != nil {
		s.retire(x)
		return Evaluation{}, err
	}
	s.forgetOld(ctx)
	e := x.now
	go x.live()
	return e, nil
}

// admit takes an evaluation in, unless too many wait.
func (s *Service) admit(x *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return fault.New(fault.Unavailable, "the server is stopping")
	}
	if waiting := len(s.active) - s.MaxConcurrent; waiting >= s.QueueLimit {
		return fault.New(fault.Busy, "%d evaluations are waiting already", waiting)
	}
	s.active[x.now.ID] = x
	s.all.Add(1)
	return nil
}

// retire forgets an evaluation that has ended; from now on the store speaks for it.
func (s *Service) retire(x *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.cancel(nil)
	delete(s.active, x.now.ID)
	s.all.Done()
}

func (s *Service) find(id string) *run {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active[id]
}

// forgetOld deletes the oldest evaluations that have ended while there are too
// many. What goes wrong is for the next time.
func (s *Service) forgetOld(ctx context.Context) {
	all, err := s.Store.ListDocuments(ctx, kind)
	for i := 0; err == nil && i < len(all)-s.Keep; i++ {
		if e, unread := read(all[i], time.Now()); unread != nil || e.State.Final() {
			err = s.Store.DeleteDocument(ctx, kind, all[i].ID)
		}
	}
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		s.Logger.Warn("old evaluations were not deleted", "error", err)
	}
}

// Stop interrupts all evaluations and waits until that is stored, or ctx ends.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.stop(errStopped)
	ended := make(chan struct{})
	go func() {
		s.all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
