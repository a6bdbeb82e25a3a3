package arch_test

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// BenchmarkStep is a step of decoding, or of a prompt, with TinyLlama's shapes and
// arbitrary weights, of 1 layer and of 5: the difference is what four layers cost.
// Each with our own kernels, where this processor has it, and with XLA's.
func BenchmarkStep(b *testing.B) {
	dev := devicetest.Open(b)
	backend := dev.Backend()
	for _, layers := range []int{1, 5} {
		c := checkpoint.Config{
			ModelType: "llama", VocabSize: 32000, HiddenSize: 2048, IntermediateSize: 5632, NumHiddenLayers: layers,
			NumAttentionHeads: 32, NumKeyValueHeads: 4, HeadDim: 64, MaxPositionEmbeddings: 2048,
			RMSNormEps: 1e-5, RopeTheta: 1e4, HiddenAct: "silu", DType: dtypes.BFloat16,
		}
		var weights []any
		for _, p := range arch.Params(c) {
			weights = append(weights, arbitrary(b, dev, p.Shape))
		}
		for _, size := range []struct{ rows, tokens int }{{1, 1}, {4, 1}, {32, 1}, {1, 512}} {
			columns := max(128, size.tokens)
			for _, kernels := range []struct {
				by string
				arch.Kernels
			}{{"own", dev}, {"xla", arch.NoKernels{}}} {
				b.Run(fmt.Sprintf("rows=%d/tokens=%d/layers=%d/kernel=%s", size.rows, size.tokens, layers, kernels.by), func(b *testing.B) {
					var cache []*tensors.Tensor
					for _, s := range arch.CacheShapes(c, dtypes.BFloat16, size.rows, columns) {
						x, err := tensors.FromShapeForBackend(backend, 0, s)
						require.NoError(b, err)
						cache = append(cache, x)
					}
					defer func() { device.Free(cache...) }()
					n := len(weights)
					exec, err := graph.NewExec(backend, func(in []*graph.Node) []*graph.Node {
						rest := in[n+len(cache):]
						for i := range cache {
							require.NoError(b, device.Alias(in[0].Graph(), n+i, 1+i))
						}
						logits, written := arch.Extend(c, arch.Bind(c, in[:n]), in[n:n+len(cache)], rest[0], rest[1], rest[2], kernels.Kernels)
						return append([]*graph.Node{graph.ArgMax(logits, -1)}, written...)
					})
					require.NoError(b, err)
					defer exec.Finalize()
					tokens, start := make([][]int32, size.rows), make([]int32, size.rows)
					for r := range tokens {
						tokens[r] = make([]int32, size.tokens)
					}
					step := func() {
						args := append([]any{}, weights...)
						for _, x := range cache {
							donated, err := graph.DonateTensorBuffer(x, backend, 0)
							require.NoError(b, err)
							args = append(args, donated)
						}
						out, err := exec.Call(append(args, tokens, start, int32(columns-size.tokens))...)
						require.NoError(b, err)
						tensors.MustCopyFlatData[int32](out[0])
						cache = out[1:]
					}
					step() // compiles
					began := cpuSeconds(b)
					for b.Loop() {
						step()
					}
					b.ReportMetric(1e3*(cpuSeconds(b)-began)/float64(b.N), "cpu-ms/op")
				})
			}
		}
		for _, w := range weights {
			device.Free(w.(*tensors.Tensor))
		}
	}
}

// BenchmarkSee is a tile through a tower of the shapes of CLIP ViT-L/14-336 and a
// projector to a decoder of a width of 4096, of 1 block and of 5.
func BenchmarkSee(b *testing.B) {
	dev := devicetest.Open(b)
	for _, layers := range []int{1, 5} {
		v := checkpoint.VisionConfig{
			ModelType: "llava", HiddenSize: 1024, IntermediateSize: 4096, NumHiddenLayers: layers, NumAttentionHeads: 16,
			ImageSize: 336, PatchSize: 14, LayerNormEps: 1e-5, HiddenAct: "quick_gelu", ProjectionAct: "gelu", ProjectorBias: true, FeatureLayers: []int{-1},
		}
		const width = 4096
		var weights []any
		for _, p := range arch.VisionParams(v, width) {
			weights = append(weights, arbitrary(b, dev, p.Shape))
		}
		pixels := tensors.FromShape(shapes.Make(dtypes.Float32, 1, 3, v.ImageSize, v.ImageSize))
		b.Run(fmt.Sprintf("layers=%d", layers), func(b *testing.B) {
			exec, err := graph.NewExec(dev.Backend(), func(in []*graph.Node) *graph.Node {
				n := len(weights)
				return graph.ReduceAllSum(arch.See(v, arch.BindVision(v, width, in[:n]), in[n]))
			})
			require.NoError(b, err)
			defer exec.Finalize()
			see := func() {
				out, err := exec.Call(append(append([]any{}, weights...), pixels)...)
				require.NoError(b, err)
				require.NoError(b, out[0].ToLocal())
			}
			see() // compiles
			began := cpuSeconds(b)
			for b.Loop() {
				see()
			}
			b.ReportMetric(1e3*(cpuSeconds(b)-began)/float64(b.N), "cpu-ms/op")
		})
		for _, w := range weights {
			device.Free(w.(*tensors.Tensor))
		}
	}
}

// arbitrary is a tensor of small numbers.
func arbitrary(b *testing.B, dev *device.Device, shape []int) *tensors.Tensor {
	w, err := graph.CallOnce(dev.Backend(), func(g *graph.Graph) *graph.Node {
		n := graph.Iota(g, shapes.Make(dtypes.Float32, shape...), len(shape)-1)
		return graph.ConvertDType(graph.MulScalar(graph.Sin(n), 0.02), dtypes.BFloat16)
	})
	require.NoError(b, err)
	dev.UseLargePages(w)
	return w
}

// cpuSeconds is what all threads have computed so far. Unlike the time that passes it
// says something on a machine that others use as well.
func cpuSeconds(b *testing.B) float64 {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}
