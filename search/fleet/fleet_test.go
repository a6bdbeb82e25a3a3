package fleet

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/redistest"
)

// fakeLab answers as the weight of the recipe says: the first problems are right,
// so many as the weight counts.
type fakeLab struct {
	search.Lab
	mu    sync.Mutex
	asked int
	hook  func(ctx context.Context) error // before an answer
}

func (l *fakeLab) Evaluate(ctx context.Context, r merge.Recipe, _ *task.Task, problems []task.Problem) (search.Evaluation, error) {
	l.mu.Lock()
	l.asked++
	hook := l.hook
	l.mu.Unlock()
	if hook != nil {
		if err := hook(ctx); err != nil {
			return search.Evaluation{}, err
		}
	}
	e := search.Evaluation{Merge: time.Millisecond, Answer: time.Second}
	for i := range problems {
		right := float64(i) < r.Sources[0].Weight.Values[0]
		e.Outcomes = append(e.Outcomes, task.Outcome{Correct: right, NumberRight: right, LanguageRight: true})
	}
	return e, nil
}

func (l *fakeLab) EvaluateModel(ctx context.Context, _ string, t *task.Task, problems []task.Problem) (search.Evaluation, error) {
	return l.Evaluate(ctx, candidate(0), t, problems)
}

func (l *fakeLab) calls() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

func (l *fakeLab) before(hook func(ctx context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hook = hook
}

// fakeModels knows the digests of models.
type fakeModels map[string]string

func (m fakeModels) Digests(_ context.Context, r merge.Recipe) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range r.Models() {
		digest, there := m[name]
		if !there {
			return nil, fault.New(fault.NotFound, "there is no model %q", name)
		}
		out[name] = digest
	}
	return out, nil
}

// candidate is a recipe that answers so many problems.
func candidate(right float64) merge.Recipe {
	r := merge.NewRecipe(merge.TaskArithmetic)
	r.Base, r.Sources = "base", []merge.Source{{Model: "ja", Weight: merge.Numbers(right)}}
	return r
}

const testTTL = 400 * time.Millisecond

// world is a Redis, and a task that every member has.
type world struct {
	redis  *redistest.Server
	tasks  string
	models fakeModels
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{redis: redistest.Start(t), tasks: t.TempDir(), models: fakeModels{"base": "sha256:b", "ja": "sha256:j"}}
	folder := filepath.Join(w.tasks, "sums")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "task.yaml"), []byte("name: sums\n"), 0o644))
	for n, split := range task.Splits() {
		var lines []byte
		for i := range 6 {
			lines = fmt.Appendf(lines, `{"id":"%s%d","question":"%s %d","answer":"%d"}`+"\n", split, i, split, i, n)
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, string(split)+".jsonl"), lines, 0o644))
	}
	return w
}

func (w *world) client(t *testing.T) *redis.Client {
	t.Helper()
	o, err := store.RedisOptions("redis://" + w.redis.Addr + "/0")
	require.NoError(t, err)
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *world) library() *task.Library { return task.NewLibrary(w.tasks, task.Loader{}) }

func (w *world) task(t *testing.T) *task.Task {
	t.Helper()
	found, err := w.library().Get(t.Context(), "sums")
	require.NoError(t, err)
	return found
}

