package infer_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

// vectors is what scripts/fixtures/embeddings.py wrote.
type vectors struct {
	Model      string
	Prompt     []int32
	Mean, Last []float32
}

// The prompts of a model are computed together: short beside long ones, and the
// long ones in several chunks.
func TestEmbeddingsAgreeWithTransformers(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "embeddings.json"))
	require.NoError(t, err)
	var all []vectors
	require.NoError(t, json.Unmarshal(data, &all))
	byModel := map[string][]vectors{}
	for _, v := range all {
		byModel[v.Model] = append(byModel[v.Model], v)
	}
	require.Len(t, byModel, 7)
	e := engine(t, infer.Options{ChunkTokens: 64})
	for name, want := range byModel {
		m, _, _ := load(t, name, dtypes.Float32)
		var prompts [][]int32
		for _, v := range want {
			prompts = append(prompts, v.Prompt)
		}
		for _, pooling := range []infer.Pooling{infer.PoolMean, infer.PoolLast} {
			t.Run(fmt.Sprint(name, " ", pooling), func(t *testing.T) {
				got, err := e.Embed(t.Context(), m, prompts, pooling)
				require.NoError(t, err)
				require.Len(t, got, len(want))
				for i, v := range want {
					expected := v.Mean
					if pooling == infer.PoolLast {
						expected = v.Last
					}
					require.Len(t, got[i], m.Weights.Config().HiddenSize)
					require.InDeltaSlice(t, expected, got[i], 1e-4, "%d tokens", len(v.Prompt))
				}
			})
		}
	}
}

// Vectors come in float32 whatever the model computes in, and one that is
// computed in bfloat16 points where the exact one does.
func TestEmbeddingsOfABFloat16Model(t *testing.T) {
	exact, prompt, _ := load(t, "mistral-bf16", dtypes.Float32)
	rounded, _, _ := load(t, "mistral-bf16", dtypes.BFloat16)
	e := engine(t, infer.Options{})
	want, err := e.Embed(t.Context(), exact, [][]int32{prompt}, infer.PoolMean)
	require.NoError(t, err)
	got, err := e.Embed(t.Context(), rounded, [][]int32{prompt}, infer.PoolMean)
	require.NoError(t, err)
	require.NotEqual(t, want, got)
	require.InDeltaSlice(t, want[0], got[0], 0.05)
}

func TestEmbeddingsShareCompiledProgramsAndLeaveRepliesAlone(t *testing.T) {
	first, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	second, _, _ := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	_, err := e.Embed(t.Context(), first, [][]int32{prompt}, infer.PoolMean)
	require.NoError(t, err)
	before := e.Compilations()
	_, err = e.Embed(t.Context(), second, [][]int32{prompt[1:]}, infer.PoolLast)
	require.NoError(t, err)
	require.Equal(t, before, e.Compilations())
	got, err := e.Generate(t.Context(), first, []infer.Request{greedy(prompt, 12)})
	require.NoError(t, err)
	require.Equal(t, want, got[0].Text)
}
