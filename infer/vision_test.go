package infer_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/picture"
)

func openFixture(t *testing.T, name string) *checkpoint.Folder {
	t.Helper()
	f, err := checkpoint.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// A picture becomes what transformers makes of it: the tiles, and what stands in the
// prompt for it, padding left out and rows ended.
func TestVisionPreparesPictures(t *testing.T) {
	dev := devicetest.Open(t)
	for _, model := range []string{"llava-next-f32", "llava-f32"} {
		t.Run(model, func(t *testing.T) {
			f := openFixture(t, model)
			v, err := infer.LoadVision(context.Background(), dev, f, dtypes.InvalidDType)
			require.NoError(t, err)
			defer v.Free()
			data, err := os.ReadFile(filepath.Join(f.Dir(), "picture.png"))
			require.NoError(t, err)
			p, err := picture.Decode(data, picture.DefaultLimits())
			require.NoError(t, err)
			prepared, err := v.Prepare(p)
			require.NoError(t, err)
			want := seenBy(t, f)
			require.Len(t, prepared.Tiles, len(want.Tiles))
			for i, tile := range want.Tiles {
				require.InDeltaSlice(t, tile, prepared.Tiles[i], 1e-5)
			}
			states, err := infer.See(dev, v, prepared.Tiles, 1)
			require.NoError(t, err)
			require.Equal(t, len(want.Packed), prepared.Tokens())
			per, width := v.Config().Features(), v.Width()
			for i, at := range prepared.Order {
				state := v.Newline()
				if tile, patch := int(at)/per, int(at)%per; at >= 0 {
					state = states[tile][patch*width : (patch+1)*width]
				}
				require.InDeltaSlice(t, want.Packed[i], state, 1e-4, "token %d", i)
			}
		})
	}
}

// seen is what scripts/fixtures/vision.py wrote beside a model.
type seen struct{ Tiles, Features, Packed [][]float32 }

func seenBy(t *testing.T, f *checkpoint.Folder) (want seen) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(f.Dir(), "vision.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	return want
}

// Tiles in one pass, some of which are there to fill it, are seen as transformers does.
func TestVisionSeesTiles(t *testing.T) {
	dev := devicetest.Open(t)
	for _, c := range []struct {
		model     string
		compute   dtypes.DType
		tolerance float64
	}{{"llava-next-f32", dtypes.Float32, 5e-5}, {"llava-f32", dtypes.InvalidDType, 5e-5}, {"llava-next-bf16", dtypes.Float32, 0.25}} { // of ± 6
		t.Run(c.model, func(t *testing.T) {
			f := openFixture(t, c.model)
			v, err := infer.LoadVision(context.Background(), dev, f, c.compute)
			require.NoError(t, err)
			defer v.Free()
			require.Equal(t, *f.Vision(), v.Config())
			require.Equal(t, f.Config().HiddenSize, v.Width())
			digest, err := f.VisionDigest(context.Background())
			require.NoError(t, err)
			require.Equal(t, digest, v.ID())
			var stored int64
			for _, info := range f.Tensors() {
				if checkpoint.IsVision(info.Name) {
					stored += int64(info.Size())
				}
			}
			require.Equal(t, 4*stored, v.Bytes())

			want := seenBy(t, f)
			for _, together := range []int{0, 3} {
				got, err := infer.See(dev, v, want.Tiles, together)
				require.NoError(t, err)
				require.Len(t, got, len(want.Tiles))
				for i, row := range want.Features {
					require.InDeltaSlice(t, row, got[i], c.tolerance, "tile %d of %d together", i, together)
				}
			}
			_, err = infer.See(dev, v, [][]float32{want.Tiles[0][1:]}, 0)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			if !v.Config().Newline() {
				require.Nil(t, v.Newline())
				return
			}
			require.InDeltaSlice(t, want.Packed[len(want.Packed)-1], v.Newline(), 1e-5)
		})
	}
}

func TestLoadVisionRefuses(t *testing.T) {
	dev := devicetest.Open(t)
	_, err := infer.LoadVision(context.Background(), dev, openFixture(t, "mistral-f32"), dtypes.InvalidDType)
	require.Equal(t, fault.Unfit, fault.CodeOf(err))

	dir := t.TempDir()
	for name, change := range map[string]func(string) string{
		checkpoint.ConfigFile:      func(s string) string { return strings.Replace(s, `"patch_size": 4`, `"patch_size": 6`, 1) },
		checkpoint.WeightsFile:     func(s string) string { return s },
		"preprocessor_config.json": func(s string) string { return s },
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "llava-f32", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(change(string(data))), 0o600))
	}
	f, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer f.Close()
	_, err = infer.LoadVision(context.Background(), dev, f, dtypes.InvalidDType)
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, "patch_embedding")

	ended, end := context.WithCancel(context.Background())
	end()
	_, err = infer.LoadVision(ended, dev, openFixture(t, "llava-f32"), dtypes.InvalidDType)
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
}

// What an adapter does to the part that sees is seen.
func TestVisionIsAdapted(t *testing.T) {
	dev, base := devicetest.Open(t), openFixture(t, "llava-next-f32")
	adapter := t.TempDir()
	info, data, err := base.Tensor(checkpoint.NewlineName)
	require.NoError(t, err)
	config := `{"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["q_proj"], "base_model_name_or_path": "x"}`
	require.NoError(t, os.WriteFile(filepath.Join(adapter, checkpoint.AdapterConfigFile), []byte(config), 0o600))
	const name = "multi_modal_projector.linear_2.bias"
	other := checkpoint.Tensor{TensorInfo: checkpoint.TensorInfo{Name: "base_model.model." + name, DType: info.DType, Shape: info.Shape}, Data: data}
	require.NoError(t, checkpoint.WriteSafetensors(filepath.Join(adapter, "adapter_model.safetensors"), []checkpoint.Tensor{other}, nil))
	f, err := checkpoint.OpenAdapted(base.Dir(), adapter)
	require.NoError(t, err)
	defer f.Close()
	tile := [][]float32{make([]float32, 3*12*12)}
	see := func(f *checkpoint.Folder) ([]float32, string) {
		v, err := infer.LoadVision(context.Background(), dev, f, dtypes.InvalidDType)
		require.NoError(t, err)
		defer v.Free()
		states, err := infer.See(dev, v, tile, 1)
		require.NoError(t, err)
		return states[0], v.ID()
	}
	plain, plainID := see(base)
	adapted, adaptedID := see(f)
	require.NotEqual(t, plainID, adaptedID)
	_, bias, err := base.Tensor(name)
	require.NoError(t, err)
	for i := range plain {
		at := i % f.Config().HiddenSize * 4
		number := func(data []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(data[at:])) }
		require.InDelta(t, number(data)-number(bias), adapted[i]-plain[i], 1e-5)
	}
}
