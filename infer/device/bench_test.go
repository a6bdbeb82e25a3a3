package device_test

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// BenchmarkColumn writes one column of a KV cache of 67 MB, in a copy and in place.
func BenchmarkColumn(b *testing.B) {
	backend := devicetest.Open(b).Backend()
	for _, inPlace := range []bool{false, true} {
		b.Run(fmt.Sprint("in place=", inPlace), func(b *testing.B) {
			exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
				x, update, column := in[0], in[1], in[2]
				if inPlace {
					require.NoError(b, device.Alias(x.Graph(), 0, 0))
				}
				zero := graph.Const(x.Graph(), int32(0))
				return []*graph.Node{graph.DynamicUpdateSlice(x, update, []*graph.Node{zero, zero, column, zero})}
			})
			require.NoError(b, err)
			defer exec.Finalize()
			x, err := tensors.FromShapeForBackend(backend, 0, shapes.Make(dtypes.BFloat16, 32, 4, 4096, 64))
			require.NoError(b, err)
			update := tensors.FromShape(shapes.Make(dtypes.BFloat16, 32, 4, 1, 64))
			write := func() {
				donated, err := graph.DonateTensorBuffer(x, backend, 0)
				require.NoError(b, err)
				out, err := exec.Call(donated, update, int32(7))
				require.NoError(b, err)
				x = out[0]
			}
			write() // compiles
			for b.Loop() {
				write()
			}
			device.Free(x)
		})
	}
}
