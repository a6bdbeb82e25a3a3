package arch

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// The fixtures' weights are small: this is for large ones, which few rows are
// multiplied with in another way.
func TestAProductIsTheSameWhicheverSideComesFirst(t *testing.T) {
	const in, out = 512, 768
	require.GreaterOrEqual(t, in*out, largeWeight)
	for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16} {
		for _, dims := range [][]int{{1, 1}, {4, 1}, {3, 5}, {fewRows, 1}, {fewRows + 1, 1}} {
			t.Run(fmt.Sprint(dtype, dims), func(t *testing.T) {
				results, err := graph.CallOnceN(devicetest.Open(t).Backend(), func(one *graph.Node) []*graph.Node {
					g := one.Graph()
					wave := func(frequency float64, dims ...int) *graph.Node {
						n := graph.IotaFull(g, shapes.Make(dtypes.Float32, dims...))
						return graph.ConvertDType(graph.Sin(graph.MulScalar(n, frequency)), dtype)
					}
					x, weight := wave(0.37, dims[0], dims[1], in), wave(0.011, out, in)
					turned := decoder{one: one, kernels: NoKernels{}}.product(x, weight)
					plain := decoder{kernels: NoKernels{}}.product(x, weight)
					return []*graph.Node{graph.ConvertDType(turned, dtypes.Float32), graph.ConvertDType(plain, dtypes.Float32)}
				}, float32(1))
				require.NoError(t, err)
				require.Equal(t, []int{dims[0], dims[1], out}, results[0].Shape().Dimensions)
				tolerance := 1e-3
				if dtype == dtypes.BFloat16 {
					tolerance = 0.3 // the values go up to some tens, of which bfloat16 keeps 8 bits
				}
				require.InDeltaSlice(t, tensors.MustCopyFlatData[float32](results[1]), tensors.MustCopyFlatData[float32](results[0]), tolerance)
			})
		}
	}
}
