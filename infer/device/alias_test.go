package device_test

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// address is where a tensor lies on the device.
func address(t *testing.T, be compute.Backend, x *tensors.Tensor) *float32 {
	t.Helper()
	buffer, err := x.Buffer(be, 0)
	require.NoError(t, err)
	data, err := buffer.Data() // the memory itself, and no copy
	require.NoError(t, err)
	return &data.([]float32)[0]
}

// This fails when a new version of the libraries hides its fields elsewhere:
// everything then still works, and every step of decoding copies its KV cache.
func TestADonatedParameterIsUpdatedInPlace(t *testing.T) {
	be := devicetest.Open(t).Backend()
	exec, err := graph.NewExec(be, func(in []*graph.Node) []*graph.Node {
		x, update, at := in[0], in[1], in[2]
		require.NoError(t, device.Alias(x.Graph(), 0, 1))
		return []*graph.Node{graph.ReduceAllSum(x), graph.DynamicUpdateSlice(x, update, []*graph.Node{at})}
	})
	require.NoError(t, err)
	defer exec.Finalize()
	x, err := graph.CallOnce(be, func(g *graph.Graph) *graph.Node { return graph.IotaFull(g, shapes.Make(dtypes.Float32, 4096)) })
	require.NoError(t, err)
	before := address(t, be, x)
	donated, err := graph.DonateTensorBuffer(x, be, 0)
	require.NoError(t, err)
	out, err := exec.Call(donated, []float32{-1, -2}, int32(7))
	require.NoError(t, err)
	require.Same(t, before, address(t, be, out[1]))
	got := tensors.MustCopyFlatData[float32](out[1])
	require.Equal(t, []float32{6, -1, -2, 9}, got[6:10])
}

func TestAnAliasOfNothingIsAnError(t *testing.T) {
	_, err := graph.CallOnce(devicetest.Open(t).Backend(), func(x *graph.Node) *graph.Node {
		require.ErrorContains(t, device.Alias(x.Graph(), 1, 0), "parameter 1 of 1")
		return x
	}, []float32{1})
	require.NoError(t, err)
}
