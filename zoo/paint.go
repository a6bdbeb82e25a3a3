package zoo

import (
	"math"
	"math/rand/v2"
)

// painting is a picture in the making: RGB, one byte a channel when it is done.
type painting struct {
	width, height int
	rgb           []float64 // [height, width, 3], 0 to 255
}

// The smaller side of a picture, in pixels. What a model sees of it is scaled to
// the side of a tile.
const (
	leastSide = 24
	mostSide  = 40
)

// drawFrame picks the size of a picture: most are square, some twice as wide or as
// high, which a model sees in two tiles.
func drawFrame(r *rand.Rand) (width, height int) {
	side := between(r, leastSide, mostSide)
	switch r.IntN(12) {
	case 0:
		return 2 * side, side
	case 1:
		return side, 2 * side
	default:
		return side, side
	}
}

// paint paints the scene: things of varying size, hue and place on a dark ground.
func (s scene) paint(r *rand.Rand, width, height int) *painting {
	p := &painting{width: width, height: height, rgb: make([]float64, 3*width*height)}
	p.ground(r)
	cell := float64(min(width, height)) / 2
	if s.count > 0 {
		for _, at := range r.Perm(mostOfAKind)[:s.count] {
			p.thing(r, s.looks[0], box{at % 2, 2, at / 2, 2}, cell, uniform(r, -1, 1), uniform(r, -1, 1))
		}
		return p
	}
	// Two things beside each other are about as high, else they would be above each
	// other too.
	level := uniform(r, -0.9, 0.9)
	for i, k := range s.looks {
		along, across := uniform(r, -1, 1), level+uniform(r, -0.1, 0.1)
		if s.sides == 0 {
			p.thing(r, k, box{i, 2, 0, 1}, cell, along, across)
		} else {
			p.thing(r, k, box{0, 1, i, 2}, cell, across, along)
		}
	}
	return p
}

// box is a part of a picture: one of so many columns, one of so many rows.
type box struct{ column, columns, row, rows int }

// ground paints a dark ground that grows lighter towards one side.
func (p *painting) ground(r *rand.Rand) {
	dark := uniform(r, 10, 80)
	tint := [3]float64{uniform(r, -12, 12), uniform(r, -12, 12), uniform(r, -12, 12)}
	slopeX, slopeY := uniform(r, -20, 20), uniform(r, -20, 20)
	for i := range p.rgb {
		x, y := i/3%p.width, i/3/p.width
		p.rgb[i] = dark + tint[i%3] + slopeX*float64(x)/float64(p.width) + slopeY*float64(y)/float64(p.height)
	}
}

// thing paints one thing in a box, at right and down of its middle, from -1 to 1.
// cell is the width, in pixels, that a thing at its largest fills nearly.
func (p *painting) thing(r *rand.Rand, k look, in box, cell, right, down float64) {
	radius := cell / 12 * uniform(r, 4.2, 5.4)
	place := func(size, part, parts int, off float64) float64 {
		length := float64(size) / float64(parts)
		return length*(float64(part)+0.5) + off*(length/2-radius)
	}
	x, y := place(p.width, in.column, in.columns, right), place(p.height, in.row, in.rows, down)
	hue := colours[k.colour].rgb
	for c := range hue {
		hue[c] += uniform(r, -18, 18)
	}
	for row := range p.height {
		for column := range p.width {
			distance := radius * outside(k.outline, (float64(column)+0.5-x)/radius, (float64(row)+0.5-y)/radius)
			cover := min(max(0.5-distance, 0), 1)
			for c, h := range hue {
				at := &p.rgb[3*(row*p.width+column)+c]
				*at += cover * (h - *at)
			}
		}
	}
}

// outside is how far a point is outside of an outline of radius 1 about the origin;
// negative inside.
func outside(outline int, x, y float64) float64 {
	ax, ay := math.Abs(x), math.Abs(y)
	switch outline {
	case 0: // ring
		return math.Abs(math.Hypot(x, y)-0.74) - 0.26
	case 1: // square
		return max(ax, ay) - 0.85
	case 2: // triangle, its tip at the top
		return max(y-0.85, 0.88*ax-0.44*(y+1.15))
	default: // cross
		return max(min(ax, ay)-0.27, max(ax, ay)-1)
	}
}

// pixels are the painting's bytes, as files hold them.
func (p *painting) pixels() []byte {
	out := make([]byte, len(p.rgb))
	for i, v := range p.rgb {
		out[i] = byte(min(max(math.Round(v), 0), 255))
	}
	return out
}

// uniform draws a number between two others.
func uniform(r *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
