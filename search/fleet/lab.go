package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

const (
	// queueName is asynq's queue of orders, and orderType the type of its tasks.
	queueName = "mergeway-trials"
	orderType = "mergeway:evaluate"

	// pollEvery is how often an answer is looked for, and lookEvery how often
	// whether anybody still works on it.
	pollEvery = 10 * time.Millisecond
	lookEvery = 500 * time.Millisecond

	// MaxAttempts is how many workers an order goes to before the gateway answers
	// it itself.
	MaxAttempts = 5
	// longestOrder is how long an order may take; it bounds what asynq keeps.
	longestOrder = 24 * time.Hour

	// DefaultTTL is how long a member that is not heard of is in the fleet.
	DefaultTTL = 5 * time.Second
	// MinTTL is the shortest such time.
	MinTTL = 100 * time.Millisecond
)

// errNobody says that no worker will answer.
var errNobody = errors.New("no worker answers")

// Digester knows the contents of models: a catalog.Catalog does.
type Digester interface {
	// Digests are those of the models that a recipe names, as they are now.
	Digests(ctx context.Context, r merge.Recipe) (map[string]string, error)
}

// LabOptions are what a Lab is made of.
type LabOptions struct {
	// Local is the lab of this process. It does all that needs no evaluation, and
	// evaluates where there are no workers.
	Local  search.Lab
	Redis  redis.UniversalClient // where the fleet meets; it stays the caller's
	Models Digester
	// Self tells of this process; it is asked again at every beat.
	Self   func() Member
	Logger *slog.Logger // slog.Default if nil
	// TTL is how long a member that is not heard of is in the fleet. Default:
	// [DefaultTTL].
	TTL time.Duration
	// WorkersOnly leaves this process's device to its users as long as there are
	// workers.
	WorkersOnly bool
}

// Lab is a search.Lab that lets the workers of a fleet evaluate, and its own
// process too.
type Lab struct {
	search.Lab // of this process
	models     Digester
	self       func() Member
	log        *slog.Logger
	roster     roster
	client     *asynq.Client
	inspector  *asynq.Inspector
	idle       bool          // this process evaluates only where nobody else does
	here       chan struct{} // a place on this process's device

	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	workers []Member // as they were when they were looked for
	looked  time.Time
}

var _ search.Lab = (*Lab)(nil)

// NewLab makes a Lab and enters it into the fleet. Close it.
func NewLab(ctx context.Context, o LabOptions) (*Lab, error) {
	if o.Local == nil || o.Redis == nil || o.Models == nil {
		return nil, fault.New(fault.Internal, "a fleet needs a lab, Redis and models")
	}
	ttl, err := checkTTL(o.TTL)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	l := &Lab{
		Lab: o.Local, models: o.Models, log: o.Logger,
		roster:    roster{redis: o.Redis, ttl: ttl},
		client:    asynq.NewClientFromRedisClient(o.Redis),
		inspector: asynq.NewInspectorFromRedisClient(o.Redis),
		idle:      o.WorkersOnly,
		here:      make(chan struct{}, 1),
	}
	l.self = func() Member {
		m := o.Self()
		m.Role = RoleGateway
		return m
	}
	if err := l.roster.enter(ctx, l.self()); err != nil {
		return nil, err
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	l.done.Go(func() {
		l.roster.beat(beating, l.self, func(err error) { l.log.Warn("the fleet does not hear of this gateway", "error", err) })
	})
	return l, nil
}

// checkTTL fills in and checks a TTL.
func checkTTL(ttl time.Duration) (time.Duration, error) {
	if ttl == 0 {
		return DefaultTTL, nil
	}
	if ttl < MinTTL {
		return 0, fault.Bad("worker-ttl", "a worker that is not heard of for %v counts as lost: at least %v", ttl, MinTTL)
	}
	return ttl, nil
}

// Close leaves the fleet.
func (l *Lab) Close() {
	l.stop()
	l.done.Wait()
}

// Workers gives the members that answer, by name.
func (l *Lab) Workers(ctx context.Context) ([]Member, error) {
	return l.roster.list(ctx, RoleWorker)
}

// fit are the workers whose answers are those that this process would give. They
// are looked for now and then; where Redis can't be asked there are none.
func (l *Lab) fit(ctx context.Context) []Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.looked) < lookEvery {
		return l.workers
	}
	all, err := l.roster.list(ctx, RoleWorker)
	if err != nil && ctx.Err() == nil {
		l.log.Warn("workers can't be looked for", "error", err)
	}
	l.workers, l.looked = nil, time.Now()
	self := l.self()
	for _, m := range all {
		if m.Version == self.Version && m.Numerics == self.Numerics {
			l.workers = append(l.workers, m)
		}
	}
	return l.workers
}

