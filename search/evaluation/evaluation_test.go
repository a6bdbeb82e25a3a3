package evaluation

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// problems is how many test problems the task of these tests has.
const problems = 150

// models is a world with one task, whose models answer as the test wants.
type models struct {
	mu     sync.Mutex
	open   int                                               // now
	opened int                                               // ever
	answer func(ctx context.Context, p []task.Problem) error // before each answer; may be nil
	task   *task.Task
}

func newModels(t *testing.T) *models {
	t.Helper()
	var lines strings.Builder
	for i := range problems {
		fmt.Fprintf(&lines, `{"id":"t%d","question":"q%d","answer":"%d"}`+"\n", i, i, i)
	}
	sums, err := task.Loader{}.Parse(task.Files{YAML: []byte("name: sums"), Splits: map[task.Split][]byte{
		task.Test: []byte(lines.String()), task.Validation: []byte(`{"id":"v","question":"v","answer":"1"}`),
	}})
	require.NoError(t, err)
	return &models{task: sums}
}

func (m *models) Get(_ context.Context, name string) (*task.Task, error) {
	if name != "sums" {
		return nil, fault.New(fault.NotFound, "there is no task %q", name)
	}
	return m.task, nil
}

func (m *models) Open(_ context.Context, name string) (Subject, error) {
	if name == "stranger" {
		return nil, fault.New(fault.NotFound, "no model is called %q", name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	m.opened++
	return &subject{m}, nil
}

type subject struct{ *models }

func (s *subject) ID() string { return "recipe-1" }

// Answer is right about every third problem.
func (s *subject) Answer(ctx context.Context, t *task.Task, p []task.Problem) ([]task.Outcome, error) {
	if s.answer != nil {
		if err := s.answer(ctx, p); err != nil {
			return nil, err
		}
	}
	replies := make([]task.Reply, len(p))
	for i := range p {
		replies[i].Text = "-1"
		if strings.HasSuffix(p[i].Question, "3") || strings.HasSuffix(p[i].Question, "7") {
			replies[i].Text = "It is " + p[i].Answer
		}
	}
	return t.ScoreAll(ctx, p, replies)
}

func (s *subject) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// held is how many models are held.
func (m *models) held() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

func newStore(t *testing.T) *store.Bolt {
	t.Helper()
	s, err := store.OpenBolt(filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newService(t *testing.T, m *models, s Store, change ...func(*Options)) *Service {
	t.Helper()
	o := Options{Store: s, Tasks: m, Open: m.Open, Logger: slog.New(slog.DiscardHandler)}
	for _, c := range change {
		c(&o)
	}
	service, err := NewService(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Stop(context.Background())) })
	return service
}

// end waits until an evaluation has ended.
func end(t *testing.T, s *Service, id string) Evaluation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	changes, err := s.Watch(ctx, id, 0)
	require.NoError(t, err)
	var last Evaluation
	for e := range changes {
		require.Greater(t, e.Revision, last.Revision)
		last = e
	}
	require.True(t, last.State.Final(), "%+v", last)
	return last
}

func TestAnEvaluationScoresAModelAndKeepsTheSamples(t *testing.T) {
	m, bolt := newModels(t), newStore(t)
	s := newService(t, m, bolt)
	for limit, want := range map[int]struct{ problems, correct int }{0: {150, 30}, 10: {10, 2}, 1000: {150, 30}} {
		launched, err := s.Launch(t.Context(), Spec{Model: "best", Task: "sums", Limit: limit})
		require.NoError(t, err)
		require.Equal(t, Queued, launched.State)
		require.Equal(t, Spec{Model: "best", Task: "sums", Split: task.Test, Limit: limit, Minutes: 60}, launched.Spec)
		e := end(t, s, launched.ID)
		require.Equal(t, Completed, e.State, e.Reason)
		require.Equal(t, "recipe-1", e.Resolved)
		require.Equal(t, m.task.Digest, e.TaskDigest)
		require.Equal(t, want.problems, e.Problems)
		require.Equal(t, want.problems, e.Done)
		require.Equal(t, want.correct, e.Score.Correct)
		require.Less(t, e.Score.Low, e.Score.Accuracy)
		require.Greater(t, e.Score.High, e.Score.Accuracy)
		require.NotNil(t, e.StartedAt)
		require.NotNil(t, e.EndedAt)

		samples, err := s.Samples(t.Context(), e.ID)
		require.NoError(t, err)
		require.Len(t, samples, want.problems)
		require.Equal(t, "t3", samples[3].ID)
		require.True(t, samples[3].Correct)
		require.Equal(t, "It is 3", samples[3].Reply)

		// What the store has is what was seen last.
		again, err := newService(t, m, bolt).Get(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, e, again)
	}
	require.Zero(t, m.held())
	all, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.False(t, all[0].CreatedAt.Before(all[2].CreatedAt), "the newest first")
}

func TestWhatCantBeEvaluatedIsRefused(t *testing.T) {
	s := newService(t, newModels(t), newStore(t))
	for name, c := range map[string]struct {
		spec Spec
		code fault.Code
		want string
	}{
		"no model":        {Spec{Task: "sums"}, fault.Invalid, "needs a model"},
		"no task":         {Spec{Model: "m"}, fault.Invalid, "needs a task"},
		"unknown task":    {Spec{Model: "m", Task: "t"}, fault.NotFound, `no task "t"`},
		"empty split":     {Spec{Model: "m", Task: "sums", Split: task.Search}, fault.Invalid, `no "search" problems`},
		"unknown split":   {Spec{Model: "m", Task: "sums", Split: "train"}, fault.Invalid, `no "train" problems`},
		"negative limit":  {Spec{Model: "m", Task: "sums", Limit: -1}, fault.Invalid, "limit is -1"},
		"no time":         {Spec{Model: "m", Task: "sums", Minutes: -1}, fault.Invalid, "minutes is -1"},
		"a year":          {Spec{Model: "m", Task: "sums", Minutes: 525600}, fault.Invalid, "minutes is 525600"},
		"not even a time": {Spec{Model: "m", Task: "sums", Minutes: nan()}, fault.Invalid, "minutes is NaN"},
	} {
		_, err := s.Launch(t.Context(), c.spec)
		require.Equal(t, c.code, fault.CodeOf(err), name)
		require.ErrorContains(t, err, c.want, name)
	}
	all, err := s.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func nan() float64 { var zero float64; return zero / zero }

func TestFailuresAreSaid(t *testing.T) {
	for name, c := range map[string]struct {
		model  string
		answer func(context.Context, []task.Problem) error
		want   string
		done   int
	}{
		"an unknown model": {"stranger", nil, `no model is called "stranger"`, 0},
		"in the middle": {"m", func(_ context.Context, p []task.Problem) error {
			if p[0].ID != "t0" {
				return fault.New(fault.Internal, "bad luck")
			}
			return nil
		}, "bad luck", chunk},
		"a panic": {"m", func(context.Context, []task.Problem) error { panic("at the disco") }, "panic: at the disco", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModels(t)
			m.answer = c.answer
			s := newService(t, m, newStore(t))
			launched, err := s.Launch(t.Context(), Spec{Model: c.model, Task: "sums"})
			require.NoError(t, err)
			e := end(t, s, launched.ID)
			require.Equal(t, Failed, e.State)
			require.Contains(t, e.Reason, c.want)
			require.Equal(t, c.done, e.Done)
			samples, err := s.Samples(t.Context(), e.ID)
			require.NoError(t, err)
			require.Len(t, samples, c.done, "what was found out is kept")
			require.Zero(t, m.held())
		})
	}
}

func TestWhatIsOnlyBusyIsTriedAgain(t *testing.T) {
	m := newModels(t)
	tries := 0
	m.answer = func(context.Context, []task.Problem) error {
		if tries++; tries < 3 {
			return fault.New(fault.Busy, "a moment")
		}
		return nil
	}
	s := newService(t, m, newStore(t))
	launched, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums", Limit: 5})
	require.NoError(t, err)
	require.Equal(t, Completed, end(t, s, launched.ID).State)
}

// blocked makes answers wait for their context.
func blocked(m *models) (reached chan struct{}) {
	reached = make(chan struct{}, 100)
	m.answer = func(ctx context.Context, _ []task.Problem) error {
		reached <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	return reached
}

func TestAnEvaluationCanBeCancelledWhetherItRunsOrWaits(t *testing.T) {
	m := newModels(t)
	reached := blocked(m)
	s := newService(t, m, newStore(t), func(o *Options) { o.QueueLimit = 1 })
	first, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.NoError(t, err)
	<-reached
	second, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.NoError(t, err)
	_, err = s.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.Equal(t, fault.Busy, fault.CodeOf(err), "one runs, one waits")
	_, err = s.Samples(t.Context(), first.ID)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))

	for _, id := range []string{second.ID, first.ID} {
		require.NoError(t, s.Cancel(t.Context(), id))
		e, err := s.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, Cancelled, e.State)
		require.NoError(t, s.Cancel(t.Context(), id), "twice is fine")
	}
	require.Zero(t, m.held())
	require.Equal(t, fault.NotFound, fault.CodeOf(s.Cancel(t.Context(), "none")))

	m.answer = nil
	third, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.NoError(t, err)
	require.Equal(t, Completed, end(t, s, third.ID).State)
	require.Equal(t, fault.Conflict, fault.CodeOf(s.Cancel(t.Context(), third.ID)))
}

