package infer

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// float32s are a tensor's numbers.
func float32s(t *testing.T, x *tensors.Tensor) []float32 {
	t.Helper()
	values, err := tensors.CopyFlatData[float32](x)
	require.NoError(t, err)
	return values
}

// littleEndian reads float32s of a file.
func littleEndian(data []byte) []float32 {
	values := make([]float32, len(data)/4)
	for i := range values {
		b := data[4*i:]
		values[i] = math.Float32frombits(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
	}
	return values
}

// The expected numbers are those of PEFT, see scripts/fixtures/lora.py.
func TestAdaptersAreMergedAsByPEFT(t *testing.T) {
	dev := devicetest.Open(t)
	for _, name := range []string{"plain", "patterns", "ends"} {
		t.Run(name, func(t *testing.T) {
			adapter := filepath.Join("testdata/lora", name)
			folder, err := checkpoint.OpenAdapted("testdata/mistral-f32", adapter)
			require.NoError(t, err)
			defer folder.Close()
			w, err := LoadWeights(t.Context(), dev, folder, dtypes.InvalidDType)
			require.NoError(t, err)
			defer w.Free()
			want, err := checkpoint.OpenSafetensors(filepath.Join(adapter, "merged.safetensors"))
			require.NoError(t, err)
			defer want.Close()
			changed := 0
			for _, p := range arch.Params(folder.Config()) {
				_, expected, ok := want.Tensor(p.Name)
				if changed++; !ok {
					changed--
					_, expected, err = folder.Tensor(p.Name)
					require.NoError(t, err)
				}
				got := float32s(t, w.Tensor(p.Name))
				for i, v := range littleEndian(expected) {
					if !ok {
						require.Equal(t, v, got[i], "%s[%d] is not touched", p.Name, i)
					}
					// Two units in the last place of what is summed.
					require.InDelta(t, v, got[i], 2.4e-7*max(1, math.Abs(float64(v))), "%s[%d]", p.Name, i)
				}
			}
			require.Len(t, want.Names(), changed)
		})
	}
}

// What is added to weights of fewer bits is rounded once, to these bits, and so a
// model can be exported as it is served.
func TestAdaptedWeightsHaveTheBitsOfTheirFile(t *testing.T) {
	dev := devicetest.Open(t)
	open := func(dir string) (map[string][]float32, *checkpoint.Folder) {
		folder, err := checkpoint.OpenAdapted(dir, "testdata/lora/plain")
		require.NoError(t, err)
		t.Cleanup(func() { _ = folder.Close() })
		w, err := LoadWeights(t.Context(), dev, folder, dtypes.Float32)
		require.NoError(t, err)
		defer w.Free()
		all := map[string][]float32{}
		for _, p := range arch.Params(folder.Config()) {
			all[p.Name] = float32s(t, w.Tensor(p.Name))
		}
		return all, folder
	}
	c := t.TempDir()
	narrowed(t, "testdata/mistral-f32", c)
	wide, _ := open("testdata/mistral-f32")
	narrow, folder := open(c)
	for name, values := range narrow {
		for i, v := range values {
			require.Zero(t, math.Float32bits(v)<<16, "%s[%d] has more bits", name, i)
			// The numbers before the sum lost up to a unit, and the sum half of one.
			require.InDelta(t, wide[name][i], v, 0.02*max(0.2, math.Abs(float64(v))), "%s[%d]", name, i)
		}
	}
	require.Equal(t, dtypes.BFloat16, StoredDType(folder))
}

// narrowed writes a model of float32 anew in bfloat16, with what bits are left.
func narrowed(t *testing.T, from, to string) {
	t.Helper()
	folder, err := checkpoint.Open(from)
	require.NoError(t, err)
	defer folder.Close()
	var all []checkpoint.Tensor
	for _, info := range folder.Tensors() {
		_, data, err := folder.Tensor(info.Name)
		require.NoError(t, err)
		info.DType = dtypes.BFloat16
		narrow := checkpoint.Tensor{TensorInfo: info}
		for _, v := range littleEndian(data) {
			bits := math.Float32bits(v) >> 16
			narrow.Data = append(narrow.Data, byte(bits), byte(bits>>8))
		}
		all = append(all, narrow)
	}
	require.NoError(t, checkpoint.WriteSafetensors(filepath.Join(to, checkpoint.WeightsFile), all, nil))
	config := folder.Config()
	config.DType = dtypes.BFloat16
	body, err := config.JSON()
	require.NoError(t, err)
	require.NoError(t, checkpoint.WriteBytes(filepath.Join(to, checkpoint.ConfigFile), body))
}
