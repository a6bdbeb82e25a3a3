package search

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

func TestEventsReplayedAreTheEventsThatWereTold(t *testing.T) {
	w := newWorld(t)
	id := w.launch(t, small())
	live := w.listen(t, id, 0)
	requireGapless(t, live, 1)
	require.Equal(t, Done, live[len(live)-1].State)
	w = w.reopen(t)
	sameJSON(t, live, w.listen(t, id, 0))
}

func TestReplayAfterANumberIsTheTail(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, small(), task.Search, 11)
	s, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	told := s.LastEvent
	streams := map[int]<-chan Event{}
	for after := range told + 3 { // some of them wait for what hasn't happened yet
		streams[after], err = w.Events(patient(t), id, after)
		require.NoError(t, err)
	}
	require.NoError(t, w.Cancel(patient(t), id))
	all := w.listen(t, id, 0)
	require.Len(t, all, told+1)
	for after, stream := range streams {
		var tail []Event
		for e := range stream {
			tail = append(tail, e)
		}
		require.Len(t, tail, max(0, len(all)-after))
		for i, e := range tail {
			require.Equal(t, after+1+i, e.Number)
			sameJSON(t, all[after+i], e)
		}
		sameJSON(t, tail, w.listen(t, id, after)) // and the same from the store
	}
}

func TestASlowWatcherGetsEverythingAndHoldsUpNobody(t *testing.T) {
	w := newWorld(t)
	first := make(chan struct{})
	w.lab.hook(func(ctx context.Context, _ question) error {
		select {
		case <-first:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	id := w.launch(t, small())
	slow, err := w.Events(patient(t), id, 0)
	require.NoError(t, err)
	got := []Event{<-slow}
	close(first)
	w.done(t, id) // while nobody reads
	for e := range slow {
		got = append(got, e)
	}
	sameJSON(t, w.listen(t, id, 0), got)
}

func TestAWatcherWhoLeavesEndsTheStream(t *testing.T) {
	w := newWorld(t)
	id := w.launchUntil(t, small(), task.Search, 2)
	ctx, leave := context.WithCancel(t.Context())
	waiting, err := w.Events(ctx, id, 1000)
	require.NoError(t, err)
	offered, err := w.Events(ctx, id, 0)
	require.NoError(t, err)
	leave()
	await(t, drained(waiting))
	await(t, drained(offered))
}

func TestEventsOfNoSearchAndNegativeNumbersAreRefused(t *testing.T) {
	w := newWorld(t)
	_, err := w.Events(t.Context(), "search-0", 0)
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = w.Get(t.Context(), "search-0")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = w.Trials(t.Context(), "search-0")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	_, err = w.Events(t.Context(), w.launch(t, small()), -1)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}