// Width implements [search.Lab]: the places of all workers, each with one order that
// waits, and this process's.
func (l *Lab) Width(ctx context.Context) int {
	n := 0
	for _, m := range l.fit(ctx) {
		n += m.Slots + 1 // the next one lies ready in the queue when it is done with one
	}
	if n == 0 || !l.idle {
		n++
	}
	return n
}

// Evaluate implements [search.Lab].
func (l *Lab) Evaluate(ctx context.Context, r merge.Recipe, t *task.Task, problems []task.Problem) (search.Evaluation, error) {
	here := func() (search.Evaluation, error) { return l.Lab.Evaluate(ctx, r, t, problems) }
	return l.evaluate(ctx, here, func() (order, error) {
		digests, err := l.models.Digests(ctx, r)
		return l.order(t, problems, order{Recipe: r, Digests: digests}), err
	})
}

// EvaluateModel implements [search.Lab].
func (l *Lab) EvaluateModel(ctx context.Context, name string, t *task.Task, problems []task.Problem) (search.Evaluation, error) {
	// A name may mean another model there, an alias on its way for instance, and a
	// search asks this a few times only.
	return l.onOwn(ctx, func() (search.Evaluation, error) { return l.Lab.EvaluateModel(ctx, name, t, problems) })
}

// order completes an order.
func (l *Lab) order(t *task.Task, problems []task.Problem, o order) order {
	o.Task, o.TaskDigest, o.Problems, o.Version = t.Name, t.Digest, ids(problems), l.self().Version
	return o
}

// evaluate does something here if there is a place, or else has a worker do it; and
// here at last if none will.
func (l *Lab) evaluate(ctx context.Context, here func() (search.Evaluation, error), there func() (order, error)) (search.Evaluation, error) {
	workers := len(l.fit(ctx)) > 0
	if !l.idle || !workers {
		select {
		case l.here <- struct{}{}:
			defer func() { <-l.here }()
			return here()
		default:
		}
	}
	if !workers {
		return l.onOwn(ctx, here)
	}
	o, err := there()
	if err != nil {
		return search.Evaluation{}, err
	}
	e, err := l.send(ctx, o)
	if ctx.Err() == nil && (errors.Is(err, errNobody) || fault.CodeOf(err) == fault.Unavailable) {
		l.log.Warn("no worker answers: this process does", "error", err)
		return l.onOwn(ctx, here)
	}
	return e, err
}

// onOwn does something on this process's device, one thing at a time.
func (l *Lab) onOwn(ctx context.Context, here func() (search.Evaluation, error)) (search.Evaluation, error) {
	select {
	case l.here <- struct{}{}:
		defer func() { <-l.here }()
		return here()
	case <-ctx.Done():
		return search.Evaluation{}, fault.Wrap(context.Cause(ctx), fault.Cancelled, "wait for the device")
	}
}

// send puts an order into the queue and waits for the answer: from the next worker
// where one was lost. It is errNobody if there is none.
func (l *Lab) send(ctx context.Context, o order) (search.Evaluation, error) {
	id, err := o.id()
	if err != nil {
		return search.Evaluation{}, err
	}
	for attempt := range MaxAttempts {
		name := fmt.Sprintf("%s:%d", id, attempt)
		if err := l.enqueue(ctx, name, parcel{ID: id, Attempt: attempt, Order: o}); err != nil {
			return search.Evaluation{}, orCancelled(ctx, err)
		}
		a, err := l.await(ctx, id, name)
		switch {
		case errors.Is(err, errLost):
			l.log.Warn("a worker was lost: its trial is tried by another", "order", id, "attempt", attempt, "reason", err)
			continue
		case err != nil:
			l.withdraw(ctx, name)
			return search.Evaluation{}, orCancelled(ctx, err)
		case a.Evaluation != nil:
			return *a.Evaluation, nil
		}
		// A failure is nothing to keep: whatever it was may be over.
		if err := l.roster.redis.Del(ctx, keyAnswer(id)).Err(); err != nil {
			return search.Evaluation{}, l.roster.fault(err)
		}
		if a.Fault == nil || !a.Fault.Mine {
			return search.Evaluation{}, orInternal(a)
		}
		l.log.Warn("a worker can't do what it is asked: another is asked", "order", id, "worker", a.Worker, "reason", a.Fault.Message)
	}
	return search.Evaluation{}, fmt.Errorf("%w: %d attempts", errNobody, MaxAttempts)
}

