package infer_test

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// fullPass computes a fixture's logits [T, V] after each token, in one pass
// without a cache.
func fullPass(t *testing.T, name string, compute dtypes.DType, ids []int32) [][]float32 {
	t.Helper()
	folder, err := checkpoint.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer folder.Close()
	config, backend := folder.Config(), devicetest.Open(t).Backend()
	var params []any
	for _, p := range arch.Params(config) {
		info, data, err := folder.Tensor(p.Name)
		require.NoError(t, err)
		stored, err := tensors.FromRaw(backend, 0, shapes.Make(info.DType, info.Shape...), data)
		require.NoError(t, err)
		params = append(params, stored)
	}
	out, err := graph.CallOnce(backend, func(in []*graph.Node) *graph.Node {
		for i := range in {
			in[i] = graph.ConvertDType(in[i], compute)
		}
		return arch.Forward(config, arch.Bind(config, in), graph.ExpandDims(graph.Const(in[0].Graph(), ids), 0))
	}, params...)
	require.NoError(t, err)
	flat := tensors.MustCopyFlatData[float32](out)
	rows := make([][]float32, len(ids))
	for i := range rows {
		rows[i] = flat[i*config.VocabSize : (i+1)*config.VocabSize]
	}
	return rows
}

// A greedy continuation can be compared on every processor only if each of its
// tokens leads by more than rounding to bfloat16 takes away: the fixture's
// logits in bfloat16 and in float32 differ by much less than any lead.
func TestGreedyFixtureLeadsByMoreThanRounding(t *testing.T) {
	for _, name := range []string{"mistral-bf16", "mistral-f32", "llama-f32", "llama-bias-f32", "qwen2-f32", "qwen3-f32", "gemma2-f32", "gemma3-f32"} {
		t.Run(name, func(t *testing.T) {
			prompt, chosen := expected(t, name)
			ids := append(append([]int32{}, prompt...), chosen...)
			exact := fullPass(t, name, dtypes.Float32, ids)
			needed := 0.005 // a hundred times what float32 rounds away
			all := [][][]float32{exact}
			if name == "mistral-bf16" {
				rounded := fullPass(t, name, dtypes.BFloat16, ids)
				all = append(all, rounded)
				largest := 0.0
				for step := range chosen {
					at := len(prompt) + step - 1
					for v := range exact[at] {
						largest = max(largest, math.Abs(float64(exact[at][v]-rounded[at][v])))
					}
				}
				require.Positive(t, largest)
				needed = 3 * largest
			}
			for step, token := range chosen {
				for _, logits := range all {
					row := logits[len(prompt)+step-1]
					for other, l := range row {
						if other != int(token) {
							require.Greater(t, float64(row[token]-l), needed, "step %d: token %d over %d", step, token, other)
						}
					}
				}
			}
			t.Logf("needs a lead of %.4f", needed)
		})
	}
}
