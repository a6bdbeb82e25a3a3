package search

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

func TestAFullQueueIsBusy(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.QueueLimit = 2 })
	running := w.launchUntil(t, small(), task.Search, 1)
	second, third := w.launch(t, small()), w.launch(t, small())
	_, err := w.Launch(t.Context(), small())
	require.Equal(t, fault.Busy, fault.CodeOf(err))
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 3, "what was refused isn't there")

	require.NoError(t, w.Cancel(patient(t), third))
	fourth := w.launch(t, small()) // there is room again
	w.lab.hook(nil)
	require.NoError(t, w.Cancel(patient(t), running))
	a, b := w.done(t, second), w.done(t, fourth)
	require.False(t, b.StartedAt.Before(*a.EndedAt), "first come, first served, one at a time")
}

func TestALaunchThatGetsAPlaceAtOnceTakesNoneInTheQueue(t *testing.T) {
	slow := &slowStore{storing: make(chan struct{}, 3), goOn: make(chan struct{})}
	w := newWorld(t, func(o *Options) {
		slow.Store, o.Store, o.QueueLimit = o.Store, slow, 1
	})
	g := blockAt(task.Search, 1)
	w.lab.hook(g.before)
	answers := make(chan error, 2)
	for range 2 { // one will run, one will wait
		go func() { _, err := w.Launch(t.Context(), small()); answers <- err }()
		select {
		case <-slow.storing:
		case err := <-answers:
			close(slow.goOn)
			require.NoError(t, err)
		}
	}
	_, err := w.Launch(t.Context(), small())
	require.Equal(t, fault.Busy, fault.CodeOf(err))
	close(slow.goOn)
	require.NoError(t, <-answers)
	require.NoError(t, <-answers)
}

// slowStore lets writes of queued searches wait.
type slowStore struct {
	Store
	storing chan struct{}
	goOn    chan struct{}
}

func (s *slowStore) PutSearch(ctx context.Context, x store.Search) error {
	if x.State == string(Queued) {
		s.storing <- struct{}{}
		<-s.goOn
	}
	return s.Store.PutSearch(ctx, x)
}

func TestAsManySearchesRunAtOnceAsAllowed(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.MaxConcurrent = 2 })
	gates := []*gate{blockAt(task.Search, 1), blockAt(task.Search, 1)}
	w.lab.hook(gates[0].before)
	first := w.launch(t, small())
	await(t, gates[0].reached)
	w.lab.hook(gates[1].before)
	second := w.launch(t, small())
	await(t, gates[1].reached) // while the first runs
	third := w.launch(t, small())
	s, err := w.Get(t.Context(), third)
	require.NoError(t, err)
	require.Equal(t, Queued, s.State)

	w.lab.hook(nil)
	require.NoError(t, w.Cancel(patient(t), second))
	w.done(t, third)
	s, err = w.Get(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, Running, s.State)
}

func TestLaunchRefusesWhatCanNotRun(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		change func(*Spec)
		code   fault.Code
		param  string
	}{
		"an invalid spec":               {func(s *Spec) { s.Population = 1 }, fault.Invalid, "population"},
		"a task that isn't there":       {func(s *Spec) { s.Task = "poems" }, fault.NotFound, ""},
		"a model that isn't there":      {func(s *Spec) { s.Sources = []string{"stranger"} }, fault.NotFound, ""},
		"a sample of too many":          {func(s *Spec) { s.SampleSize = searchProblems + 1 }, fault.Invalid, "sample_size"},
		"nothing to search":             {func(s *Spec) { s.WeightRange = Range{1, 1} }, fault.Invalid, "weight_range"},
		"a start of other models":       {func(s *Spec) { r := s.average(); r.Sources[0].Model = "other"; s.Start = &r }, fault.Invalid, "start"},
		"more than can be searched":     {func(s *Spec) { s.Population = MaxPopulation + 1 }, fault.Invalid, "population"},
		"an alias of one of its models": {func(s *Spec) { s.Alias = "ja" }, fault.Invalid, "alias"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Launch(t.Context(), small(c.change))
			var e *fault.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.code, e.Code)
			require.Equal(t, c.param, e.Param)
		})
	}
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestAServiceNeedsAllOfItsParts(t *testing.T) {
	_, err := NewService(Options{})
	require.Equal(t, fault.Internal, fault.CodeOf(err))
	lab, tasks := newFakeLab(), task.NewLibrary(t.TempDir(), task.Loader{})
	_, err = NewService(Options{Store: &flakyStore{}, Lab: lab, Tasks: tasks, QueueLimit: -1})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	_, err = NewService(Options{Store: &flakyStore{}, Lab: lab, Tasks: tasks, ClaimTTL: time.Millisecond})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
	require.ErrorContains(t, err, "10ms")
}
