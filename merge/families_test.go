package merge

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// Biases and the norms that some families add are merged with their block, and
// exported like all else.
func TestEveryFamilyIsMergedByBlocksAndExported(t *testing.T) {
	x := newExecutor(t)
	for _, name := range []string{"llama-bias-f32", "qwen2-f32", "qwen3-f32", "gemma2-f32", "gemma3-f32"} {
		t.Run(name, func(t *testing.T) {
			parent := filepath.Join("..", "infer", "testdata", name)
			config, err := checkpoint.ReadConfig(parent)
			require.NoError(t, err)
			rng := rand.New(rand.NewPCG(8, 0))
			models, values := map[string]*infer.Weights{}, map[string][][]float32{}
			for _, model := range []string{"base", "ja", "math"} {
				models[model] = randomWeights(t, rng, config)
				values[model] = read(t, models[model])
			}
			layers := config.NumHiddenLayers
			n := Blocks.Count(layers)
			r := NewRecipe(TaskArithmetic)
			r.Base, r.Groups, r.DType = "base", Blocks, "float32"
			r.Sources = []Source{{Model: "ja", Weight: Numbers(make([]float64, n)...)}, {Model: "math", Weight: Numbers(make([]float64, n)...)}}
			for g := range n { // each group is one source, by turns
				r.Sources[g%2].Weight.Values[g] = 1
			}
			merged, err := x.Merge(t.Context(), r, models)
			require.NoError(t, err)
			defer merged.Free()
			got := read(t, merged)
			for i, p := range arch.Params(config) {
				source := r.Sources[Blocks.Index(p.Group, layers)%2].Model
				require.Equal(t, values[source][i], got[i], p.Name)
			}

			dir := filepath.Join(t.TempDir(), "merged")
			require.NoError(t, x.Export(t.Context(), dir, r, merged, ExportOptions{Parent: parent}))
			folder, err := checkpoint.Open(dir)
			require.NoError(t, err)
			defer folder.Close()
			require.Equal(t, config, folder.Config())
			require.Len(t, folder.Tensors(), len(arch.Params(config)))
			loaded, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, config.DType)
			require.NoError(t, err)
			defer loaded.Free()
			require.Equal(t, got, read(t, loaded))
		})
	}
}
