package picture

import (
	"bytes"
	"io"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search"
)

// Subject is what of a search is drawn.
type Subject string

// The subjects.
const (
	// Fitness draws every trial by its fitness, with the interval of its score, and
	// the best so far.
	Fitness Subject = "fitness"
	// Parameters draws where in their ranges the parameters of the trials lie.
	Parameters Subject = "parameters"
	// Path draws the winner's path through the layers of its models, or that of the
	// best trial so far.
	Path Subject = "path"
)

// Subjects lists what can be drawn.
func Subjects() []Subject { return []Subject{Fitness, Parameters, Path} }

// The size of a picture.
const (
	width  = 24 * vg.Centimeter
	height = 12 * vg.Centimeter
	// legendShare is how much is added to the height of the data for the legend.
	legendShare = 0.22
)

// Draw writes a picture of a search and its trials. What isn't there yet is left
// out: a search without trials is an empty plot. A path of a search whose recipes
// have none is fault.Invalid.
func Draw(w io.Writer, of Subject, s search.Search, trials []search.Trial) (err error) {
	defer func() { // plotters panic where data surprises them
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "draw the %s of search %s: %v", of, s.ID, p)
		}
	}()
	var p *plot.Plot
	switch of {
	case Fitness:
		p, err = drawFitness(s, trials)
	case Parameters:
		p, err = drawParameters(s, trials)
	case Path:
		p, err = drawPath(s, trials)
	default:
		return fault.Bad("of", "unknown subject %q: it is one of %v", string(of), Subjects())
	}
	if err != nil {
		return err
	}
	canvas := vgsvg.New(width, height)
	p.Draw(draw.New(canvas))
	var whole bytes.Buffer // half a picture is none
	if _, err := canvas.WriteTo(&whole); err != nil {
		return fault.Wrap(err, fault.Internal, "draw the %s of search %s", of, s.ID)
	}
	_, err = w.Write(whole.Bytes())
	return err
}

// newPlot is an empty plot with a title and axes.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(6)
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs = true, true, vg.Points(8)
	p.Legend.Padding = vg.Points(3)
	p.Legend.TextStyle.Font.Size = vg.Points(10)
	for _, f := range []*font.Font{&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.Legend.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font} {
		f.Variant = "Sans"
	}
	return p
}

// makeRoom leaves the upper part of a plot to its legend.
func makeRoom(p *plot.Plot) { p.Y.Max += legendShare * (p.Y.Max - p.Y.Min) }

// scored are the trials that did not fail.
func scored(trials []search.Trial) []search.Trial {
	return slices.DeleteFunc(slices.Clone(trials), func(t search.Trial) bool { return t.Score == nil })
}
