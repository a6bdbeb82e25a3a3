package search

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/task"
	"github.com/mergeway/mergeway/store"
)

// Claims in these tests last much longer than a test, or run out while it waits.
const (
	longClaim  = time.Hour
	shortClaim = 50 * time.Millisecond
)

// claimsLast sets how long the claims of a service last.
func claimsLast(ttl time.Duration) func(*Options) {
	return func(o *Options) { o.ClaimTTL = ttl }
}

// replica is another service on the store of a world, as another process has one.
// It isn't started.
func (w *world) replica(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	r := &world{lab: newFakeLab(), store: &flakyStore{Store: w.bolt}, bolt: w.bolt, path: w.path, tasks: w.tasks}
	o := Options{
		Store: r.store, Lab: r.lab, Tasks: task.NewLibrary(w.tasks, task.Loader{}), Owner: "the other one",
		Logger: slog.New(slog.DiscardHandler), RetryDelay: time.Millisecond, ClaimTTL: longClaim,
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	r.Service, err = NewService(o)
	require.NoError(t, err)
	r.claimEvery = time.Millisecond
	t.Cleanup(func() { require.NoError(t, r.Stop(patient(t))) })
	return r
}

// started starts a service.
func (w *world) started(t *testing.T) *world {
	t.Helper()
	require.NoError(t, w.Start(t.Context()))
	return w
}

// hang makes a process that runs a search up to evaluation n of a split, and then
// neither goes on nor renews its claim, until wake is called.
func hang(t *testing.T, w *world, split task.Split, n int) (id string, wake func()) {
	t.Helper()
	g, gone := blockAt(split, n), make(chan struct{})
	hung := make(chan struct{})
	w.lab.hook(func(_ context.Context, q question) error {
		g.mu.Lock()
		g.count[q.split]++
		here := q.split == split && g.count[q.split] == n
		g.mu.Unlock()
		if here { // deaf to what ends its context, as a process is that doesn't run
			close(hung)
			<-gone
		}
		return nil
	})
	w.store.frozen.Store(true)
	id = w.launch(t, small())
	await(t, hung)
	return id, func() { w.store.frozen.Store(false); close(gone) }
}

// eventually waits until a search is in a state.
func (w *world) eventually(t *testing.T, id string, want State) Search {
	t.Helper()
	var s Search
	require.Eventually(t, func() bool {
		var err error
		s, err = w.Get(t.Context(), id)
		return err == nil && s.State == want
	}, 30*time.Second, time.Millisecond)
	return s
}

func TestOneOfTwoRunsASearch(t *testing.T) {
	want := reference(t, small())
	w := newWorld(t)
	first, second := w.launchUntil(t, small(), task.Search, 3), w.launch(t, small())
	require.NoError(t, w.Stop(patient(t)))
	asked := len(w.lab.questions(""))

	one, other := w.replica(t), w.replica(t)
	starts := make(chan error, 2)
	for _, r := range []*world{one, other} {
		go func() { starts <- r.Start(t.Context()) }()
	}
	for range 2 {
		require.NoError(t, <-starts)
	}
	for _, id := range []string{first, second} {
		for _, r := range []*world{one, other} {
			r.eventually(t, id, Done)
			sameJSON(t, want, r.found(t, id))
		}
		requireGapless(t, one.listen(t, id, 0), 1)
	}
	asked += len(one.lab.questions("")) + len(other.lab.questions(""))
	solo := newWorld(t)
	solo.done(t, solo.launch(t, small()))
	require.Equal(t, 2*len(solo.lab.questions(""))+1, asked, "each question once, but for the one that was interrupted")
	require.Len(t, append(one.lab.publications(), other.lab.publications()...), 2)
}

// Wherever a process hangs, another continues its search after a while; and when
// the first wakes up, it changes nothing any more.
func TestASearchWhoseProcessHangsIsTakenOver(t *testing.T) {
	want := reference(t, small())
	for name, at := range interruptions {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, claimsLast(shortClaim))
			id, wake := hang(t, w, at.split, at.n)
			stream, err := w.Events(patient(t), id, 0)
			require.NoError(t, err)
			other := w.replica(t).started(t)
			other.eventually(t, id, Done)
			require.Len(t, other.lab.publications(), 1)
			stored, err := w.bolt.GetSearch(t.Context(), id)
			require.NoError(t, err)

			wake()
			await(t, drained(stream)) // it has noticed
			require.Eventually(t, func() bool { return w.find(id) == nil }, 30*time.Second, time.Millisecond)
			require.Empty(t, w.lab.publications())
			unchanged, err := w.bolt.GetSearch(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, stored, unchanged)
			for _, r := range []*world{w, other} {
				sameJSON(t, want, r.found(t, id))
				requireGapless(t, r.listen(t, id, 0), 1)
			}
		})
	}
}

// A search whose process could not reach the store goes on there when it can, if
// nobody else has begun to.
func TestAClaimThatRanOutIsGoodUntilSomebodyTakesIt(t *testing.T) {
	w := newWorld(t, claimsLast(shortClaim))
	w.store.frozen.Store(true)
	w.lab.hook(numbered(task.Test, func(int64) error { // it is renewed once more before the winner is published
		for w.store.frozen.Load() {
			free, err := w.bolt.FreeSearches(t.Context())
			if err != nil {
				return err
			}
			w.store.frozen.Store(len(free) == 0)
			time.Sleep(time.Millisecond)
		}
		return nil
	}))
	w.done(t, w.launch(t, small()))
}