// lab is the end of a gateway.
func (w *world) lab(t *testing.T, change ...func(*LabOptions)) (*Lab, *fakeLab) {
	t.Helper()
	local := &fakeLab{}
	o := LabOptions{
		Local: local, Redis: w.client(t), Models: w.models, TTL: testTTL, Logger: slog.New(slog.DiscardHandler),
		Self: func() Member {
			return Member{ID: "gateway", Name: "gateway", Version: "v1", Numerics: "exact", Models: w.models}
		},
	}
	for _, c := range change {
		c(&o)
	}
	l, err := NewLab(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l, local
}

// worker starts a worker; stop stops it as a signal does.
func (w *world) worker(t *testing.T, name string, change ...func(*WorkerOptions)) (lab *fakeLab, stop func()) {
	t.Helper()
	lab = &fakeLab{}
	o := WorkerOptions{
		Lab: lab, Tasks: w.library(), Models: w.models, Redis: w.client(t), TTL: testTTL, Logger: slog.New(slog.DiscardHandler),
		Self: Member{ID: name, Name: name, Version: "v1", Numerics: "exact", Models: w.models, Slots: 1},
	}
	for _, c := range change {
		c(&o)
	}
	worker, err := NewWorker(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return lab, stop
}

// eventually waits for what other goroutines do.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 30*time.Second, 5*time.Millisecond, what)
}

// correct counts the right answers of an evaluation.
func correct(e search.Evaluation) int { return task.Summarize(e.Outcomes).Correct }

// ask has a candidate evaluated on the search problems.
func (w *world) ask(t *testing.T, ctx context.Context, l *Lab, right float64) (search.Evaluation, error) {
	t.Helper()
	sums := w.task(t)
	return l.Evaluate(ctx, candidate(right), sums, sums.Problems(task.Search))
}

func workersOnly(o *LabOptions) { o.WorkersOnly = true }

func TestWithoutWorkersTheGatewayEvaluates(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*LabOptions){"both": func(*LabOptions) {}, "workers only": workersOnly} {
		t.Run(name, func(t *testing.T) {
			l, local := w.lab(t, change)
			require.Equal(t, 1, l.Width(t.Context()))
			e, err := w.ask(t, t.Context(), l, 4)
			require.NoError(t, err)
			require.Equal(t, 4, correct(e))
			require.Equal(t, 1, local.calls())
		})
	}
}

func TestWorkersEvaluate(t *testing.T) {
	w := newWorld(t)
	one, _ := w.worker(t, "one")
	two, stopTwo := w.worker(t, "two", func(o *WorkerOptions) { o.Self.Slots = 2 })
	l, local := w.lab(t, workersOnly)
	eventually(t, "the workers come", func() bool { return l.Width(t.Context()) == 5 })
	members, err := l.Workers(t.Context())
	require.NoError(t, err)
	require.Len(t, members, 2)
	require.Equal(t, "one", members[0].Name)

	var all sync.WaitGroup
	found := make([]int, 6)
	for i := range found {
		all.Go(func() {
			e, err := w.ask(t, t.Context(), l, float64(i))
			if err == nil {
				found[i] = correct(e)
			}
		})
	}
	all.Wait()
	require.Equal(t, []int{0, 1, 2, 3, 4, 5}, found)
	require.Zero(t, local.calls())
	require.Equal(t, 6, one.calls()+two.calls())

	// The same question has one answer, kept for whoever asks again.
	e, err := w.ask(t, t.Context(), l, 5)
	require.NoError(t, err)
	require.Equal(t, 5, correct(e))
	require.Equal(t, 6, one.calls()+two.calls())

	// What names a model is asked here.
	sums := w.task(t)
	_, err = l.EvaluateModel(t.Context(), "ja", sums, sums.Problems(task.Test))
	require.NoError(t, err)
	require.Equal(t, 1, local.calls())

	stopTwo()
	eventually(t, "one is gone", func() bool { return l.Width(t.Context()) == 2 })
}

func TestTheGatewayIsAWorkerToo(t *testing.T) {
	w := newWorld(t)
	remote, _ := w.worker(t, "one")
	l, local := w.lab(t)
	eventually(t, "the worker comes", func() bool { return l.Width(t.Context()) == 3 })
	gate := make(chan struct{})
	local.before(func(context.Context) error { <-gate; return nil })
	first := make(chan error, 1)
	go func() { _, err := w.ask(t, t.Context(), l, 1); first <- err }()
	eventually(t, "the gateway is at work", func() bool { return local.calls() == 1 })
	e, err := w.ask(t, t.Context(), l, 2)
	require.NoError(t, err)
	require.Equal(t, 2, correct(e))
	require.Equal(t, 1, remote.calls())
	close(gate)
	require.NoError(t, <-first)
}

