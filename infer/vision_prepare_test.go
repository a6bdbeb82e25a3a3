package infer_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/picture"
)

// A vision part prepares pictures as its folder's processor does: the tiles are those
// that transformers made of the same file, to one of 255 levels: it resized by another
// library.
func TestVisionPreparesPictures(t *testing.T) {
	dev := devicetest.Open(t)
	for _, model := range []string{"llava-f32", "llava-next-f32"} {
		f := openFixture(t, model)
		v, err := infer.LoadVision(context.Background(), dev, f, dtypes.Float32)
		require.NoError(t, err)
		defer v.Free()
		data, err := os.ReadFile(filepath.Join(f.Dir(), "picture.png"))
		require.NoError(t, err)
		decoded, err := picture.Decode(data, picture.DefaultLimits())
		require.NoError(t, err)
		got, err := v.Prepare(decoded)
		require.NoError(t, err)

		var want struct{ Tiles, Packed [][]float32 }
		data, err = os.ReadFile(filepath.Join(f.Dir(), "vision.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &want))
		require.Len(t, got.Tiles, len(want.Tiles), model)
		for i, tile := range want.Tiles {
			require.InDeltaSlice(t, tile, got.Tiles[i], 0.016, "%s, tile %d", model, i)
		}
		require.Equal(t, len(want.Packed), got.Tokens(), model)
	}
}
