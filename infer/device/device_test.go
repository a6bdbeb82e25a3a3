package device_test

import (
	"errors"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

func TestDeviceComputes(t *testing.T) {
	d := devicetest.Open(t)
	sum, err := graph.CallOnce(d.Backend(), func(x *graph.Node) *graph.Node {
		return graph.ReduceAllSum(graph.Mul(x, x))
	}, []float32{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, float32(14), sum.Value())
}

func TestMissingPluginNamesTheFolder(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", dir)
	_, err := device.Open(device.Options{Backend: "xla:nosuchplugin"})
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	require.ErrorContains(t, err, dir)
}

func TestTryTurnsPanicsIntoErrors(t *testing.T) {
	cause := errors.New("shapes differ")
	require.ErrorIs(t, device.Try("build", func() error { panic(cause) }), cause)
	err := device.Try("build", func() error { panic("text") })
	require.ErrorContains(t, err, "text")
	require.Equal(t, fault.Internal, fault.CodeOf(err))
	require.Same(t, cause, device.Try("build", func() error { return cause }))
	require.NoError(t, device.Try("build", func() error { return nil }))
}

func TestComputeDTypeNeverNarrows(t *testing.T) {
	d := devicetest.Open(t)
	require.Equal(t, dtypes.Float32, d.ComputeDType(dtypes.Float32))
	require.Contains(t, []dtypes.DType{dtypes.Float32, dtypes.BFloat16}, d.ComputeDType(dtypes.BFloat16))
}