// A worker that hangs or dies loses its trial to another; when it wakes up, its
// answer changes nothing.
func TestALostWorkersTrialIsTriedByAnother(t *testing.T) {
	w := newWorld(t)
	l, local := w.lab(t, workersOnly)
	hung, wake := make(chan struct{}), make(chan struct{})
	frozen := &frozenRedis{}
	first, _ := w.worker(t, "first", func(o *WorkerOptions) { o.Redis.(*redis.Client).AddHook(frozen) })
	first.before(func(context.Context) error {
		frozen.freeze()
		close(hung)
		<-wake
		return nil
	})
	eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
	done := make(chan error, 1)
	var e search.Evaluation
	go func() {
		var err error
		e, err = w.ask(t, t.Context(), l, 3)
		done <- err
	}()
	<-hung
	second, _ := w.worker(t, "second")
	require.NoError(t, <-done)
	require.Equal(t, 3, correct(e))
	require.Equal(t, 1, second.calls())
	require.Zero(t, local.calls())

	frozen.thaw()
	close(wake)
	eventually(t, "it is heard of again", func() bool { m, err := l.Workers(t.Context()); return err == nil && len(m) == 2 })
	e, err := w.ask(t, t.Context(), l, 3)
	require.NoError(t, err)
	require.Equal(t, 3, correct(e))
}

