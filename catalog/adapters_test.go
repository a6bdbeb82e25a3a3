package catalog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
)

const adaptedTensor = "model.layers.1.mlp.up_proj.weight"

// writeAdapter writes an adapter of rank 1 that adds scale to every entry of one
// tensor of a tiny model.
func writeAdapter(t *testing.T, dir, base string, scale float64) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	writeFile(t, filepath.Join(dir, checkpoint.AdapterConfigFile), fmt.Appendf(nil, `{"peft_type": "LORA", "r": 1, "lora_alpha": %v, "base_model_name_or_path": %q}`, scale, base))
	ones := func(name string, shape ...int) checkpoint.Tensor {
		info := checkpoint.TensorInfo{Name: name, DType: dtypes.Float32, Shape: shape}
		one := checkpoint.Tensor{TensorInfo: info}
		for range info.Size() {
			one.Data = append(one.Data, 0, 0, 0x80, 0x3f)
		}
		return one
	}
	c := tinyConfig()
	require.NoError(t, checkpoint.WriteSafetensors(filepath.Join(dir, "adapter_model.safetensors"), []checkpoint.Tensor{
		ones("base_model.model.model.layers.1.mlp.up_proj.lora_A.weight", 1, c.HiddenSize),
		ones("base_model.model.model.layers.1.mlp.up_proj.lora_B.weight", c.IntermediateSize, 1),
	}, nil))
}

// withAdapter has an adapter for "a" in a folder of its own.
func withAdapter(w *world) { writeAdapter(w.t, w.path("team", "lora"), "/elsewhere/a", 2) }

// entries are the numbers of the tensor that adapters change.
func entries(t *testing.T, l *catalog.Lease) []float32 {
	t.Helper()
	values, err := tensors.CopyFlatData[float32](l.Model.Weights.Tensor(adaptedTensor))
	require.NoError(t, err)
	return values
}

func TestAModelWithAnAdapterIsASource(t *testing.T) {
	w := newWorld(t, withAdapter)
	require.Equal(t, catalog.Unloaded, w.states()["a+team/lora"], "it is listed with the model that it was trained on")
	require.NotContains(t, w.states(), "b+team/lora")
	require.NotContains(t, w.states(), "team/lora")
	plain, adapted := w.acquire("a"), w.acquire("a+team/lora")
	defer plain.Release()
	defer adapted.Release()
	require.Equal(t, catalog.Source, adapted.Entry.Kind)
	require.Equal(t, tinyBytes(), adapted.Entry.Bytes)
	_, used := w.Budget()
	require.Equal(t, 2*tinyBytes(), used)
	before, after := entries(t, plain), entries(t, adapted)
	for i := range before {
		require.Equal(t, before[i]+2, after[i])
	}
	w.touch("b+team/lora") // it fits others, too

	words, err := w.Words(t.Context(), "a+team/lora")
	require.NoError(t, err)
	require.NotNil(t, words.Template)
	_, err = w.CommonWords(t.Context())
	require.Equal(t, fault.Conflict, fault.CodeOf(err), "of the model called other")

	card, err := w.Card(t.Context(), "a+team/lora")
	require.NoError(t, err)
	bare, err := w.Card(t.Context(), "a")
	require.NoError(t, err)
	require.NotEqual(t, bare.Digest, card.Digest)
	w.alias("live", "a+team/lora")
	w.touch("live")
}

func TestAdaptersAreMergedAsSources(t *testing.T) {
	for name, budget := range map[string]int64{"resident": 1 << 30, "streamed": 3 * tinyBytes()} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, withAdapter, func(w *world) { w.budget = budget })
			r := merge.NewRecipe(merge.TaskArithmetic)
			r.Base, r.DType = "a", "float32"
			r.Sources = []merge.Source{{Model: "a+team/lora", Weight: merge.Numbers(0.5)}, {Model: "b", Weight: merge.Numbers(0)}}
			id := w.keep("", r)
			lease := w.acquire(id)
			after := entries(t, lease)
			lease.Release()
			plain := w.acquire("a")
			defer plain.Release()
			for i, v := range entries(t, plain) {
				require.InDelta(t, v+1, after[i], 1e-6)
			}
		})
	}
}

func TestAnAdapterIsPartOfWhatARecipeIs(t *testing.T) {
	w := newWorld(t, withAdapter)
	r := on("a", "a+team/lora", nil)
	id := w.keep("", r)
	w.touch(id)
	writeAdapter(t, w.path("team", "lora"), "a", 3)
	w.restart()
	_, err := w.Acquire(t.Context(), id)
	require.Equal(t, fault.Conflict, fault.CodeOf(err))
	require.NotEqual(t, id, w.keep("", r))

	dir := filepath.Join(t.TempDir(), "out")
	based := on("a+team/lora", "b", nil)
	require.NoError(t, w.Export(t.Context(), w.keep("", based), catalog.ExportOptions{Dir: dir}))
	require.FileExists(t, filepath.Join(dir, "tokenizer.json"))
}

func TestAdaptersThatDontFitAreToldFrom(t *testing.T) {
	w := newWorld(t, withAdapter)
	for name, c := range map[string]struct {
		model string
		code  fault.Code
		says  string
	}{
		"another shape": {"other+team/lora", fault.Damaged, `model "other+team/lora" can't be loaded: adapter lora: it changes "model.layers.1.mlp.up_proj.weight", which the model has not`},
		"no model":      {"gone+team/lora", fault.NotFound, `no model "gone"`},
		"no adapter":    {"a+gone", fault.NotFound, `no adapter "gone"`},
		"a model":       {"a+b", fault.NotFound, `no adapter "b"`},
		"two":           {"a+team/lora+team/lora", fault.NotFound, "no model"},
		"a climb":       {"a+../lora", fault.NotFound, "no model"},
	} {
		_, err := w.Acquire(t.Context(), c.model)
		require.Equal(t, c.code, fault.CodeOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, c.says, name)
	}
	writeFile(t, w.path("team", "lora", checkpoint.AdapterConfigFile), []byte(`{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "use_dora": true}`))
	_, err := w.Acquire(t.Context(), "a+team/lora")
	require.ErrorContains(t, err, "use_dora is true, which is not supported")
	require.False(t, slices.Contains([]fault.Code{fault.Internal, fault.NotFound}, fault.CodeOf(err)))
	require.NotContains(t, err.Error(), w.dir)
}
