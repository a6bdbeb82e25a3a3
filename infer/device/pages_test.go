package device_test

import (
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// Whatever the system makes of it: a tensor holds what it held, and can be freed.
func TestLargePagesHoldTheSame(t *testing.T) {
	dev := devicetest.Open(t)
	for _, n := range []int{1, 1 << 20, 5<<20 + 3} {
		x := arbitrary(6, n)
		y, err := graph.CallOnce(dev.Backend(), graph.Neg, tensors.FromFlatDataAndDimensions(x, n))
		require.NoError(t, err)
		dev.UseLargePages(y)
		got := tensors.MustCopyFlatData[bfloat16.BFloat16](y)
		for i := range x {
			x[i] ^= 0x8000
		}
		require.Equal(t, x, got)
		device.Free(y)
	}
}