// orCancelled is what an error is to a caller who may have gone away: then what
// failed is of no interest.
func orCancelled(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap(context.Cause(ctx), fault.Cancelled, "wait for a worker")
	}
	return err
}

// orInternal is the error of an answer without an evaluation.
func orInternal(a answer) error {
	if a.Fault == nil {
		return fault.New(fault.Internal, "worker %s: an answer without content", a.Worker)
	}
	return a.Fault.err(a.Worker)
}

// enqueue puts an order into the queue, unless it lies there already: from before
// this process started anew, or from a search that asks the same.
func (l *Lab) enqueue(ctx context.Context, name string, p parcel) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "write an order")
	}
	for range 2 {
		_, err = l.client.EnqueueContext(ctx, asynq.NewTask(orderType, body),
			asynq.Queue(queueName), asynq.TaskID(name), asynq.MaxRetry(0), asynq.Timeout(longestOrder))
		if !errors.Is(err, asynq.ErrTaskIDConflict) {
			return l.roster.fault(err)
		}
		info, err := l.inspector.GetTaskInfo(queueName, name)
		if err != nil || info.State == asynq.TaskStateActive || info.State == asynq.TaskStatePending {
			return nil // it is under way, or was until this moment
		}
		_ = l.inspector.DeleteTask(queueName, name) // it had ended without an answer
	}
	return nil
}

// errLost says that whoever took an order is gone.
var errLost = errors.New("it is not heard of any more")

// await waits for the answer to an order.
func (l *Lab) await(ctx context.Context, id, name string) (answer, error) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	looked := time.Now()
	for {
		body, err := l.roster.redis.Get(ctx, keyAnswer(id)).Bytes()
		if err == nil {
			var a answer
			if err := json.Unmarshal(body, &a); err != nil {
				return a, fault.Wrap(err, fault.Damaged, "read an answer")
			}
			return a, nil
		}
		if err := l.roster.fault(err); err != nil && ctx.Err() == nil {
			return answer{}, err
		}
		if time.Since(looked) >= lookEvery {
			if err := l.attended(ctx, name); err != nil {
				return answer{}, err
			}
			looked = time.Now()
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return answer{}, fault.Wrap(context.Cause(ctx), fault.Cancelled, "wait for a worker")
		}
	}
}

// attended gives an error if nobody works on an order, nor will.
func (l *Lab) attended(ctx context.Context, name string) error {
	holder, err := l.roster.redis.Get(ctx, keyHolder(name)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		if len(l.fit(ctx)) == 0 && ctx.Err() == nil {
			return errNobody
		}
		// Asynq may have had it still on its list, when it was put into the queue,
		// from an earlier time that it was done.
		info, err := l.inspector.GetTaskInfo(queueName, name)
		if errors.Is(err, asynq.ErrTaskNotFound) || err == nil && info.State != asynq.TaskStateActive && info.State != asynq.TaskStatePending {
			return fmt.Errorf("its order has ended: %w", errLost)
		}
		return nil
	case err != nil:
		return l.roster.fault(err)
	}
	alive, err := l.roster.alive(ctx, holder)
	if err == nil && !alive {
		return fmt.Errorf("worker %s: %w", holder, errLost)
	}
	return err
}

// withdraw takes an order back, or tells who works on it to stop. It is a courtesy:
// an answer that nobody waits for does no harm.
func (l *Lab) withdraw(ctx context.Context, name string) {
	if l.inspector.DeleteTask(queueName, name) != nil {
		_ = l.inspector.CancelProcessing(name)
	}
}
