package picture

import "image"

// flattenWebP is flatten for what WebP's decoder gives. A lossy WebP is YCbCr as
// television has it: levels from 16 to 235, which Go's image package takes to be
// JPEG's from 0 to 255. It is converted here, to the bits that libwebp makes of it.
func flattenWebP(m image.Image, size image.Config) []byte {
	at := image.Rect(0, 0, size.Width, size.Height)
	to := canvas(size)
	if p, is := m.(placed); is {
		m, at = p.Image, p.at
	}
	var ycc *image.YCbCr
	var alpha func(y int) []byte
	switch m := m.(type) {
	case *image.YCbCr:
		ycc = m
	case *image.NYCbCrA:
		ycc = &m.YCbCr
		alpha = func(y int) []byte { return m.A[y*m.AStride:] }
	}
	for y := range at.Dy() {
		row := to[3*((at.Min.Y+y)*size.Width+at.Min.X):][:3*at.Dx()]
		if ycc == nil {
			flattenRow(row, m, 0, y)
			continue
		}
		writeWebPRow(row, ycc, y)
		if alpha != nil {
			for i, a := range alpha(y)[:at.Dx()] {
				for c := range 3 {
					row[3*i+c] = onWhite(row[3*i+c], a)
				}
			}
		}
	}
	return to
}

// writeWebPRow writes row y. Colour has half the resolution: a pixel gets nine
// parts of the sample that it lies in, three of each neighbour and one of the
// diagonal, rounded as libwebp rounds.
func writeWebPRow(to []byte, m *image.YCbCr, y int) {
	width, height := m.Rect.Dx(), m.Rect.Dy()
	columns, rows := (width+1)/2, (height+1)/2
	near := y / 2 * m.CStride
	far := min(max(y/2-1+2*(y%2), 0), rows-1) * m.CStride
	luma := m.Y[y*m.YStride:][:width]
	for x, l := range luma {
		n := x / 2
		f := n - 1 + 2*(x%2)
		var u, v int32
		if f < 0 || f >= columns {
			u = quarterWay(m.Cb[near+n], m.Cb[far+n])
			v = quarterWay(m.Cr[near+n], m.Cr[far+n])
		} else {
			u = between(m.Cb[near+n], m.Cb[near+f], m.Cb[far+n], m.Cb[far+f])
			v = between(m.Cr[near+n], m.Cr[near+f], m.Cr[far+n], m.Cr[far+f])
		}
		writeBT601(to[3*x:3*x+3], int32(l), u, v)
	}
}

func quarterWay(near, far byte) int32 { return (3*int32(near) + int32(far) + 2) >> 2 }

func between(own, beside, above, across byte) int32 {
	o, b, a, x := int32(own), int32(beside), int32(above), int32(across)
	return ((o+b+a+x+8+2*(b+a))>>3 + o) >> 1
}

// writeBT601 converts levels of ITU-R BT.601 to RGB, with coefficients of 14 bits
// of fraction, of which 8 are dropped in each product.
func writeBT601(to []byte, y, u, v int32) {
	const fraction = 6
	l := y * 19077 >> 8
	to[0] = clip8((l + v*26149>>8 - 14234) >> fraction)
	to[1] = clip8((l - u*6419>>8 - v*13320>>8 + 8708) >> fraction)
	to[2] = clip8((l + u*33050>>8 - 17685) >> fraction)
}