func TestWithoutAnyWorkerLeftTheGatewayDoesIt(t *testing.T) {
	w := newWorld(t)
	l, local := w.lab(t, workersOnly)
	lab, stop := w.worker(t, "one")
	lab.before(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
	done := make(chan error, 1)
	go func() { _, err := w.ask(t, t.Context(), l, 3); done <- err }()
	eventually(t, "it has the order", func() bool { return lab.calls() == 1 })
	stop()
	require.NoError(t, <-done)
	require.Equal(t, 1, local.calls())
}

func TestAnOrderIsWithdrawn(t *testing.T) {
	w := newWorld(t)
	l, _ := w.lab(t, workersOnly)
	lab, _ := w.worker(t, "one")
	stopped := make(chan struct{})
	lab.before(func(ctx context.Context) error { <-ctx.Done(); close(stopped); return ctx.Err() })
	eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { _, err := w.ask(t, ctx, l, 1); done <- err }()
	eventually(t, "it has the order", func() bool { return lab.calls() == 1 })
	go func() { _, err := w.ask(t, ctx, l, 2); done <- err }() // waits in the queue
	cancel()
	for range 2 {
		require.Equal(t, fault.Cancelled, fault.CodeOf(<-done))
	}
	<-stopped
	lab.before(nil)
	e, err := w.ask(t, t.Context(), l, 1)
	require.NoError(t, err, "what was withdrawn can be asked again")
	require.Equal(t, 1, correct(e))
	require.Equal(t, 2, lab.calls(), "the order in the queue was never begun")
}

func TestFailuresComeBackAndAreNotKept(t *testing.T) {
	w := newWorld(t)
	l, local := w.lab(t, workersOnly)
	lab, _ := w.worker(t, "one")
	eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
	lab.before(func(context.Context) error { return fault.Bad("weight", "it is too heavy") })
	_, err := w.ask(t, t.Context(), l, 1)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.ErrorContains(t, err, "worker one: it is too heavy")
	var f *fault.Error
	require.ErrorAs(t, err, &f)
	require.Equal(t, "weight", f.Param)

	lab.before(func(context.Context) error { panic("out of cheese") })
	_, err = w.ask(t, t.Context(), l, 1)
	require.Equal(t, fault.Internal, fault.CodeOf(err))
	require.ErrorContains(t, err, "out of cheese")

	lab.before(nil)
	_, err = w.ask(t, t.Context(), l, 1)
	require.NoError(t, err)
	require.Zero(t, local.calls())
}

// A worker that is unlike the gateway doesn't join; one that becomes so later
// answers nothing that counts.
func TestAWorkerHasToBeLikeItsGateway(t *testing.T) {
	w := newWorld(t)
	w.lab(t)
	for name, c := range map[string]struct {
		change func(*Member)
		says   string
	}{
		"another version":  {func(m *Member) { m.Version = "v2" }, "version v2, there v1"},
		"another device":   {func(m *Member) { m.Numerics = "vague" }, "computes by vague, there by exact"},
		"a missing model":  {func(m *Member) { m.Models = fakeModels{"base": "sha256:b"} }, "has no model ja"},
		"another content":  {func(m *Member) { m.Models = fakeModels{"base": "sha256:b", "ja": "sha256:x"} }, "model ja has another content"},
		"a model too many": {func(m *Member) { m.Models = fakeModels{"base": "sha256:b", "ja": "sha256:j", "more": "sha256:m"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			self := Member{ID: name, Name: name, Version: "v1", Numerics: "exact", Models: w.models, Slots: 1}
			c.change(&self)
			worker, err := NewWorker(WorkerOptions{Lab: &fakeLab{}, Tasks: w.library(), Models: w.models, Redis: w.client(t), Self: self, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			err = worker.Run(ctx)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, fault.Conflict, fault.CodeOf(err))
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestAnOrderThatAWorkerCannotDoIsDoneByAnother(t *testing.T) {
	for name, change := range map[string]func(o *WorkerOptions){
		"a source has changed": func(o *WorkerOptions) { o.Models = fakeModels{"base": "sha256:b", "ja": "sha256:new"} },
		"a source is gone":     func(o *WorkerOptions) { o.Models = fakeModels{"base": "sha256:b"} },
		"it lacks the task":    func(o *WorkerOptions) { o.Tasks = task.NewLibrary(t.TempDir(), task.Loader{}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			l, local := w.lab(t, workersOnly)
			lab, _ := w.worker(t, "one", change)
			eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
			e, err := w.ask(t, t.Context(), l, 2)
			require.NoError(t, err)
			require.Equal(t, 2, correct(e))
			require.Zero(t, lab.calls())
			require.Equal(t, 1, local.calls())
		})
	}
}

func TestLimitsOfWorkers(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		slots int
		ttl   time.Duration
		param string
	}{{0, 0, "trials-at-once"}, {MaxSlots + 1, 0, "trials-at-once"}, {1, MinTTL - 1, "worker-ttl"}, {MaxSlots, MinTTL, ""}} {
		_, err := NewWorker(WorkerOptions{Lab: &fakeLab{}, Tasks: w.library(), Models: w.models, Redis: w.client(t), Self: Member{Slots: c.slots}, TTL: c.ttl})
		if c.param == "" {
			require.NoError(t, err)
			continue
		}
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, c.param, f.Param)
	}
}

// Without Redis a gateway goes on by itself.
func TestWithoutRedisTheGatewayDoesIt(t *testing.T) {
	w := newWorld(t)
	l, local := w.lab(t, workersOnly)
	lab, _ := w.worker(t, "one")
	eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
	gate := make(chan struct{})
	lab.before(func(context.Context) error { <-gate; return nil })
	done := make(chan error, 1)
	go func() { _, err := w.ask(t, t.Context(), l, 3); done <- err }()
	eventually(t, "it has the order", func() bool { return lab.calls() == 1 })
	w.redis.Kill()
	require.NoError(t, <-done)
	require.Equal(t, 1, local.calls())
	w.redis.Restart(t)
	close(gate)
}

func TestAWorkerWithOtherPicturesIsNotAsked(t *testing.T) {
	dot := func(level uint8) []byte {
		m := image.NewGray(image.Rect(0, 0, 1, 1))
		m.SetGray(0, 0, color.Gray{Y: level})
		var out bytes.Buffer
		require.NoError(t, png.Encode(&out, m))
		return out.Bytes()
	}
	for name, c := range map[string]struct {
		level uint8 // of the picture that the worker has
		there int   // evaluations by the worker
	}{"the same picture": {7, 1}, "another picture": {8, 0}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			library := func(level uint8) *task.Library {
				dir := t.TempDir()
				files, err := task.Read(filepath.Join(w.tasks, "sums"))
				require.NoError(t, err)
				files.Splits[task.Search] = []byte(`{"id":"s","question":"How bright?","image":"dot.png","answer":"7"}`)
				files.Pictures = map[string][]byte{"dot.png": dot(level)}
				require.NoError(t, files.Write(filepath.Join(dir, "sums")))
				return task.NewLibrary(dir, task.Loader{})
			}
			l, local := w.lab(t, workersOnly)
			lab, _ := w.worker(t, "one", func(o *WorkerOptions) { o.Tasks = library(c.level) })
			eventually(t, "it comes", func() bool { return len(l.fit(t.Context())) == 1 })
			asked, err := library(7).Get(t.Context(), "sums")
			require.NoError(t, err)
			e, err := l.Evaluate(t.Context(), candidate(1), asked, asked.Problems(task.Search))
			require.NoError(t, err)
			require.Equal(t, 1, correct(e))
			require.Equal(t, c.there, lab.calls())
			require.Equal(t, 1-c.there, local.calls())
		})
	}
}
