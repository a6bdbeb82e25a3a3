package arch_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// expected is what scripts/fixtures/logits.py wrote beside each tiny model.
type expected struct {
	Prompt []int32
	Logits [][]float32
	Greedy []int32
}

func fixture(t *testing.T, name string) (checkpoint.Config, []any, expected) {
	t.Helper()
	dir := filepath.Join("..", "testdata", name)
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = folder.Close() })
	var params []any
	for _, p := range arch.Params(folder.Config()) {
		info, data, err := folder.Tensor(p.Name)
		require.NoError(t, err)
		require.Equal(t, p.Shape, info.Shape, p.Name)
		tensor, err := tensors.FromRaw(devicetest.Open(t).Backend(), 0, shapes.Make(info.DType, info.Shape...), data)
		require.NoError(t, err)
		params = append(params, tensor)
	}
	require.Len(t, folder.Tensors(), len(params), "every stored tensor is a parameter")
	var want expected
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	return folder.Config(), params, want
}

func requireClose(t *testing.T, want, got []float32, tolerance float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.InDelta(t, want[i], got[i], tolerance, "logit %d", i)
	}
}

func TestForwardAgreesWithTransformers(t *testing.T) {
	for _, c := range []struct {
		model     string
		tolerance float64
	}{{"mistral-f32", 1e-4}, {"llama-f32", 1e-4}, {"mistral-bf16", 0.15},
		{"llama-bias-f32", 1e-4}, {"qwen2-f32", 1e-4}, {"qwen3-f32", 1e-4}, {"gemma2-f32", 1e-4}, {"gemma3-f32", 1e-4},
	} {
		t.Run(c.model, func(t *testing.T) {
			config, params, want := fixture(t, c.model)
			logits, err := graph.CallOnce(devicetest.Open(t).Backend(), func(in []*graph.Node) *graph.Node {
				return arch.Forward(config, arch.Bind(config, in), graph.ExpandDims(graph.Const(in[0].Graph(), want.Prompt), 0))
			}, params...)
			require.NoError(t, err)
			require.Equal(t, []int{1, len(want.Prompt), config.VocabSize}, logits.Shape().Dimensions)
			flat := tensors.MustCopyFlatData[float32](logits)
			for i, row := range want.Logits {
				requireClose(t, row, flat[i*config.VocabSize:(i+1)*config.VocabSize], c.tolerance)
			}
		})
	}
}

// The cache path must give what the full pass gives: a padded prefill of a part
// of the prompt beside another row, then the rest token by token.
func TestExtendAgreesWithTransformers(t *testing.T) {
	const columns, width, first = 16, 8, 5 // first tokens of the prompt come in the prefill
	for _, model := range []string{"mistral-f32", "llama-f32", "llama-bias-f32", "qwen2-f32", "qwen3-f32", "gemma2-f32", "gemma3-f32"} {
		t.Run(model, func(t *testing.T) {
			config, params, want := fixture(t, model)
			be := devicetest.Open(t).Backend()
			exec, err := graph.NewExec(be, func(in []*graph.Node) []*graph.Node {
				n := len(params)
				logits, cache := arch.Extend(config, arch.Bind(config, in[:n]), in[n:len(in)-3], in[len(in)-3], in[len(in)-2], in[len(in)-1], arch.NoKernels{})
				return append([]*graph.Node{logits}, cache...)
			})
			require.NoError(t, err)
			var cache []any
			for _, shape := range arch.CacheShapes(config, params[0].(*tensors.Tensor).DType(), 2, columns) {
				cache = append(cache, tensors.FromShape(shape))
			}
			start := []int32{width - first, width - 2}
			call := func(tokens [][]int32, column int32) [][]float32 {
				args := append(append([]any{}, params...), cache...)
				out, err := exec.Call(append(args, tokens, start, column)...)
				require.NoError(t, err)
				for i, c := range out[1:] {
					cache[i] = c
				}
				return out[0].Value().([][]float32)
			}
			prefill := [][]int32{make([]int32, width), make([]int32, width)}
			copy(prefill[0][start[0]:], want.Prompt[:first])
			copy(prefill[1][start[1]:], want.Prompt[:2])
			logits := call(prefill, 0)
			requireClose(t, want.Logits[first-1], logits[0], 1e-4)
			requireClose(t, want.Logits[1], logits[1], 1e-4)
			for i := first; i < len(want.Prompt); i++ {
				logits = call([][]int32{{want.Prompt[i]}, {want.Prompt[i-first+2]}}, int32(width+i-first))
				requireClose(t, want.Logits[i], logits[0], 1e-4)
				requireClose(t, want.Logits[i-first+2], logits[1], 1e-4)
			}
		})
	}
}
