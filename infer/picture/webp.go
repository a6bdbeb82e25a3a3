package picture

import (
	"bytes"
	"encoding/binary"
	"image"

	"golang.org/x/image/webp"

	"github.com/mergeway/mergeway/fault"
)

// webpFormat reads WebP, lossy and lossless; of an animation its first frame.
func webpFormat() format {
	return format{
		key: "webp", name: "WebP",
		size:        webpSize,
		decode:      decodeWebP,
		flatten:     flattenWebP,
		orientation: webpOrientation,
	}
}

// webpSize is the size of the picture, or of the animation's canvas.
func webpSize(data []byte) (image.Config, error) {
	if a, is := animated(data); is {
		return image.Config{Width: a.width, Height: a.height}, nil
	}
	return webp.DecodeConfig(bytes.NewReader(data))
}

// decodeWebP decodes a picture, or an animation's first frame at its place.
func decodeWebP(data []byte) (image.Image, error) {
	a, is := animated(data)
	if !is {
		return webp.Decode(bytes.NewReader(data))
	}
	still, at, err := a.firstFrame()
	if err != nil {
		return nil, err
	}
	m, err := webp.Decode(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	if m.Bounds().Size() != at.Size() {
		return nil, fault.New(fault.Invalid, "the first frame does not have the size that it says")
	}
	return placed{m, at}, nil
}

// placed is a picture that covers a part of a canvas.
type placed struct {
	image.Image
	at image.Rectangle
}

// animation is an animated WebP: a canvas, and chunks with frames among them.
type animation struct {
	width, height int
	chunks        []byte
}

// animated tells whether a WebP is an animation (RFC 9649 § 2.7.1.1).
func animated(data []byte) (animation, bool) {
	const animationBit = 1 << 1
	chunks := data[12:]
	name, header, rest, ok := chunk(chunks)
	if !ok || name != "VP8X" || len(header) != 10 || header[0]&animationBit == 0 {
		return animation{}, false
	}
	return animation{width: 1 + uint24(header[4:]), height: 1 + uint24(header[7:]), chunks: rest}, true
}

// firstFrame makes a WebP of its own of the first frame, and says where it belongs.
func (a animation) firstFrame() ([]byte, image.Rectangle, error) {
	for rest := a.chunks; ; {
		name, frame, after, ok := chunk(rest)
		if !ok {
			return nil, image.Rectangle{}, fault.New(fault.Invalid, "the animation has no frame")
		}
		if rest = after; name != "ANMF" {
			continue
		}
		const header = 16 // place, size, duration and flags
		if len(frame) < header {
			return nil, image.Rectangle{}, fault.New(fault.Invalid, "the first frame is cut off")
		}
		x, y := 2*uint24(frame), 2*uint24(frame[3:])
		at := image.Rect(x, y, x+1+uint24(frame[6:]), y+1+uint24(frame[9:]))
		if !at.In(image.Rect(0, 0, a.width, a.height)) {
			return nil, image.Rectangle{}, fault.New(fault.Invalid, "the first frame does not lie within the animation")
		}
		still, err := stillOf(frame[header:], at.Size())
		return still, at, err
	}
}

// stillOf makes a WebP of the chunks of a frame.
func stillOf(chunks []byte, size image.Point) ([]byte, error) {
	const alphaBit = 1 << 4
	extended := []byte("VP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	putUint24(extended[12:], size.X-1)
	putUint24(extended[15:], size.Y-1)
	still := append([]byte("RIFF\x00\x00\x00\x00WEBP"), extended...)
	for {
		name, _, rest, ok := chunk(chunks)
		if !ok {
			return nil, fault.New(fault.Invalid, "the first frame has no pixels")
		}
		this := chunks[:len(chunks)-len(rest)]
		switch name {
		case "ALPH":
			still[20] |= alphaBit
			still = append(still, this...)
		case "VP8 ", "VP8L":
			still = append(still, this...)
			binary.LittleEndian.PutUint32(still[4:], uint32(len(still)-8))
			return still, nil
		}
		chunks = rest
	}
}

// webpOrientation finds the chunk EXIF, which comes after the pixels.
func webpOrientation(data []byte) int {
	for rest := data[12:]; ; {
		name, payload, after, ok := chunk(rest)
		if !ok {
			return upright
		}
		if name == "EXIF" {
			// Some writers keep the header that the block has in a JPEG.
			payload, _ = bytes.CutPrefix(payload, []byte("Exif\x00\x00"))
			return orientation(payload)
		}
		rest = after
	}
}

// chunk reads the first of some chunks: a name, a length, so many bytes and one
// more if they are odd.
func chunk(data []byte) (name string, payload, rest []byte, ok bool) {
	if len(data) < 8 {
		return "", nil, nil, false
	}
	length := uint64(binary.LittleEndian.Uint32(data[4:]))
	if length > uint64(len(data)-8) {
		return "", nil, nil, false
	}
	rest = data[8+length:]
	if length%2 == 1 && len(rest) > 0 {
		rest = rest[1:]
	}
	return string(data[:4]), data[8 : 8+length], rest, true
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func putUint24(b []byte, v int) { b[0], b[1], b[2] = byte(v), byte(v>>8), byte(v>>16) }
