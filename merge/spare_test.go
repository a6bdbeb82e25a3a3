package merge

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/merge/onepass"
)

// A model is merged into the memory of the one that was freed before it, which counts
// against the budget meanwhile and is given up for others.
func TestMemoryOfAFreedModelIsUsedAgain(t *testing.T) {
	if !onepass.Supported() || !devicetest.Open(t).SharesMemory() {
		t.Skip("this processor has no kernel for merges")
	}
	x := newExecutor(t)
	models := smallModels(t, 30)
	r := paper()
	bytes := models["base"].Bytes()
	memory := device.NewMemory(2 * bytes)
	x.KeepSpare(memory)

	first, err := x.Merge(context.Background(), r, models)
	require.NoError(t, err)
	want := read(t, first)
	at, err := x.dev.HostMemory(first.Tensors()[0])
	require.NoError(t, err)
	first.Free()
	require.NoError(t, memory.Reserve(bytes), "beside what is kept there is room")

	second, err := x.Merge(context.Background(), r, models)
	require.NoError(t, err)
	again, err := x.dev.HostMemory(second.Tensors()[0])
	require.NoError(t, err)
	assert.Equal(t, at, again)
	assert.Equal(t, want, read(t, second))

	second.Free()
	assert.NotEmpty(t, x.spare.free)
	require.NoError(t, memory.Reserve(bytes), "what is kept makes room")
	assert.Empty(t, x.spare.free)

	third, err := x.Merge(context.Background(), r, models)
	require.NoError(t, err)
	x.Close()
	third.Free()
	assert.Empty(t, x.spare.free, "nothing is kept when all is over")
}
