package catalog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
)

// A model that is being freed still takes its bytes, and will not for long: it is
// waited for. Models that are held are not.
func TestRoomThatIsBeingMadeIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		memory := device.NewMemory(10)
		rs := newResidents(memory, time.Now, func(*resident) { <-goOn })
		require.NoError(t, memory.Reserve(10))
		large, fresh := rs.hold("large")
		require.True(t, fresh)
		rs.settle(large, &infer.Model{}, 10, nil)
		require.Equal(t, fault.OutOfMemory, fault.CodeOf(memory.Reserve(1)), "it is held")
		rs.release(large)

		answers := make(chan error, 2)
		for range 2 {
			go func() { answers <- memory.Reserve(5) }()
			synctest.Wait()
			require.Empty(t, answers, "one frees the large model, the other waits for that")
		}
		close(goOn)
		require.NoError(t, <-answers)
		require.NoError(t, <-answers)
		require.Equal(t, fault.OutOfMemory, fault.CodeOf(memory.Reserve(1)))
	})
}

func TestWhoMakesAModelHoldsItUntilItIsMade(t *testing.T) {
	var freed []string
	memory := device.NewMemory(10)
	rs := newResidents(memory, time.Now, func(r *resident) { freed = append(freed, r.key) })
	require.NoError(t, memory.Reserve(10))
	r, _ := rs.hold("outcast")
	rs.release(r)
	rs.drop("outcast")
	require.Empty(t, freed)
	rs.settle(r, &infer.Model{}, 10, nil)
	require.Equal(t, []string{"outcast"}, freed)
	_, used := memory.Usage()
	require.Zero(t, used)
}
