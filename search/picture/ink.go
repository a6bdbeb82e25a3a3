package picture

import (
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours. Those of models are told apart by people who see no red and green.
var (
	pale   = color.RGBA{R: 190, G: 198, B: 209, A: 255}
	strong = color.RGBA{R: 70, G: 84, B: 104, A: 255}
	accent = color.RGBA{R: 213, G: 94, B: 0, A: 255}
	alarm  = color.RGBA{R: 170, G: 20, B: 20, A: 255}
)

// colorOf is the colour of the n-th model.
func colorOf(n int) color.Color {
	palette := []color.Color{
		color.RGBA{R: 0, G: 114, B: 178, A: 255},
		color.RGBA{R: 230, G: 159, B: 0, A: 255},
		color.RGBA{R: 0, G: 158, B: 115, A: 255},
		color.RGBA{R: 204, G: 121, B: 167, A: 255},
		color.RGBA{R: 86, G: 180, B: 233, A: 255},
		color.RGBA{R: 213, G: 94, B: 0, A: 255},
	}
	return palette[n%len(palette)]
}

// line is a line of so many points.
func line(c color.Color, width float64) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: vg.Points(width)}
}
