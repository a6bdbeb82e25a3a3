package catalog_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
)

// feedBytes is what reading so many of the world's models takes, a unit at a time.
func feedBytes(models int64) int64 {
	return models * merge.UnitBytes(tinyConfig(), dtypes.Float32)
}

// resident is a merged model's weights as they are where there is room for all.
func resident(t *testing.T, r merge.Recipe) [][]float32 {
	t.Helper()
	w := newWorld(t)
	lease := w.acquire(w.keep("", r))
	defer lease.Release()
	require.Zero(t, w.merger.streams.Load(), "there is room")
	return numbers(t, lease.Model)
}

// What doesn't fit together is merged all the same, to the same bits; how many of
// its models are on the device, and for how long, is a matter of room.
func TestSourcesThatDoNotFitAreReadUnitByUnit(t *testing.T) {
	want := resident(t, blend(0.5, 0.25))
	require.Less(t, feedBytes(3), 2*tinyBytes(), "less than the models")
	for _, c := range []struct {
		name   string
		budget int64
		loaded []string // before
		stay   int64    // models on the device in the end, beside the merged one
	}{
		{"nothing is there", 3 * tinyBytes(), nil, 0},
		{"one unit at a time is all there is room for", tinyBytes() + feedBytes(3), nil, 0},
		{"what is there is used there", 3*tinyBytes() + tinyBytes()/2, []string{"base", "a"}, 2},
		{"what is there leaves too little room", 2*tinyBytes() + feedBytes(1), []string{"base", "a"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, func(w *world) { w.budget = c.budget })
			id := w.keep("", blend(0.5, 0.25))
			w.touch(c.loaded...)
			lease := w.acquire(id)
			defer lease.Release()
			require.Equal(t, want, numbers(t, lease.Model), "to the last bit")
			require.NotZero(t, w.merger.streams.Load())
			_, used := w.Budget()
			require.Equal(t, (1+c.stay)*tinyBytes(), used, "what was read unit by unit is gone")
			require.NotNil(t, lease.Model.Template)
			require.NotNil(t, lease.Model.Tokenizer)
			card, err := w.Card(t.Context(), id)
			require.NoError(t, err)
			require.True(t, card.Made.Streamed)

			if c.stay == 0 {
				lease.Release()
				candidate, err := w.Merge(t.Context(), blend(0.5, 0.25))
				require.NoError(t, err, "a search's merges are no other")
				require.Equal(t, want, numbers(t, candidate.Model))
				candidate.Release()
			}
		})
	}
}

func TestAMergeNeedsRoomForItselfAndAUnitOfEachSource(t *testing.T) {
	w := newWorld(t, func(w *world) { w.budget = tinyBytes() + feedBytes(3) - 1 })
	id := w.keep("", blend(0.5, 0.5))
	for _, merge := range []func() error{
		func() error { _, err := w.Acquire(t.Context(), id); return err },
		func() error { _, err := w.Merge(t.Context(), blend(1, 1)); return err },
	} {
		err := merge()
		require.Equal(t, fault.OutOfMemory, fault.CodeOf(err), "%v", err)
		var f *fault.Error
		require.True(t, errors.As(err, &f))
		for _, number := range []int64{tinyBytes(), feedBytes(3), tinyBytes() + feedBytes(3), w.budget} {
			require.Contains(t, f.Message, fmt.Sprint(number))
		}
	}
	require.Zero(t, w.merger.merges.Load(), "it is known before")
	_, used := w.Budget()
	require.Zero(t, used)
}

// Users' models are made while others have the room, at the price of reading the
// sources; a search waits for room.
func TestWhileOthersHaveTheRoomUsersComeFirst(t *testing.T) {
	w := newWorld(t, func(w *world) { w.budget = 4*tinyBytes() + feedBytes(3)/2 })
	id := w.keep("", blend(0.5, 0.5))
	var held []*catalog.Lease
	for range 2 {
		c, err := w.Merge(t.Context(), halves())
		require.NoError(t, err)
		held = append(held, c)
	}
	_, err := w.Merge(t.Context(), blend(1, 1))
	require.Equal(t, fault.OutOfMemory, fault.CodeOf(err))
	require.Zero(t, w.merger.streams.Load())
	w.touch(id)
	require.NotZero(t, w.merger.streams.Load())
	for _, c := range held {
		c.Release()
	}
}

// Whatever ends a streamed merge, its bytes come back, and it can be tried again.
func TestAStreamedMergeThatFailsGivesItsBytesBack(t *testing.T) {
	w := newWorld(t, room(3))
	id := w.keep("", blend(0.5, 0.5))
	for name, fail := range map[string]func() error{
		"an error":                  func() error { return errors.New("the device is gone") },
		"a panic":                   func() error { panic("out of bounds") },
		"sources change meanwhile":  func() error { writeModel(t, w.path("b"), tinyConfig(), 77); return nil },
		"and are as they were then": func() error { writeModel(t, w.path("b"), tinyConfig(), 2); return errors.New("this once") },
	} {
		t.Run(name, func(t *testing.T) {
			w.merger.fail = fail
			_, err := w.Acquire(t.Context(), id)
			require.Error(t, err)
			_, used := w.Budget()
			require.Zero(t, used)
			writeModel(t, w.path("b"), tinyConfig(), 2)
		})
	}
	w.merger.fail = nil
	w.touch(id)
}

func TestAModelTellsHowFarItIs(t *testing.T) {
	w := newWorld(t, room(3), func(w *world) { w.merger.gate = make(chan struct{}) })
	id := w.keep("", blend(0.5, 0.5))
	made := make(chan error)
	go func() {
		lease, err := w.Acquire(t.Context(), id)
		if err == nil {
			lease.Release()
		}
		made <- err
	}()
	require.Eventually(t, func() bool {
		e, err := w.Get(t.Context(), id)
		require.NoError(t, err)
		return e.State == catalog.Loading && e.Progress == 0.25
	}, waitTime, pollTime)
	close(w.merger.gate)
	require.NoError(t, <-made)
	e, err := w.Get(t.Context(), id)
	require.NoError(t, err)
	require.Zero(t, e.Progress)
	require.Equal(t, catalog.Ready, e.State)
}
