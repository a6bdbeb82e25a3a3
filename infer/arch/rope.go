package arch

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// rope is a rotary position embedding.
type rope struct {
	theta   float64
	scaling *checkpoint.RopeScaling // nil: none
}

// frequencies gives the angle per position of each rotated pair [E/2] of heads
// of a width, with the scaling (as transformers' ROPE_INIT_FUNCTIONS).
func (r rope) frequencies(width int) []float32 {
	freqs := make([]float32, width/2)
	for i := range freqs {
		f := math.Pow(r.theta, -2*float64(i)/float64(width))
		if r.scaling != nil {
			switch s := *r.scaling; s.Type {
			case "linear":
				f /= s.Factor
			case "llama3":
				f = llama3Frequency(f, s)
			case "yarn":
				f = yarnFrequency(f, r.pairsTurning(s, width), i, s)
			}
		}
		freqs[i] = float32(f)
	}
	return freqs
}

// amplitude is what cosines and sines are multiplied by.
func (r rope) amplitude() float64 {
	if r.scaling != nil && r.scaling.Type == "yarn" {
		return r.scaling.AttentionFactor
	}
	return 1
}

// llama3Frequency leaves high frequencies alone, divides low ones, and blends
// between.
func llama3Frequency(f float64, s checkpoint.RopeScaling) float64 {
	wavelength := 2 * math.Pi / f
	original := float64(s.OriginalMaxPositionEmbeddings)
	switch {
	case wavelength < original/s.HighFreqFactor:
		return f
	case wavelength > original/s.LowFreqFactor:
		return f / s.Factor
	}
	blend := (original/wavelength - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
	return (1-blend)*f/s.Factor + blend*f
}

// pairsTurning gives the range of pairs, by number, that turn between BetaFast
// times (its beginning) and BetaSlow times (its end) in the original context.
func (r rope) pairsTurning(s checkpoint.RopeScaling, width int) [2]float64 {
	pair := func(turns float64) float64 {
		return float64(width) * math.Log(float64(s.OriginalMaxPositionEmbeddings)/(turns*2*math.Pi)) / (2 * math.Log(r.theta))
	}
	from, to := pair(s.BetaFast), pair(s.BetaSlow)
	if !s.NoTruncate {
		from, to = math.Floor(from), math.Ceil(to)
	}
	from, to = max(from, 0), min(to, float64(width-1))
	if from == to {
		to += 0.001 // as the reference does, so that there is a slope
	}
	return [2]float64{from, to}
}

// yarnFrequency leaves the pairs before the range alone, divides the frequency
// of those behind it, and blends between (YaRN, section 3.2).
func yarnFrequency(f float64, between [2]float64, pair int, s checkpoint.RopeScaling) float64 {
	stretched := min(max((float64(pair)-between[0])/(between[1]-between[0]), 0), 1)
	return f/s.Factor*stretched + f*(1-stretched)
}

// rotation holds the cosines and sines of a batch of positions, [B, T, 1, E/2].
type rotation struct{ cos, sin *graph.Node }

// newRotation takes positions float32 [B, T] and rotates heads of a width. Angles
// are computed in float32 and rounded to dtype, as transformers does.
func newRotation(r rope, width int, positions *graph.Node, dtype dtypes.DType) rotation {
	b, t := positions.Shape().Dim(0), positions.Shape().Dim(1)
	freqs := graph.Reshape(graph.Const(positions.Graph(), r.frequencies(width)), 1, 1, 1, width/2)
	angles := graph.Mul(graph.Reshape(positions, b, t, 1, 1), freqs)
	cos, sin := graph.Cos(angles), graph.Sin(angles)
	if a := r.amplitude(); a != 1 {
		cos, sin = graph.MulScalar(cos, a), graph.MulScalar(sin, a)
	}
	return rotation{cos: graph.ConvertDType(cos, dtype), sin: graph.ConvertDType(sin, dtype)}
}

// last is the rotation of the last n of the positions.
func (r rotation) last(n int) rotation {
	return rotation{cos: lastOf(r.cos, 1, n), sin: lastOf(r.sin, 1, n)}
}

// apply rotates x [B, T, heads, E]: pair i is (x[i], x[i+E/2]), the "rotate
// half" layout of Hugging Face checkpoints.
func (r rotation) apply(x *graph.Node) *graph.Node {
	half := x.Shape().Dim(-1) / 2
	rest := graph.AxisRange()
	a := graph.Slice(x, rest, rest, rest, graph.AxisRange(0, half))
	b := graph.Slice(x, rest, rest, rest, graph.AxisRange(half))
	return graph.Concatenate([]*graph.Node{
		graph.Sub(graph.Mul(a, r.cos), graph.Mul(b, r.sin)),
		graph.Add(graph.Mul(b, r.cos), graph.Mul(a, r.sin)),
	}, -1)
}
