package picture

import "math"

// filter is a resampling filter: a function of the distance to the wanted place,
// in pixels of the coarser side, which is zero from support on.
type filter struct {
	support float64
	at      func(x float64) float64
}

// The filters go by the numbers that Pillow gives them, which configs use.
const (
	lanczos  = 1
	bilinear = 2
	bicubic  = 3
	box      = 4
	hamming  = 5
)

// filterOf gives a filter by Pillow's number. Nearest, 0, is no filter.
func filterOf(number int) (filter, bool) {
	switch number {
	case lanczos:
		return filter{3, func(x float64) float64 {
			if x < -3 || x >= 3 {
				return 0
			}
			return sinc(x) * sinc(x/3)
		}}, true
	case bilinear:
		return filter{1, func(x float64) float64 { return max(0, 1-math.Abs(x)) }}, true
	case bicubic:
		return filter{2, cubic}, true
	case box:
		return filter{0.5, func(x float64) float64 {
			if x > -0.5 && x <= 0.5 {
				return 1
			}
			return 0
		}}, true
	case hamming:
		return filter{1, func(x float64) float64 {
			x = math.Abs(x)
			switch {
			case x == 0:
				return 1
			case x >= 1:
				return 0
			}
			x *= math.Pi
			return math.Sin(x) / x * (0.54 + float64(0.46*math.Cos(x)))
		}}, true
	}
	return filter{}, false
}

// cubic is the piecewise cubic of Keys (1981) with a = -1/2. Its products are rounded
// before they are added, whatever the processor could do in one instruction.
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64((a+2)*x)-(a+3))*x)*x + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// Weights have 22 bits of fraction, so that the sum of weighted levels, which may
// go somewhat beyond 255, fits 32 bits.
const (
	fraction = 22
	half     = 1 << (fraction - 1)
)

// taps say what each place of a row or column is made of. A filter that makes
// something smaller is as wide as the pixels that fall together (antialiasing).
type taps struct {
	first   []int // the first pixel that counts
	weights [][]int32
}

// tapsOf computes the weights for a length that becomes another: in double
// precision, to the sum 1, then rounded.
func tapsOf(from, to int, f filter) taps {
	scale := float64(from) / float64(to)
	wide := max(scale, 1)
	support := f.support * wide
	t := taps{first: make([]int, to), weights: make([][]int32, to)}
	size := int(math.Ceil(support))*2 + 1
	all := make([]int32, 0, to*size)
	exact := make([]float64, size)
	for i := range to {
		center := (float64(i) + 0.5) * scale
		first := max(int(center-support+0.5), 0)
		n := min(int(center+support+0.5), from) - first
		sum := 0.0
		for j := range n {
			exact[j] = f.at((float64(j+first) - center + 0.5) * (1 / wide))
			sum += exact[j]
		}
		start := len(all)
		for _, w := range exact[:n] {
			if sum != 0 {
				w /= sum
			}
			all = append(all, int32(math.Trunc(float64(w*(1<<fraction))+math.Copysign(0.5, w))))
		}
		t.first[i], t.weights[i] = first, all[start:]
	}
	return t
}

// window is a part of a picture.
type window struct{ left, top, width, height int }

// resize is Pillow's Image.resize for RGB, to the last bit: rows and columns apart,
// rounded to 8 bits after each. pixels is width × height × 3.
func resize(pixels []byte, width, height, toWidth, toHeight int, f filter) []byte {
	return resizeWindow(pixels, width, height, extent{toHeight, toWidth}, window{0, 0, toWidth, toHeight}, f)
}

// resizeWindow is a part of what resize gives, and costs no more than that part.
func resizeWindow(pixels []byte, width, height int, to extent, w window, f filter) []byte {
	columns, rows := identity(to.height), identity(to.width)
	if to.width != width {
		rows = tapsOf(width, to.width, f)
	}
	if to.height != height {
		columns = tapsOf(height, to.height, f)
	}
	rows, columns = rows.part(w.left, w.width), columns.part(w.top, w.height)
	out := make([]byte, 3*w.width*w.height)
	// Pillow 13 begins with the columns where that is much less work; before, it
	// always began with the rows. The order shows in the last bit.
	if lost := height - to.height; lost > 0 && lost > 2*(width-to.width) {
		short := make([]byte, 3*width*w.height)
		across(short, pixels, 3*width, 0, columns)
		along(out, short, width, rows)
		return out
	}
	first, end := columns.reach() // of the rows that count
	narrow := make([]byte, 3*w.width*(end-first))
	along(narrow, pixels[3*first*width:3*end*width], width, rows)
	across(out, narrow, 3*w.width, first, columns)
	return out
}

// identity leaves a length as it is.
func identity(n int) taps {
	t := taps{first: make([]int, n), weights: make([][]int32, n)}
	one := []int32{1 << fraction}
	for i := range n {
		t.first[i], t.weights[i] = i, one
	}
	return t
}

// part is n places from one on.
func (t taps) part(from, n int) taps {
	return taps{first: t.first[from : from+n], weights: t.weights[from : from+n]}
}

// reach is the range of pixels that count.
func (t taps) reach() (first, end int) {
	last := len(t.first) - 1
	return t.first[0], t.first[last] + len(t.weights[last])
}

// along resizes each row. Red and green are summed in the halves of one 64 bit
// number: what the lower half borrows of the upper is given back at the end.
func along(to, from []byte, width int, t taps) {
	redGreen, blue := make([]int64, width), make([]int32, width)
	toWidth := len(t.weights)
	for y := range len(from) / (3 * width) {
		row := from[3*y*width:][:3*width]
		for x := range width {
			p := row[3*x : 3*x+3 : 3*x+3]
			redGreen[x] = int64(p[0]) | int64(p[1])<<32
			blue[x] = int32(p[2])
		}
		out := to[3*y*toWidth:][:3*toWidth]
		for x, weights := range t.weights {
			first := t.first[x]
			rgs, bs := redGreen[first:][:len(weights)], blue[first:][:len(weights)]
			rg, b := int64(half)<<32|half, int32(half)
			for i, w := range weights {
				rg += int64(w) * rgs[i]
				b += w * bs[i]
			}
			r := int32(rg)
			g := int32((rg - int64(r)) >> 32)
			p := out[3*x : 3*x+3 : 3*x+3]
			p[0], p[1], p[2] = clip8(r>>fraction), clip8(g>>fraction), clip8(b>>fraction)
		}
	}
}

// across resizes columns. Rows are stride bytes long; from begins with row top.
func across(to, from []byte, stride, top int, t taps) {
	sums := make([]int32, stride)
	for y, weights := range t.weights {
		for i := range sums {
			sums[i] = half
		}
		for i, w := range weights {
			row := from[(t.first[y]-top+i)*stride:][:len(sums)]
			for x, v := range row {
				sums[x] += w * int32(v)
			}
		}
		out := to[y*stride:][:len(sums)]
		for x, s := range sums {
			out[x] = clip8(s >> fraction)
		}
	}
}
