package picture

import (
	"bytes"
	"image"
	"image/gif"
)

// gifFormat reads the first frame of a GIF.
func gifFormat() format {
	return format{
		key: "gif", name: "GIF",
		size:        func(data []byte) (image.Config, error) { return gif.DecodeConfig(bytes.NewReader(data)) },
		decode:      func(data []byte) (image.Image, error) { return gif.Decode(bytes.NewReader(data)) },
		flatten:     flatten, // a frame may cover a part of the screen
		orientation: func([]byte) int { return upright },
	}
}
