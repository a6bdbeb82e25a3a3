package infer_test

import (
	"context"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

func TestUploadedOneByOneAModelIsAsItIsLoaded(t *testing.T) {
	dev := devicetest.Open(t)
	for _, name := range []string{"mistral-bf16", "mistral-f32", "qwen2-f32"} {
		folder, err := checkpoint.Open("testdata/" + name)
		require.NoError(t, err)
		defer folder.Close()
		for _, compute := range []dtypes.DType{dtypes.InvalidDType, dtypes.Float32} {
			want, err := infer.LoadWeights(t.Context(), dev, folder, compute)
			require.NoError(t, err)
			defer want.Free()
			s, err := infer.NewStored(dev, folder, compute)
			require.NoError(t, err)
			require.Equal(t, want.DType(), s.DType())
			require.Equal(t, want.Config(), s.Config())
			for _, again := range []bool{false, true} { // what was let go of is read again
				for i, p := range arch.Params(s.Config()) {
					got, err := s.Upload(t.Context(), i)
					require.NoError(t, err)
					require.Equal(t, bytesOf(t, want.Tensors()[i]), bytesOf(t, got), "%s, again: %v", p.Name, again)
					device.Free(got)
				}
			}
		}
	}
}

// bytesOf copies a tensor.
func bytesOf(t *testing.T, from *tensors.Tensor) (data []byte) {
	t.Helper()
	require.NoError(t, from.ConstBytes(func(raw []byte) { data = append(data, raw...) }))
	return data
}

func TestAStoredModelIsCheckedBeforeItIsUsed(t *testing.T) {
	all := func(string) dtypes.DType { return dtypes.Float32 }
	folder := storedAs(t, dtypes.Float32, all, nil)
	s, err := infer.NewStored(devicetest.Open(t), folder, dtypes.InvalidDType)
	require.NoError(t, err)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	_, err = s.Upload(stopped, 0)
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))

	require.NoError(t, folder.Close())
	_, err = s.Upload(t.Context(), 0)
	require.Equal(t, fault.Damaged, fault.CodeOf(err), "a folder that is closed: %v", err)
	_, err = infer.NewStored(devicetest.Open(t), folder, dtypes.InvalidDType)
	require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
}
