package arch_test

import (
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// Where a token's own embedding comes as features, nothing must change, whatever
// number stands in its place.
func TestFeaturesStandForTokens(t *testing.T) {
	for _, model := range []string{"mistral-f32", "llama-f32"} {
		t.Run(model, func(t *testing.T) {
			config, params, want := fixture(t, model)
			n := len(want.Prompt)
			ids, mask := append([]int32{}, want.Prompt...), make([]bool, n)
			for i := 2; i < 6; i++ {
				ids[i], mask[i] = -1<<30+int32(i), true
			}
			all, err := graph.CallOnceN(devicetest.Open(t).Backend(), func(in []*graph.Node) []*graph.Node {
				g, w := in[0].Graph(), arch.Bind(config, in)
				row := func(x any) *graph.Node { return graph.ExpandDims(graph.Const(g, x), 0) }
				features := graph.Gather(w["model.embed_tokens.weight"], graph.ExpandDims(row(want.Prompt), -1))
				features = graph.Where(graph.BroadcastToDims(graph.ExpandDims(row(mask), -1), features.Shape().Dimensions...),
					features, graph.AddScalar(features, 1)) // those of no picture must not be felt

				var cache arch.Cache
				for _, shape := range arch.CacheShapes(config, dtypes.Float32, 1, n) {
					cache = append(cache, graph.Zeros(g, shape))
				}
				start, column := graph.Const(g, []int32{0}), graph.Const(g, int32(0))
				seeing := arch.Seeing(features, row(mask))
				extended, _ := arch.Extend(config, w, cache, row(ids), start, column, arch.NoKernels{}, seeing)
				scored, _ := arch.Score(config, w, cache, row(ids), start, column, arch.NoKernels{}, seeing)
				_, last, _ := arch.Pool(config, w, cache, row(ids), start, column, arch.NoKernels{}, seeing)
				_, lastOfTokens, _ := arch.Pool(config, w, cache, row(want.Prompt), start, column, arch.NoKernels{})
				return []*graph.Node{arch.ForwardSeeing(config, w, row(ids), features, row(mask)), scored, extended, last, lastOfTokens}
			}, params...)
			require.NoError(t, err)
			flat := make([][]float32, len(all))
			for i, out := range all {
				flat[i] = tensors.MustCopyFlatData[float32](out)
			}
			for i, row := range want.Logits {
				for _, pass := range flat[:2] {
					requireClose(t, row, pass[i*config.VocabSize:(i+1)*config.VocabSize], 1e-4)
				}
			}
			requireClose(t, want.Logits[n-1], flat[2], 1e-4)
			requireClose(t, flat[4], flat[3], 1e-5)
		})
	}
}
