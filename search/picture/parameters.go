package picture

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/mergeway/mergeway/search"
)

const (
	// elite is the share of the trials, by fitness, that are drawn darker.
	elite = 0.1
	// maxNamed is how many parameters are named on the axis; more would overlap.
	maxNamed = 64
)

// drawParameters draws, for each parameter, where in its range the trials lie: all
// of them, the best tenth, and the best.
func drawParameters(s search.Search, trials []search.Trial) (*plot.Plot, error) {
	p := newPlot(s.Spec.Name+": parameters of the trials", "", "place in the range")
	p.Y.Min, p.Y.Max = 0, 1
	p.X.Min, p.X.Max = -0.5, math.Max(float64(len(s.Parameters))-0.5, 0.5)
	if n := len(s.Parameters); n > 0 && n <= maxNamed {
		names := make([]string, n)
		for i, parameter := range s.Parameters {
			names[i] = parameter.Label
		}
		p.NominalX(names...)
		p.X.Tick.Label.Rotation = math.Pi / 2
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	}
	ranked := scored(trials)
	slices.SortStableFunc(ranked, func(a, b search.Trial) int {
		if a.Fitness == b.Fitness {
			return b.Number - a.Number
		}
		if a.Fitness > b.Fitness {
			return -1
		}
		return 1
	})
	if len(ranked) == 0 {
		return p, nil
	}
	best := int(math.Ceil(elite * float64(len(ranked))))
	for _, layer := range []struct {
		name   string
		trials []search.Trial
		style  draw.GlyphStyle
		shift  float64 // so that layers don't hide each other
	}{
		{"all trials", ranked[best:], draw.GlyphStyle{Color: pale, Radius: vg.Points(1.5), Shape: draw.CircleGlyph{}}, -0.15},
		{"the best tenth", ranked[1:best], draw.GlyphStyle{Color: strong, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}, 0},
		{"the best", ranked[:1], draw.GlyphStyle{Color: accent, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}, 0.15},
	} {
		var at plotter.XYs
		for _, t := range layer.trials {
			for i, v := range t.Genome {
				at = append(at, plotter.XY{X: float64(i) + layer.shift, Y: math.Min(math.Max(v, 0), 1)})
			}
		}
		if len(at) == 0 {
			continue
		}
		dots, err := plotter.NewScatter(at)
		if err != nil {
			return nil, err
		}
		dots.GlyphStyle = layer.style
		p.Add(dots)
		p.Legend.Add(layer.name, dots)
	}
	makeRoom(p)
	return p, nil
}
