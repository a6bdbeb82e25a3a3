package picture

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

func TestWholeIsTheFirstTile(t *testing.T) {
	v := checkpoint.VisionConfig{ImageSize: 6, PatchSize: 3}
	p := &Prepared{Hash: [32]byte{1}, Tiles: [][]float32{{1}, {2}, {3}}, Order: []int32{0, 1, 2, 3, 4, 8, -1, 5, 9, -1}}
	whole := Whole(p, v)
	require.Equal(t, [][]float32{{1}}, whole.Tiles)
	require.Equal(t, []int32{0, 1, 2, 3, -1}, whole.Order)
	require.Equal(t, 5, whole.Tokens())
	require.NotEqual(t, p.Hash, whole.Hash)
	require.Equal(t, whole.Hash, Whole(p, v).Hash)
	require.Len(t, p.Tiles, 3, "the other one is as it was")

	single := &Prepared{Tiles: [][]float32{{1}}, Order: []int32{0, 1, 2, 3}}
	require.Same(t, single, Whole(single, v))
}