func TestTheTimeOfAnEvaluationEnds(t *testing.T) {
	m := newModels(t)
	blocked(m)
	s := newService(t, m, newStore(t))
	launched, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums", Minutes: 1e-6})
	require.NoError(t, err)
	e := end(t, s, launched.ID)
	require.Equal(t, Failed, e.State)
	require.Equal(t, errMinutes.Error(), e.Reason)
}

func TestStoppingInterruptsAndSaysSo(t *testing.T) {
	m, bolt := newModels(t), newStore(t)
	reached := blocked(m)
	s := newService(t, m, bolt)
	launched, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.NoError(t, err)
	<-reached
	require.NoError(t, s.Stop(t.Context()))
	e, err := newService(t, m, bolt).Get(t.Context(), launched.ID)
	require.NoError(t, err)
	require.Equal(t, Interrupted, e.State)
	require.Equal(t, "the process was stopped", e.Reason)
	_, err = s.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
}

func TestAnEvaluationWhoseProcessDiedIsInterrupted(t *testing.T) {
	bolt := newStore(t)
	s := newService(t, newModels(t), bolt)
	e := Evaluation{ID: "eval-1", State: Running, Revision: 4, CreatedAt: time.Now().UTC()}
	for _, c := range []struct {
		age  time.Duration
		want State
	}{{0, Running}, {2 * lostAfter, Interrupted}} {
		d, err := e.document(time.Now().Add(-c.age), nil)
		require.NoError(t, err)
		require.NoError(t, bolt.PutDocument(t.Context(), d))
		got, err := s.Get(t.Context(), e.ID)
		require.NoError(t, err)
		require.Equal(t, c.want, got.State)
	}
	require.Equal(t, Interrupted, end(t, s, e.ID).State)
}

func TestAnotherProcessIsAskedToCancel(t *testing.T) {
	m, bolt := newModels(t), newStore(t)
	reached := blocked(m)
	here, there := newService(t, m, bolt), newService(t, m, bolt)
	launched, err := here.Launch(t.Context(), Spec{Model: "m", Task: "sums"})
	require.NoError(t, err)
	<-reached
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, there.Cancel(ctx, launched.ID))
	e, err := there.Get(ctx, launched.ID)
	require.NoError(t, err)
	require.Equal(t, Cancelled, e.State)
	_, err = bolt.GetDocument(ctx, kindCancel, launched.ID)
	require.Equal(t, fault.NotFound, fault.CodeOf(err), "the wish goes with its fulfilment")
}

func TestTheOldestAreForgotten(t *testing.T) {
	s := newService(t, newModels(t), newStore(t), func(o *Options) { o.Keep = 2 })
	var ids []string
	for range 4 {
		e, err := s.Launch(t.Context(), Spec{Model: "m", Task: "sums", Limit: 1})
		require.NoError(t, err)
		end(t, s, e.ID)
		ids = append(ids, e.ID)
	}
	_, err := s.Get(t.Context(), ids[0])
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = s.Get(t.Context(), ids[3])
	require.NoError(t, err)
}
