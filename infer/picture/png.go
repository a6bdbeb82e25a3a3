package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
)

// pngFormat reads PNG. Of an animated one it sees the default image, which viewers
// without animation show.
func pngFormat() format {
	return format{
		key: "png", name: "PNG",
		size:        func(data []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(data)) },
		decode:      func(data []byte) (image.Image, error) { return png.Decode(bytes.NewReader(data)) },
		flatten:     flatten,
		orientation: pngOrientation,
	}
}

// pngOrientation finds the chunk eXIf, which may stand before or after the pixels.
func pngOrientation(data []byte) int {
	for rest := data[8:]; len(rest) >= 12; {
		length := uint64(binary.BigEndian.Uint32(rest))
		if length+12 > uint64(len(rest)) {
			break
		}
		if string(rest[4:8]) == "eXIf" {
			return orientation(rest[8 : 8+length])
		}
		rest = rest[12+length:]
	}
	return upright
}
