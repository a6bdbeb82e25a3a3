package device_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"
)

// widened are numbers as float64.
func widened(all []bfloat16.BFloat16) []float64 {
	wide := make([]float64, len(all))
	for i, x := range all {
		wide[i] = float64(x.Float32())
	}
	return wide
}

// linear is x [rows, in] times a weight [out, in], exactly, and how large its terms are.
func linear(x, weight []bfloat16.BFloat16, in int) (y, size []float64) {
	a, w, out := widened(x), widened(weight), len(weight)/in
	for i := range len(x) / in * out {
		var sum, sizes float64
		for k := range in {
			term := a[i/out*in+k] * w[i%out*in+k]
			sum += term
			sizes += math.Abs(term)
		}
		y, size = append(y, sum), append(size, sizes)
	}
	return y, size
}

// What is done with a product besides, and then rounded once.
func TestProductsWithAFinish(t *testing.T) {
	dev := own(t)
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	gelu := func(x float64) float64 { return x / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }
	for _, in := range []int{5, 64, 1100} {
		for _, out := range []int{1, 33, 100} {
			for _, rows := range []int{1, 5, 200} {
				x, first, second := arbitrary(1, rows*in), arbitrary(2, out*in), arbitrary(3, out*in)
				third, addend := arbitrary(4, 40*in), arbitrary(5, rows*out)
				for i := range first { // keeps what is activated within some units of zero
					first[i] = bfloat16.FromFloat32(first[i].Float32() / float32(math.Sqrt(float64(in))))
				}
				results, err := graph.CallOnceN(dev.Backend(), func(in []*graph.Node) []*graph.Node {
					x, first, second, third, addend := in[0], in[1], in[2], in[3], in[4]
					all := make([]*graph.Node, 4)
					var ok [4]bool
					all[0], ok[0] = dev.Multiply(x, first, second, third)
					all[1], ok[1] = dev.MultiplyOnto(addend, x, first)
					all[2], ok[2] = dev.MultiplyGated("silu", x, first, second)
					all[3], ok[3] = dev.MultiplyGated("gelu_pytorch_tanh", x, first, second)
					require.Equal(t, [4]bool{true, true, true, true}, ok)
					_, known := dev.MultiplyGated("relu", x, first, second)
					require.False(t, known)
					return all
				},
					tensors.FromFlatDataAndDimensions(x, rows, in), tensors.FromFlatDataAndDimensions(first, out, in),
					tensors.FromFlatDataAndDimensions(second, out, in), tensors.FromFlatDataAndDimensions(third, 40, in),
					tensors.FromFlatDataAndDimensions(addend, rows, out))
				require.NoError(t, err)
				require.Equal(t, []int{rows, 2*out + 40}, results[0].Shape().Dimensions)
				require.Equal(t, []int{rows, out}, results[2].Shape().Dimensions)
				got := make([][]float64, len(results))
				for i, y := range results {
					got[i] = widened(tensors.MustCopyFlatData[bfloat16.BFloat16](y))
				}
				near := func(want, size, got float64, what string) {
					if !(math.Abs(got-want) <= math.Abs(want)/256+size*1e-5) {
						t.Fatalf("%d rows of %d, %d columns, %s: %v and not %v", rows, in, out, what, got, want)
					}
				}
				one, oneSize := linear(x, first, in)
				two, twoSize := linear(x, second, in)
				three, threeSize := linear(x, third, in)
				for i := range one {
					row, column := i/out, i%out
					beside := got[0][row*(2*out+40):]
					near(one[i], oneSize[i], beside[column], "the first of three")
					near(two[i], twoSize[i], beside[out+column], "the second of three")
					near(one[i]+float64(addend[i].Float32()), oneSize[i], got[1][i], "a sum")
					near(silu(one[i])*two[i], twoSize[i]*(1+oneSize[i]), got[2][i], "gated by SiLU")
					near(gelu(one[i])*two[i], twoSize[i]*(1+oneSize[i]), got[3][i], "gated by GELU")
				}
				for i := range three {
					near(three[i], threeSize[i], got[0][i/40*(2*out+40)+2*out+i%40], "the third of three")
				}
			}
		}
	}
}

func TestNormIsRMSNorm(t *testing.T) {
	const epsilon = 1e-5
	dev := own(t)
	for _, width := range []int{1, 16, 50, 2048} {
		for _, rows := range []int{1, 3, 70} {
			for _, offset := range []float64{0, 1} {
				x, weight := arbitrary(1, rows*width), arbitrary(2, width)
				y, err := graph.CallOnce(dev.Backend(), func(x, weight *graph.Node) *graph.Node {
					y, ok := dev.Norm(x, weight, epsilon, offset)
					require.True(t, ok)
					return y
				}, tensors.FromFlatDataAndDimensions(x, rows, width), tensors.FromFlatDataAndDimensions(weight, width))
				require.NoError(t, err)
				got, wide, by := widened(tensors.MustCopyFlatData[bfloat16.BFloat16](y)), widened(x), widened(weight)
				for i, w := range wide {
					var squares float64
					for _, other := range wide[i/width*width:][:width] {
						squares += other * other
					}
					want := w / math.Sqrt(squares/float64(width)+epsilon) * (by[i%width] + offset)
					require.InDelta(t, want, got[i], math.Abs(want)/120+1e-6, "%d rows of %d, element %d, offset %g", rows, width, i, offset)
				}
			}
		}
	}
}
