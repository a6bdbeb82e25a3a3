package picture

import (
	"cmp"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

// maxLabelled is how many hops have their scale written beside them.
const maxLabelled = 48

// drawPath draws the way that tokens take: hops from left to right, each at the
// height of its layer, in the colour of its model.
func drawPath(s search.Search, trials []search.Trial) (*plot.Plot, error) {
	recipe, title := merge.Recipe{}, s.Spec.Name+": "
	if s.Winner != nil {
		recipe, title = s.Winner.Recipe, title+"the winner's path"
	} else if found := scored(trials); len(found) > 0 {
		best := slices.MaxFunc(found, func(a, b search.Trial) int { return cmp.Compare(a.Fitness, b.Fitness) })
		recipe, title = best.Recipe, title+"the path of trial "+strconv.Itoa(best.Number)
	}
	if len(recipe.Path) == 0 {
		return nil, fault.Bad("of", "this search has found no path: its recipes merge weights")
	}
	p := newPlot(title, "hop", "layer")
	var way plotter.XYs
	models := []string{}
	at := map[string]plotter.XYs{}
	var labels plotter.XYLabels
	for i, hop := range recipe.Path {
		point := plotter.XY{X: float64(i), Y: float64(hop.Layer)}
		way = append(way, point)
		if !slices.Contains(models, hop.Model) {
			models = append(models, hop.Model)
		}
		at[hop.Model] = append(at[hop.Model], point)
		if hop.Scale != 0 && hop.Scale != 1 && len(recipe.Path) <= maxLabelled {
			labels.XYs = append(labels.XYs, point)
			labels.Labels = append(labels.Labels, "×"+strconv.FormatFloat(hop.Scale, 'g', 3, 64))
		}
	}
	route, err := plotter.NewLine(way)
	if err != nil {
		return nil, err
	}
	route.LineStyle = line(pale, 1)
	p.Add(route)
	for i, model := range models {
		dots, err := plotter.NewScatter(at[model])
		if err != nil {
			return nil, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: colorOf(i), Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
		p.Add(dots)
		p.Legend.Add(model, dots)
	}
	if len(labels.Labels) > 0 {
		scales, err := plotter.NewLabels(labels)
		if err != nil {
			return nil, err
		}
		for i := range scales.TextStyle {
			scales.TextStyle[i].Font.Variant = "Sans"
		}
		scales.Offset = vg.Point{X: vg.Points(5), Y: vg.Points(5)}
		p.Add(scales)
	}
	p.Y.Min, p.Y.Max = -0.5, p.Y.Max+0.5
	makeRoom(p)
	p.X.Min, p.X.Max = -0.5, float64(len(recipe.Path))-0.5
	return p, nil
}
