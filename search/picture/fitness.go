package picture

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/mergeway/mergeway/search"
)

// band are trials with what is known of their fitness: the interval of the score,
// moved to where the fitness lies, which may reward more than the score counts.
type band struct {
	plotter.XYs
	plotter.YErrors
}

// drawFitness draws the trials by number and fitness.
func drawFitness(s search.Search, trials []search.Trial) (*plot.Plot, error) {
	p := newPlot(fmt.Sprintf("%s: %s on %s", s.Spec.Name, s.Spec.Fitness, s.Spec.Task), "trial", string(s.Spec.Fitness))
	var found band
	var best, failed plotter.XYs
	lowest := math.Inf(1)
	for _, t := range trials {
		x := float64(t.Number)
		if t.Score == nil {
			failed = append(failed, plotter.XY{X: x})
			continue
		}
		found.XYs = append(found.XYs, plotter.XY{X: x, Y: t.Fitness})
		found.YErrors = append(found.YErrors, struct{ Low, High float64 }{t.Score.Accuracy - t.Score.Low, t.Score.High - t.Score.Accuracy})
		lowest = math.Min(lowest, t.Fitness+t.Score.Low-t.Score.Accuracy)
		top := t.Fitness
		if n := len(best); n > 0 {
			top = math.Max(top, best[n-1].Y)
		}
		best = append(best, plotter.XY{X: x, Y: top})
	}
	if len(found.XYs) > 0 {
		bars, err := plotter.NewYErrorBars(found)
		if err != nil {
			return nil, err
		}
		bars.LineStyle = line(pale, 0.6)
		bars.CapWidth = 0
		dots, err := plotter.NewScatter(found.XYs)
		if err != nil {
			return nil, err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: strong, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
		steps, err := plotter.NewLine(best)
		if err != nil {
			return nil, err
		}
		steps.StepStyle, steps.LineStyle = plotter.PostStep, line(accent, 1.5)
		p.Add(bars, dots, steps)
		p.Legend.Add("a trial, with its 95 % interval", dots)
		p.Legend.Add("the best so far", steps)
	}
	if len(failed) > 0 {
		if math.IsInf(lowest, 1) {
			lowest = 0
		}
		for i := range failed {
			failed[i].Y = lowest
		}
		crosses, err := plotter.NewScatter(failed)
		if err != nil {
			return nil, err
		}
		crosses.GlyphStyle = draw.GlyphStyle{Color: alarm, Radius: vg.Points(2.5), Shape: draw.CrossGlyph{}}
		p.Add(crosses)
		p.Legend.Add("failed", crosses)
	}
	makeRoom(p)
	p.X.Min, p.X.Max = 0, math.Max(1, float64(len(trials)-1))
	return p, nil
}
