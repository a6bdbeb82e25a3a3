package arch_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// extended gives the logits after a prompt's tokens from number first-1 on, computed
// in bfloat16 through a cache: first tokens behind so much padding, then one by one.
func extended(t *testing.T, config checkpoint.Config, params []any, prompt []int32, padding, first int, kernels arch.Kernels) [][]float32 {
	t.Helper()
	n := len(params)
	exec, err := graph.NewExec(devicetest.Open(t).Backend(), func(in []*graph.Node) []*graph.Node {
		weights := make([]*graph.Node, n)
		for i := range weights {
			weights[i] = graph.ConvertDType(in[i], dtypes.BFloat16)
		}
		logits, cache := arch.Extend(config, arch.Bind(config, weights), in[n:len(in)-3], in[len(in)-3], in[len(in)-2], in[len(in)-1], kernels)
		return append([]*graph.Node{logits}, cache...)
	})
	require.NoError(t, err)
	defer exec.Finalize()
	var cache []any
	for _, shape := range arch.CacheShapes(config, dtypes.BFloat16, 1, 64) {
		cache = append(cache, tensors.FromShape(shape))
	}
	tokens, column := append(make([]int32, padding), prompt[:first]...), int32(0)
	var all [][]float32
	for next := first; ; next++ {
		out, err := exec.Call(append(append(append([]any{}, params...), cache...), [][]int32{tokens}, []int32{int32(padding)}, column)...)
		require.NoError(t, err)
		for i, c := range out[1:] {
			cache[i] = c
		}
		all = append(all, out[0].Value().([][]float32)[0])
		if next == len(prompt) {
			return all
		}
		column += int32(len(tokens))
		tokens = prompt[next : next+1]
	}
}

// With our own kernels every family's logits are as near to transformers' as with
// XLA's, and a token's are the same bits however the prompt came in.
func TestKernelsGiveWhatXLAGives(t *testing.T) {
	dev := devicetest.Open(t)
	if !dev.HasKernels(dtypes.BFloat16) {
		t.Skip("this processor has no AVX512-BF16")
	}
	for _, model := range []string{"mistral-f32", "llama-f32", "llama-bias-f32", "qwen2-f32", "qwen3-f32", "gemma2-f32", "gemma3-f32"} {
		t.Run(model, func(t *testing.T) {
			config, params, want := fixture(t, model)
			const first = 5
			off := func(logits [][]float32) float64 { // root of the mean square
				var squares, n float64
				for i, row := range logits {
					for v, x := range row {
						squares += math.Pow(float64(x-want.Logits[first-1+i][v]), 2)
						n++
					}
				}
				return math.Sqrt(squares / n)
			}
			xla := extended(t, config, params, want.Prompt, 3, first, arch.NoKernels{})
			own := extended(t, config, params, want.Prompt, 3, first, dev)
			t.Logf("logits are off by %.4f with XLA's kernels, by %.4f with our own", off(xla), off(own))
			require.Positive(t, off(own), "in bfloat16 they can't be the same")
			require.Less(t, off(own), 1.5*off(xla))
			require.Equal(t, own[1:], extended(t, config, params, want.Prompt, 0, first+1, dev), "without padding, in another chunk")
		})
	}
}
