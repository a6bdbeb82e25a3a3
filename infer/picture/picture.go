package picture

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"image"
	"runtime/debug"

	"github.com/mergeway/mergeway/fault"
)

// Limits bound what decoding a picture may cost. While it is decoded, a picture takes
// 6 to some 16 bytes of memory for each pixel (at worst 27, as a progressive JPEG in
// CMYK), and 3 afterwards.
type Limits struct {
	Bytes  int // of the encoded picture
	Pixels int // width times height
	Side   int // the longer side, in pixels
	Ratio  int // the longer side over the shorter
	Scans  int // passes over a JPEG: a progressive one has some 10
}

// DefaultLimits take the photos of today's cameras.
func DefaultLimits() Limits {
	return Limits{
		Bytes:  20 << 20,
		Pixels: 32 << 20,
		Side:   16384,
		Ratio:  200,
		Scans:  64,
	}
}

// Picture is a picture as it is meant to be seen: turned upright, without alpha.
type Picture struct {
	Hash   [32]byte // of the size and the pixels: the same for each file that shows the same
	Width  int
	Height int
	Format string // "png", "jpeg", "webp" or "gif": what the bytes were

	pixels []byte // red, green, blue; rows from top to bottom, without gaps
}

// Pixels are the picture's bytes: red, green and blue of each pixel, in rows from
// top to bottom. They must not be changed.
func (p *Picture) Pixels() []byte { return p.pixels }

// New makes a picture of pixels: red, green and blue of each, in rows from top to
// bottom. It keeps the slice.
func New(width, height int, pixels []byte) (*Picture, error) {
	if width < 1 || height < 1 || len(pixels)/3/height != width || len(pixels) != 3*width*height {
		return nil, fault.New(fault.Invalid, "%d bytes are no picture of %d × %d pixels", len(pixels), width, height)
	}
	return (&Picture{Width: width, Height: height, pixels: pixels}).sealed(), nil
}

// sealed computes the hash.
func (p *Picture) sealed() *Picture {
	h := sha256.New()
	var size [16]byte
	binary.LittleEndian.PutUint64(size[:], uint64(p.Width))
	binary.LittleEndian.PutUint64(size[8:], uint64(p.Height))
	h.Write(size[:])
	h.Write(p.pixels)
	h.Sum(p.Hash[:0])
	return p
}

// Decode reads a picture: the default image of an animated PNG, the first one of
// another animation. All errors are [fault.Invalid], without a param.
func Decode(data []byte, limit Limits) (_ *Picture, err error) {
	f, config, err := inspect(data, limit)
	if err != nil {
		return nil, err
	}
	defer recovered(f, &err)
	decoded, err := f.decode(data)
	if err != nil {
		return nil, unreadable(f, err)
	}
	p := &Picture{Width: config.Width, Height: config.Height, Format: f.key, pixels: f.flatten(decoded, config)}
	p.turn(f.orientation(data))
	return p.sealed(), nil
}

// Inspect is Decode as far as its cost is not that of the pixels: it refuses what is
// no picture, or not within the limits, by what comes before them.
func Inspect(data []byte, limit Limits) error {
	_, _, err := inspect(data, limit)
	return err
}

func inspect(data []byte, limit Limits) (f format, config image.Config, err error) {
	if len(data) > limit.Bytes {
		return f, config, fault.New(fault.Invalid, "the picture has %d bytes, more than %d", len(data), limit.Bytes)
	}
	if f, err = formatOf(data); err != nil {
		return f, config, err
	}
	defer recovered(f, &err)
	if config, err = f.size(data); err != nil {
		return f, config, unreadable(f, err)
	}
	if err := limit.check(config.Width, config.Height); err != nil {
		return f, config, err
	}
	if f.bounded != nil {
		err = f.bounded(data, limit)
	}
	return f, config, err
}

// recovered makes an error of a panic: the decoders are not ours, and read what
// strangers send.
func recovered(f format, err *error) {
	if r := recover(); r != nil {
		*err = fault.Wrap(fmt.Errorf("panic: %v\n%s", r, debug.Stack()), fault.Invalid, "the picture can't be read as %s", f.name)
	}
}

// check refuses a size that is known from a header.
func (l Limits) check(width, height int) error {
	switch long, short := max(width, height), min(width, height); {
	case short < 1:
		return fault.New(fault.Invalid, "the picture has no pixels: it is %d × %d", width, height)
	case long > l.Side:
		return fault.New(fault.Invalid, "the picture is %d × %d, and no side may be longer than %d pixels", width, height, l.Side)
	case width*height > l.Pixels:
		return fault.New(fault.Invalid, "the picture has %d × %d pixels, more than %d", width, height, l.Pixels)
	case long > short*l.Ratio:
		return fault.New(fault.Invalid, "the picture is %d × %d: one side is more than %d times as long as the other", width, height, l.Ratio)
	}
	return nil
}

func unreadable(f format, err error) error {
	return fault.Wrap(err, fault.Invalid, "the picture can't be read as %s", f.name)
}

// format is a way to write pictures.
type format struct {
	key, name   string
	size        func(data []byte) (image.Config, error)       // from the header
	bounded     func(data []byte, limit Limits) error         // what else could make decoding long; nil: nothing
	decode      func(data []byte) (image.Image, error)        // what has a size within the limits
	flatten     func(m image.Image, size image.Config) []byte // into pixels
	orientation func(data []byte) int                         // EXIF's, 1 to 8
}

// formatOf tells a format by the first bytes.
func formatOf(data []byte) (format, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return pngFormat(), nil
	case bytes.HasPrefix(data, []byte("\xff\xd8\xff")):
		return jpegFormat(), nil
	case bytes.HasPrefix(data, []byte("GIF87a")), bytes.HasPrefix(data, []byte("GIF89a")):
		return gifFormat(), nil
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return webpFormat(), nil
	case len(data) == 0:
		return format{}, fault.New(fault.Invalid, "the picture is empty: it has no bytes")
	}
	const known = "PNG, JPEG, WebP and GIF are understood"
	if name := foreign(data); name != "" {
		return format{}, fault.New(fault.Invalid, "the picture is %s; %s", name, known)
	}
	return format{}, fault.New(fault.Invalid, "the bytes are no picture that is known; %s", known)
}

// foreign names what people send by mistake; "": it can't be told.
func foreign(data []byte) string {
	if len(data) >= 12 && string(data[4:8]) == "ftyp" {
		switch string(data[8:12]) {
		case "avif", "avis":
			return "AVIF"
		case "heic", "heix", "hevc", "heim", "heis", "mif1", "msf1":
			return "HEIC"
		}
		return "a video"
	}
	for _, f := range []struct{ magic, name string }{
		{"BM", "BMP"},
		{"II*\x00", "TIFF"},
		{"MM\x00*", "TIFF"},
		{"%PDF-", "PDF"},
		{"\xff\x0a", "JPEG XL"},
		{"\x00\x00\x00\x0cJXL ", "JPEG XL"},
		{"<?xml", "XML, such as SVG"},
		{"<svg", "SVG"},
		{"<!DOCTYPE", "a web page"},
		{"<html", "a web page"},
	} {
		if bytes.HasPrefix(data, []byte(f.magic)) {
			return f.name
		}
	}
	return ""
}
