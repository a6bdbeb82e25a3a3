package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"

	"github.com/mergeway/mergeway/fault"
)

// jpegFormat reads JPEG: baseline and progressive, in grey, YCbCr, RGB, CMYK and YCCK.
func jpegFormat() format {
	return format{
		key: "jpeg", name: "JPEG",
		size:        func(data []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(data)) },
		bounded:     fewScans,
		decode:      func(data []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(data)) },
		flatten:     flattenJPEG,
		orientation: jpegOrientation,
	}
}

// The markers of JPEG that matter here.
const (
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP1 = 0xe1
)

// fewScans refuses a JPEG of many scans. Each one of a progressive JPEG may visit
// every block, and take a few bytes to say that nothing changes there.
func fewScans(data []byte, limit Limits) error {
	scans := 0
	segments(data, func(marker byte, _ []byte) bool {
		if marker == markerSOS {
			scans++
		}
		return scans <= limit.Scans
	})
	if scans > limit.Scans {
		return fault.New(fault.Invalid, "the JPEG has more than %d scans", limit.Scans)
	}
	return nil
}

// jpegOrientation finds the EXIF segment before the pixels.
func jpegOrientation(data []byte) int {
	found := upright
	segments(data, func(marker byte, segment []byte) bool {
		exif, is := bytes.CutPrefix(segment, []byte("Exif\x00\x00"))
		if marker == markerAPP1 && is {
			found = orientation(exif)
			return false
		}
		return marker != markerSOS
	})
	return found
}

// segments visits the segments of a JPEG until the visitor has seen enough. Like
// the decoder it passes over whatever is no marker, the coded pixels among it.
func segments(data []byte, visit func(marker byte, segment []byte) bool) {
	for rest := data[2:]; ; {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 || i+1 >= len(rest) {
			return
		}
		marker := rest[i+1]
		switch {
		case marker == 0xff:
			rest = rest[i+1:] // any number of these may come before a marker
			continue
		case marker == 0, marker >= 0xd0 && marker <= markerSOI:
			rest = rest[i+2:] // a byte of the pixels, or a marker without a segment
			continue
		case marker == markerEOI:
			return
		}
		rest = rest[i+2:]
		if len(rest) < 2 {
			return
		}
		length := int(binary.BigEndian.Uint16(rest))
		if length < 2 || length > len(rest) {
			return
		}
		if !visit(marker, rest[2:length]) {
			return
		}
		rest = rest[length:]
	}
}
