package picture

import "image"

// flattenJPEG is flatten, with colours at half the resolution interpolated as
// libjpeg does it ("fancy upsampling"), and with its conversion to RGB.
func flattenJPEG(m image.Image, size image.Config) []byte {
	ycc, is := m.(*image.YCbCr)
	if !is {
		return flatten(m, size)
	}
	to := make([]byte, 3*size.Width*size.Height)
	cb, cr := newUpsampler(ycc, ycc.Cb), newUpsampler(ycc, ycc.Cr)
	for y := range size.Height {
		luma := ycc.Y[y*ycc.YStride:][:size.Width]
		writeYCC(to[3*y*size.Width:][:3*size.Width], luma, cb.row(y), cr.row(y))
	}
	return to
}

// writeYCC converts a row to RGB: JFIF's equations in 16 bits of fraction, rounded
// as libjpeg rounds them.
func writeYCC(to, luma, cb, cr []byte) {
	const half = 1 << 15
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	to = to[:3*len(luma)]
	for x, l := range luma {
		y, b, r := int32(l), int32(cb[x])-128, int32(cr[x])-128
		to[3*x] = clip8(y + (91881*r+half)>>16)
		to[3*x+1] = clip8(y + (-22554*b-46802*r+half)>>16)
		to[3*x+2] = clip8(y + (116130*b+half)>>16)
	}
}

func clip8(v int32) byte { return byte(min(max(v, 0), 255)) }

// upsampler gives the rows of a plane of colour at the resolution of the luma.
type upsampler struct {
	plane                  []byte
	stride, columns, rows  int // of the plane
	across, down           int // luma samples for each of the plane's
	smoothAcross, smoothed bool
	sums                   []int32 // of the plane's row and the one next to it
	out                    []byte
}

// newUpsampler prepares a plane of m. Libjpeg interpolates what is halved in either
// direction or both, and repeats what is stored more coarsely or is narrower than three.
func newUpsampler(m *image.YCbCr, plane []byte) *upsampler {
	u := &upsampler{plane: plane, stride: m.CStride, across: 1, down: 1}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.across = 2
	case image.YCbCrSubsampleRatio420:
		u.across, u.down = 2, 2
	case image.YCbCrSubsampleRatio440:
		u.down = 2
	case image.YCbCrSubsampleRatio411:
		u.across = 4
	case image.YCbCrSubsampleRatio410:
		u.across, u.down = 4, 2
	}
	width, height := m.Rect.Dx(), m.Rect.Dy()
	u.columns = (width + u.across - 1) / u.across
	u.rows = (height + u.down - 1) / u.down
	u.smoothAcross = u.across == 2 && u.columns > 2
	u.smoothed = u.smoothAcross || u.across == 1 && u.down == 2
	u.sums = make([]int32, u.columns)
	u.out = make([]byte, u.columns*u.across)
	return u
}

// row is row y; it is valid until the next call.
func (u *upsampler) row(y int) []byte {
	near := u.plane[y/u.down*u.stride:][:u.columns]
	switch {
	case u.across == 1 && u.down == 1:
		return near
	case !u.smoothed:
		for x := range u.out {
			u.out[x] = near[x/u.across]
		}
		return u.out
	}
	// The samples of a plane lie between those of the luma, so that each of these is
	// a quarter of the way to a neighbour in each direction that is halved.
	scale := int32(1)
	if u.down == 2 {
		scale = 4
		far := y/2 - 1 + 2*(y%2)
		other := u.plane[min(max(far, 0), u.rows-1)*u.stride:][:u.columns]
		for x, v := range near {
			u.sums[x] = 3*int32(v) + int32(other[x])
		}
	} else {
		for x, v := range near {
			u.sums[x] = int32(v)
		}
	}
	if !u.smoothAcross {
		bias := int32(1 + y%2)
		for x, v := range u.sums {
			u.out[x] = byte((v + bias) >> 2)
		}
		return u.out
	}
	u.smooth(scale)
	return u.out
}

// smooth interpolates the sums, each of which is a level times scale, along the row.
// The halves of a level are rounded up and down in turn, as libjpeg has it.
func (u *upsampler) smooth(scale int32) {
	shift, left, right := 4, int32(8), int32(7)
	if scale == 1 {
		shift, left, right = 2, 1, 2
	}
	last := u.columns - 1
	for x, v := range u.sums {
		before, after := u.sums[max(x-1, 0)], u.sums[min(x+1, last)]
		u.out[2*x] = byte((3*v + before + left) >> shift)
		u.out[2*x+1] = byte((3*v + after + right) >> shift)
	}
}
