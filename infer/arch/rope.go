package arch

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// inverseFrequencies gives the angle per position of each rotated pair [E/2],
// with the config's scaling (as transformers' ROPE_INIT_FUNCTIONS).
func inverseFrequencies(c checkpoint.Config) []float32 {
	freqs := make([]float32, c.HeadDim/2)
	for i := range freqs {
		f := math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))
		freqs[i] = float32(scaleFrequency(f, c.RopeScaling))
	}
	return freqs
}

// scaleFrequency stretches one frequency. "linear" divides all of them;
// "llama3" leaves high frequencies alone, divides low ones, and blends between.
func scaleFrequency(f float64, s *checkpoint.RopeScaling) float64 {
	if s == nil {
		return f
	}
	if s.Type == "linear" {
		return f / s.Factor
	}
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

// rotation holds the cosines and sines of a batch of positions, [B, T, 1, E/2].
type rotation struct{ cos, sin *graph.Node }

// newRotation takes positions float32 [B, T]. Angles are computed in float32
// and rounded to dtype, as transformers does.
func newRotation(c checkpoint.Config, positions *graph.Node, dtype dtypes.DType) rotation {
	b, t := positions.Shape().Dim(0), positions.Shape().Dim(1)
	freqs := graph.Reshape(graph.Const(positions.Graph(), inverseFrequencies(c)), 1, 1, 1, c.HeadDim/2)
	angles := graph.Mul(graph.Reshape(positions, b, t, 1, 1), freqs)
	return rotation{
		cos: graph.ConvertDType(graph.Cos(angles), dtype),
		sin: graph.ConvertDType(graph.Sin(angles), dtype),
	}
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
