package zoo

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// One matrix and one vector, moved by the optimizer and by the textbook's
// formulas in float64.
func TestAdamWFollowsTheTextbook(t *testing.T) {
	dev := devicetest.Open(t)
	o := newAdamW()
	step, err := graph.NewExec(dev.Backend(), func(in []*graph.Node) []*graph.Node {
		slots := []slot{{in[0], in[1], in[2], 1}, {in[3], in[4], in[5], 1}}
		moved := o.update(slots, []*graph.Node{in[6], in[7]}, in[8], in[9])
		var out []*graph.Node
		for _, s := range moved {
			out = append(out, s.value, s.first, s.second)
		}
		return out
	})
	require.NoError(t, err)
	matrix, vector := []float64{1, -2, 0.5, 3}, []float64{0.25, -0.75}
	var m1, m2 [4]float64
	var v1, v2 [2]float64
	for n := 1; n <= 4; n++ {
		gm := []float64{0.3 * float64(n), -4, 0.01, 2}
		gv := []float64{-0.5, 0.125 * float64(n)}
		rate := 0.1 / float64(n)
		flat := func(v []float64) []float32 {
			out := make([]float32, len(v))
			for i := range v {
				out[i] = float32(v[i])
			}
			return out
		}
		square := func(v []float64) [][]float32 { f := flat(v); return [][]float32{f[:2], f[2:]} }
		out, err := step.Call(square(matrix), square(m1[:]), square(m2[:]), flat(vector), flat(v1[:]), flat(v2[:]),
			square(gm), flat(gv), float32(rate), float32(n))
		require.NoError(t, err)

		norm := 0.0
		for _, g := range append(gm, gv...) {
			norm += g * g
		}
		clip := math.Min(1, o.clip/math.Sqrt(norm))
		move := func(value, first, second []float64, gradient []float64, decay float64) {
			for i := range value {
				g := gradient[i] * clip
				first[i] = o.beta1*first[i] + (1-o.beta1)*g
				second[i] = o.beta2*second[i] + (1-o.beta2)*g*g
				hat1, hat2 := first[i]/(1-math.Pow(o.beta1, float64(n))), second[i]/(1-math.Pow(o.beta2, float64(n)))
				value[i] -= rate * (hat1/(math.Sqrt(hat2)+o.epsilon) + decay*value[i])
			}
		}
		move(matrix, m1[:], m2[:], gm, o.decay)
		move(vector, v1[:], v2[:], gv, 0) // scales of norms do not decay

		for i, row := range out[0].Value().([][]float32) {
			for j, got := range row {
				require.InDelta(t, matrix[2*i+j], got, 1e-5, "step %d, matrix", n)
			}
		}
		for i, got := range out[3].Value().([]float32) {
			require.InDelta(t, vector[i], got, 1e-5, "step %d, vector", n)
		}
	}
}

func TestScheduleWarmsUpAndCools(t *testing.T) {
	s := Schedule{Steps: 110, WarmUp: 10, Rate: 1, Floor: 0.05}
	require.InDelta(t, 0.1, s.at(0), 1e-9)
	require.InDelta(t, 1, s.at(9), 1e-9)
	require.InDelta(t, 1, s.at(10), 1e-9)
	require.InDelta(t, 0.525, s.at(60), 1e-9)
	require.InDelta(t, 0.05, s.at(110), 1e-9)
	for step := 11; step < s.Steps; step++ {
		require.Less(t, s.at(step), s.at(step-1))
	}
	require.Equal(t, Schedule{Steps: 11, WarmUp: 1, Rate: 1, Floor: 0.05}, s.shortened(10))
	require.Equal(t, s, s.shortened(0))
	require.Equal(t, 1, s.shortened(1000).Steps)
}
