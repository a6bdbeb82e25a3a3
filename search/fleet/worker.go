package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

const (
	// checkEvery is how often an idle worker looks into the queue.
	checkEvery = 10 * time.Millisecond
	// answerTTL is how long an answer is kept: a gateway that was restarted
	// meanwhile asks again.
	answerTTL = 10 * time.Minute
	// answerRetry is the pause before an answer is sent again that could not be.
	answerRetry = 200 * time.Millisecond
	// MaxSlots is the most orders that a worker takes at once.
	MaxSlots = 64
)

// Tasks is what a worker needs of a task.Library.
type Tasks interface {
	Get(ctx context.Context, name string) (*task.Task, error)
}

// WorkerOptions are what a Worker is made of.
type WorkerOptions struct {
	Lab    search.Lab // that makes and asks the models
	Tasks  Tasks
	Models Digester
	Redis  redis.UniversalClient // where the fleet meets; it stays the caller's
	Self   Member                // tells of this process; Slots is how many orders it takes at once
	Logger *slog.Logger          // slog.Default if nil
	// TTL is how long a member that is not heard of is in the fleet. Default:
	// [DefaultTTL].
	TTL time.Duration
}

// Worker answers orders.
type Worker struct {
	lab    search.Lab
	tasks  Tasks
	models Digester
	self   Member
	log    *slog.Logger
	roster roster
}

// NewWorker makes a worker.
func NewWorker(o WorkerOptions) (*Worker, error) {
	if o.Lab == nil || o.Tasks == nil || o.Models == nil || o.Redis == nil {
		return nil, fault.New(fault.Internal, "a worker needs a lab, tasks, models and Redis")
	}
	if o.Self.Slots < 1 || o.Self.Slots > MaxSlots {
		return nil, fault.Bad("trials-at-once", "a worker tries 1 to %d candidates at once, not %d", MaxSlots, o.Self.Slots)
	}
	ttl, err := checkTTL(o.TTL)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	o.Self.Role = RoleWorker
	return &Worker{lab: o.Lab, tasks: o.Tasks, models: o.Models, self: o.Self, log: o.Logger, roster: roster{redis: o.Redis, ttl: ttl}}, nil
}

// Run joins the fleet and answers orders until ctx ends. It fails at once where the
// worker differs from a gateway of the fleet in what decides about verdicts: the
// program, how the device computes, the contents of the models.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.check(ctx); err != nil {
		return err
	}
	server := asynq.NewServerFromRedisClient(w.roster.redis, asynq.Config{
		Concurrency: w.self.Slots, Queues: map[string]int{queueName: 1}, TaskCheckInterval: checkEvery,
		BaseContext: func() context.Context { return ctx },
		Logger:      quiet{w.log}, LogLevel: asynq.WarnLevel,
		ShutdownTimeout: time.Second,
	})
	if err := w.roster.enter(ctx, w.self); err != nil {
		return err
	}
	if err := server.Start(asynq.HandlerFunc(w.process)); err != nil {
		return fault.Wrap(err, fault.Unavailable, "look into the queue")
	}
	w.log.Info("this worker is in the fleet", "id", w.self.ID, "name", w.self.Name, "at_once", w.self.Slots)
	w.roster.beat(ctx, func() Member { return w.self }, func(err error) { w.log.Warn("the fleet does not hear of this worker", "error", err) })
	server.Shutdown()
	return nil
}

// check compares the worker with the gateways of the fleet.
func (w *Worker) check(ctx context.Context) error {
	gateways, err := w.roster.list(ctx, RoleGateway)
	if err != nil {
		return err
	}
	for _, g := range gateways {
		if why := w.self.Differences(g); len(why) > 0 {
			return fault.New(fault.Conflict, "this worker would not come to the verdicts of gateway %s: %s", g.Name, strings.Join(why, "; "))
		}
	}
	return nil
}

// process answers one order. It fails only where the worker is stopped: whoever
// asked hears that it is gone, and asks another.
func (w *Worker) process(ctx context.Context, t *asynq.Task) error {
	var p parcel
	if err := json.Unmarshal(t.Payload(), &p); err != nil {
		w.log.Error("an order can't be read", "error", err)
		return nil
	}
	log := w.log.With("order", p.ID, "attempt", p.Attempt)
	if n, err := w.roster.redis.Exists(ctx, keyAnswer(p.ID)).Result(); err == nil && n > 0 {
		return nil // another was faster
	}
	holder := keyHolder(fmt.Sprintf("%s:%d", p.ID, p.Attempt))
	if err := w.roster.redis.Set(ctx, holder, w.self.ID, longestOrder).Err(); err != nil {
		return w.roster.fault(err)
	}
	began := time.Now()
	a := answer{Worker: w.self.Name}
	e, err := w.evaluate(ctx, p.Order)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		log.Warn("an order could not be done", "error", err)
		a.Fault = newRefusal(err)
	} else {
		a.Evaluation = &e
	}
	if err := w.answer(ctx, p.ID, a); err != nil {
		return err
	}
	log.Info("order done", "task", p.Order.Task, "problems", len(p.Order.Problems), "took", time.Since(began))
	_ = w.roster.redis.Del(ctx, holder).Err() // it would run out
	return nil
}

// answer lets everybody know, again and again while Redis is out of reach.
func (w *Worker) answer(ctx context.Context, id string, a answer) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "write an answer")
	}
	for {
		err := w.roster.redis.Set(ctx, keyAnswer(id), body, answerTTL).Err()
		if err == nil {
			return nil
		}
		w.log.Warn("an answer could not be given: will try again", "order", id, "error", err)
		select {
		case <-time.After(answerRetry):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// evaluate does what an order asks, if the worker would do it as who asks.
func (w *Worker) evaluate(ctx context.Context, o order) (e search.Evaluation, err error) {
	defer func() { // a bad candidate must not take the worker with it
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "panic: %v", p)
		}
	}()
	if o.Version != w.self.Version {
		return e, unfit("version %s, asked by %s", w.self.Version, o.Version)
	}
	t, err := w.tasks.Get(ctx, o.Task)
	if err != nil {
		return e, unfit("%v", err)
	}
	if t.Digest != o.TaskDigest {
		return e, unfit("task %q has another content", o.Task)
	}
	problems, err := find(t, o.Problems)
	if err != nil {
		return e, err
	}
	digests, err := w.models.Digests(ctx, o.Recipe)
	switch {
	case fault.CodeOf(err) == fault.NotFound:
		return e, unfit("%v", err)
	case err != nil:
		return e, err
	case !maps.Equal(digests, o.Digests):
		return e, unfit("a source has another content: %v, asked for %v", digests, o.Digests)
	}
	return w.lab.Evaluate(ctx, o.Recipe, t, problems)
}

// unfit is the error of an order that others could do.
func unfit(format string, args ...any) error {
	return fault.Wrap(errUnfit, fault.Conflict, format, args...)
}

// quiet hands asynq's words to our log.
type quiet struct{ log *slog.Logger }

func (q quiet) Debug(args ...any) { q.log.Debug(fmt.Sprint(args...)) }
func (q quiet) Info(args ...any)  { q.log.Debug(fmt.Sprint(args...)) }
func (q quiet) Warn(args ...any)  { q.log.Warn(fmt.Sprint(args...)) }
func (q quiet) Error(args ...any) { q.log.Warn(fmt.Sprint(args...)) }
func (q quiet) Fatal(args ...any) { q.log.Error(fmt.Sprint(args...)) }