func TestASearchThatIsLetGoOfIsTakenOverAtOnce(t *testing.T) {
	want := reference(t, small())
	w := newWorld(t, claimsLast(longClaim))
	id := w.launchUntil(t, small(), task.Search, 6)
	waiting := w.launch(t, small())
	other := w.replica(t).started(t)
	require.NoError(t, w.Stop(patient(t)))
	for _, id := range []string{id, waiting} {
		other.eventually(t, id, Done)
		sameJSON(t, want, other.found(t, id))
	}
}

func TestASearchIsTakenOverOnlyWhereThereIsAPlace(t *testing.T) {
	w := newWorld(t, claimsLast(longClaim))
	orphan := w.launchUntil(t, small(), task.Search, 6)
	busy := w.replica(t).started(t)
	own := busy.launchUntil(t, small(), task.Search, 2)
	require.NoError(t, w.Stop(patient(t)))
	asked := 0
	for range 20 { // it looks, and leaves it to others
		require.Nil(t, busy.find(orphan))
		asked = len(busy.lab.questions(""))
		time.Sleep(time.Millisecond)
	}
	require.Equal(t, 2, asked)
	busy.lab.hook(nil)
	require.NoError(t, busy.Cancel(patient(t), own))
	busy.eventually(t, orphan, Done)
}

func TestASearchIsCancelledFromAnotherProcess(t *testing.T) {
	w := newWorld(t).replica(t).started(t)
	running := w.launchUntil(t, small(), task.Search, 6)
	queued := w.launch(t, small())
	other := w.replica(t).started(t)
	for id, trials := range map[string]int{queued: 0, running: 5} {
		require.NoError(t, other.Cancel(patient(t), id))
		for _, r := range []*world{w, other} {
			s := r.eventually(t, id, Cancelled)
			require.Equal(t, trials, s.Progress.Trials)
			requireGapless(t, r.listen(t, id, 0), 1)
		}
		require.NoError(t, other.Cancel(patient(t), id), "twice is fine")
	}
	free, err := w.bolt.FreeSearches(t.Context())
	require.NoError(t, err)
	require.Empty(t, free, "nobody continues them")
}

func TestASearchWhoseProcessDiedIsCancelledWhenItsClaimRunsOut(t *testing.T) {
	w := newWorld(t, claimsLast(shortClaim))
	id, wake := hang(t, w, task.Search, 6)
	defer wake()
	other := w.replica(t) // not started: it takes over nothing
	require.NoError(t, other.Cancel(patient(t), id))
	s, err := other.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, Cancelled, s.State)
	require.Equal(t, 5, s.Progress.Trials)
}

func TestASearchIsFollowedFromAnotherProcess(t *testing.T) {
	w := newWorld(t, claimsLast(longClaim))
	id := w.launchUntil(t, small(), task.Search, 11)
	other := w.replica(t).started(t)
	s, err := other.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 10, s.Progress.Trials, "also those of the generation that goes on")
	require.Equal(t, w.find(id).look().LastEvent, s.LastEvent)
	all, err := other.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Search{s}, all)

	stream, err := other.Events(patient(t), id, 0)
	require.NoError(t, err)
	var events []Event
	for range s.LastEvent {
		events = append(events, <-stream)
	}
	late, err := other.Events(patient(t), id, s.LastEvent+3)
	require.NoError(t, err)
	require.NoError(t, w.Stop(patient(t))) // and the other one continues it
	for e := range stream {
		events = append(events, e)
	}
	requireGapless(t, events, 1)
	require.Equal(t, Done, events[len(events)-1].State)
	sameJSON(t, events, other.listen(t, id, 0))
	requireGapless(t, collect(late), s.LastEvent+4)
}

func collect(stream <-chan Event) (all []Event) {
	for e := range stream {
		all = append(all, e)
	}
	return all
}

func TestALaunchThatFailsLeavesNoClaim(t *testing.T) {
	w := newWorld(t, claimsLast(longClaim))
	for _, forget := range []bool{false, true} {
		refusing := &refusingStore{Store: w.store, forget: forget}
		w.keeper.store = refusing
		_, err := w.Launch(t.Context(), small())
		require.Error(t, err)
		w.keeper.store = w.store
		if forget { // the process died in between: the next one finds nothing to run
			require.NoError(t, w.bolt.EndClaim(t.Context(), refusing.claim, false))
			other := w.replica(t).started(t)
			require.Eventually(t, func() bool {
				free, err := other.store.FreeSearches(t.Context())
				return err == nil && len(free) == 0
			}, 30*time.Second, time.Millisecond)
		}
		_, err = w.bolt.RenewClaim(t.Context(), refusing.claim, longClaim)
		require.ErrorIs(t, err, store.ErrClaimLost)
	}
	all, err := w.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}

// refusingStore takes claims, and no searches.
type refusingStore struct {
	Store
	forget bool // does not hear when claims are ended
	claim  store.Claim
}

func (s *refusingStore) ClaimSearch(ctx context.Context, id, owner string, ttl time.Duration) (store.Claim, error) {
	var err error
	s.claim, err = s.Store.ClaimSearch(ctx, id, owner, ttl)
	return s.claim, err
}

func (s *refusingStore) EndClaim(ctx context.Context, c store.Claim, ended bool) error {
	if s.forget {
		return nil
	}
	return s.Store.EndClaim(ctx, c, ended)
}

func (s *refusingStore) PutSearch(context.Context, store.Search) error { return errStopping }
