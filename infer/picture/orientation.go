package picture

import "encoding/binary"

// upright is the orientation of a picture whose rows go from top to bottom.
const upright = 1

// orientation reads the tag Orientation of an EXIF block (a TIFF header and its
// first directory, JEITA CP-3451C § 4.6). What can't be read is upright.
func orientation(exif []byte) int {
	const (
		tag       = 0x0112
		typeShort = 3
		entrySize = 12
	)
	if len(exif) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	first := uint64(order.Uint32(exif[4:]))
	if first+2 > uint64(len(exif)) {
		return upright
	}
	entries := exif[first+2:]
	for n := order.Uint16(exif[first:]); n > 0 && len(entries) >= entrySize; n-- {
		entry := entries[:entrySize]
		if order.Uint16(entry) == tag && order.Uint16(entry[2:]) == typeShort {
			if o := int(order.Uint16(entry[8:])); o >= 1 && o <= 8 {
				return o
			}
			return upright
		}
		entries = entries[entrySize:]
	}
	return upright
}

// turn makes a picture upright that has this orientation: EXIF's eight are the
// ways to mirror and turn a rectangle.
func (p *Picture) turn(orientation int) {
	if orientation == upright {
		return
	}
	w, h := p.Width, p.Height
	if orientation >= 5 {
		w, h = h, w
	}
	turned := make([]byte, len(p.pixels))
	for y := range h {
		for x := range w {
			fx, fy := x, y // where the pixel comes from
			switch orientation {
			case 2:
				fx = w - 1 - x
			case 3:
				fx, fy = w-1-x, h-1-y
			case 4:
				fy = h - 1 - y
			case 5:
				fx, fy = y, x
			case 6:
				fx, fy = y, w-1-x
			case 7:
				fx, fy = h-1-y, w-1-x
			case 8:
				fx, fy = h-1-y, x
			}
			to, from := 3*(y*w+x), 3*(fy*p.Width+fx)
			copy(turned[to:to+3], p.pixels[from:from+3])
		}
	}
	p.Width, p.Height, p.pixels = w, h, turned
}
