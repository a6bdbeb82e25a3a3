package search

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestACrowdBeginsInOrderAndAsManyAsThereIsRoomFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, begun atomic.Int64
		room := atomic.Int64{}
		room.Store(2)
		jobs := make([]func(context.Context) int, 9)
		for i := range jobs {
			if i == 3 {
				continue
			}
			jobs[i] = func(context.Context) int {
				begun.Add(1)
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Duration(10-i) * time.Second)
				running.Add(-1)
				return i
			}
		}
		c := gather(t.Context(), func(context.Context) int { return int(room.Load()) }, jobs)
		defer c.close()
		require.False(t, c.has(3))
		synctest.Wait()
		require.EqualValues(t, 2, begun.Load())
		for i := range jobs {
			if !c.has(i) {
				continue
			}
			got, ok := c.wait(t.Context(), i)
			require.True(t, ok)
			require.Equal(t, i, got)
			if i == 4 {
				require.EqualValues(t, 2, most.Load())
				room.Store(5) // workers came
			}
		}
		require.Greater(t, most.Load(), int64(2))
	})
}

func TestACrowdThatIsClosedStops(t *testing.T) {
	var begun atomic.Int64
	jobs := make([]func(context.Context) error, 5)
	for i := range jobs {
		jobs[i] = func(ctx context.Context) error {
			begun.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
	}
	c := gather(t.Context(), func(context.Context) int { return 2 }, jobs)
	require.Eventually(t, func() bool { return begun.Load() == 2 }, 30*time.Second, time.Millisecond)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, ok := c.wait(gone, 4)
	require.False(t, ok)
	c.close()
	require.EqualValues(t, 2, begun.Load())
	err, ok := c.wait(t.Context(), 0)
	require.True(t, ok)
	require.ErrorIs(t, err, context.Canceled)
	var none *crowd[error]
	none.close()
	require.False(t, none.has(0))
}
