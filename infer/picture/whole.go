package picture

import (
	"crypto/sha256"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Whole is a prepared picture without the tiles that show more of it, in far fewer
// tokens: what the model would be given of a picture that is cut into none. v is the
// vision part that it was prepared for. One of a single tile is given back.
func Whole(p *Prepared, v checkpoint.VisionConfig) *Prepared {
	if len(p.Tiles) < 2 {
		return p
	}
	side := v.ImageSize / v.PatchSize
	whole := &Prepared{Hash: sha256.Sum256(append([]byte("whole "), p.Hash[:]...)), Tiles: p.Tiles[:1:1]}
	for i := range side * side {
		whole.Order = append(whole.Order, int32(i))
	}
	whole.Order = append(whole.Order, -1) // transformers' pack_image_features ends such a picture like this
	return whole
}
