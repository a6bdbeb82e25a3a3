package picture

import (
	"image"
	"image/color"
)

// flatten lays a picture on white: three bytes a pixel. A picture that covers a part
// of its size leaves the rest white. Of 16 bits the upper eight are kept.
func flatten(m image.Image, size image.Config) []byte {
	to := canvas(size)
	area := m.Bounds().Intersect(image.Rect(0, 0, size.Width, size.Height))
	if p, is := m.(*image.Paletted); is {
		flattenPaletted(to, p, area, size.Width)
		return to
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := to[3*(y*size.Width+area.Min.X) : 3*(y*size.Width+area.Max.X)]
		flattenRow(row, m, area.Min.X, y)
	}
	return to
}

// canvas is white.
func canvas(size image.Config) []byte {
	to := make([]byte, 3*size.Width*size.Height)
	for i := range to {
		to[i] = 255
	}
	return to
}

// flattenRow writes the pixels of a row from x on.
func flattenRow(row []byte, m image.Image, x, y int) {
	n := len(row) / 3
	switch m := m.(type) {
	case *image.RGBA: // of the decoders, only pictures without alpha are this
		from := m.Pix[m.PixOffset(x, y):]
		for i := range n {
			copy(row[3*i:3*i+3], from[4*i:4*i+3])
		}
	case *image.NRGBA:
		from := m.Pix[m.PixOffset(x, y):]
		for i := range n {
			a := from[4*i+3]
			for c := range 3 {
				row[3*i+c] = onWhite(from[4*i+c], a)
			}
		}
	case *image.NRGBA64:
		from := m.Pix[m.PixOffset(x, y):]
		for i := range n {
			a := from[8*i+6]
			for c := range 3 {
				row[3*i+c] = onWhite(from[8*i+2*c], a)
			}
		}
	case *image.Gray:
		for i, v := range m.Pix[m.PixOffset(x, y):][:n] {
			row[3*i], row[3*i+1], row[3*i+2] = v, v, v
		}
	case *image.Gray16:
		from := m.Pix[m.PixOffset(x, y):]
		for i := range n {
			v := from[2*i]
			row[3*i], row[3*i+1], row[3*i+2] = v, v, v
		}
	default:
		for i := range n {
			writeColor(row[3*i:], m.At(x+i, y))
		}
	}
}

// flattenPaletted writes the area of a picture that names its colours.
func flattenPaletted(to []byte, m *image.Paletted, area image.Rectangle, width int) {
	var colors [256][3]byte
	for i, c := range m.Palette[:min(len(m.Palette), len(colors))] {
		writeColor(colors[i][:], c)
	}
	for y := area.Min.Y; y < area.Max.Y; y++ {
		row := to[3*(y*width+area.Min.X):]
		for i, v := range m.Pix[m.PixOffset(area.Min.X, y):][:area.Dx()] {
			copy(row[3*i:3*i+3], colors[v][:])
		}
	}
}

func writeColor(to []byte, c color.Color) {
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	a := uint8(n.A >> 8)
	to[0], to[1], to[2] = onWhite(uint8(n.R>>8), a), onWhite(uint8(n.G>>8), a), onWhite(uint8(n.B>>8), a)
}

// onWhite is a level seen through alpha on white, rounded.
func onWhite(v, a uint8) uint8 {
	t := uint32(v)*uint32(a) + 255*(255-uint32(a)) + 127
	return uint8(t / 255)
}
