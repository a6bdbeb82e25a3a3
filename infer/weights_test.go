package infer_test

import (
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// storedAs writes a model of zeros whose config says one dtype and whose tensors
// have others; the value of each number in them is 0 but for the last norm's.
func storedAs(t *testing.T, says dtypes.DType, of func(name string) dtypes.DType, lastNorm []byte) *checkpoint.Folder {
	t.Helper()
	c, err := checkpoint.ReadConfig(filepath.Join("testdata", "mistral-f32"))
	require.NoError(t, err)
	c.DType = says
	config, err := c.JSON()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, checkpoint.WriteBytes(filepath.Join(dir, checkpoint.ConfigFile), config))
	var all []checkpoint.Tensor
	for _, p := range arch.Params(c) {
		info := checkpoint.TensorInfo{Name: p.Name, DType: of(p.Name), Shape: p.Shape}
		data := make([]byte, info.Size()*info.DType.Size())
		if p.Name == "model.norm.weight" {
			copy(data, lastNorm)
		}
		all = append(all, checkpoint.Tensor{TensorInfo: info, Data: data})
	}
	// What old checkpoints keep beside the weights is nobody's dtype.
	all = append(all, checkpoint.Tensor{
		TensorInfo: checkpoint.TensorInfo{Name: "model.rotary_emb.inv_freq", DType: dtypes.Float32, Shape: []int{1}}, Data: make([]byte, 4),
	})
	require.NoError(t, checkpoint.WriteSafetensors(filepath.Join(dir, checkpoint.WeightsFile), all, nil))
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = folder.Close() })
	return folder
}

func TestStoredDTypeHoldsEveryTensor(t *testing.T) {
	all := func(d dtypes.DType) func(string) dtypes.DType { return func(string) dtypes.DType { return d } }
	norms := func(others, norms dtypes.DType) func(string) dtypes.DType {
		return func(name string) dtypes.DType {
			if name == "model.norm.weight" {
				return norms
			}
			return others
		}
	}
	for _, c := range []struct {
		name string
		says dtypes.DType
		of   func(string) dtypes.DType
		want dtypes.DType
	}{
		{"bfloat16", dtypes.BFloat16, all(dtypes.BFloat16), dtypes.BFloat16},
		{"float16", dtypes.Float16, all(dtypes.Float16), dtypes.Float16},
		{"a float32 tensor late in the file", dtypes.BFloat16, norms(dtypes.BFloat16, dtypes.Float32), dtypes.Float32},
		{"both halves", dtypes.BFloat16, norms(dtypes.BFloat16, dtypes.Float16), dtypes.Float32},
		{"wider than the config says", dtypes.BFloat16, all(dtypes.Float32), dtypes.Float32},
		{"narrower than the config says", dtypes.Float32, all(dtypes.BFloat16), dtypes.Float32},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, infer.StoredDType(storedAs(t, c.says, c.of, nil)))
		})
	}
}

func TestLoadingNarrowsNothing(t *testing.T) {
	const third = "\xab\xaa\xaa\x3e" // float32(1/3), which no half precision holds
	folder := storedAs(t, dtypes.BFloat16, func(name string) dtypes.DType {
		if name == "model.norm.weight" {
			return dtypes.Float32
		}
		return dtypes.BFloat16
	}, []byte(third))
	w, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.InvalidDType)
	require.NoError(t, err)
	defer w.Free()
	require.Equal(t, dtypes.Float32, w.DType())
	values, err := tensors.CopyFlatData[float32](w.Tensor("model.norm.weight"))
	require.NoError(t, err)
	require.Equal(t, float32(1)/3, values[0])
}
