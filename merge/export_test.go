package merge

import (
	"cmp"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
)

// parentFolder is the folder of the model that a merge takes after: what export
// reads of it.
func parentFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c := small()
	c.DType = dtypes.Float32
	config, err := c.JSON()
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(config, &fields))
	fields["a_key_of_the_future"] = 7
	config, err = json.Marshal(fields)
	require.NoError(t, err)
	for name, data := range map[string]string{
		"config.json": string(config), "tokenizer.json": `{"vocab": {}}`, "chat_template.jinja": "{{ x }}", "notes.txt": "private",
		"generation_config.json": `{"eos_token_id": [2]}`, "vocab.json": "{}", "merges.txt": "a b",
		"additional_chat_templates/tool_use.jinja": "{{ y }}", "additional_chat_templates/notes.txt": "private",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644))
	}
	return dir
}

// mergeSmall merges the small models by a recipe of the given dtype.
func mergeSmall(t *testing.T, x *Executor, dtype string) (Recipe, *infer.Weights) {
	t.Helper()
	r := NewRecipe(TaskArithmetic)
	r.Base, r.DType = "base", dtype
	r.Sources = []Source{{Model: "ja", Weight: Numbers(0.3)}, {Model: "math", Weight: Numbers(0.7)}}
	w, err := x.Merge(t.Context(), r, smallModels(t, 3))
	require.NoError(t, err)
	t.Cleanup(w.Free)
	return r, w
}

// filesOf reads a folder, by the paths in it.
func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		files[filepath.ToSlash(name)] = string(data)
		return err
	}))
	return files
}

func TestAnExportLoadsAsTheModelThatWasMerged(t *testing.T) {
	for dtype, stored := range map[string]dtypes.DType{"bfloat16": dtypes.BFloat16, "float16": dtypes.Float16, "float32": dtypes.Float32} {
		t.Run(dtype, func(t *testing.T) {
			x := newExecutor(t)
			r, merged := mergeSmall(t, x, dtype)
			parent, dir := parentFolder(t), filepath.Join(t.TempDir(), "new", "merged")
			require.NoError(t, x.Export(t.Context(), dir, r, merged, ExportOptions{Parent: parent}))

			folder, err := checkpoint.Open(dir)
			require.NoError(t, err)
			defer folder.Close()
			want := small()
			want.DType, want.EOSTokenIDs = stored, []int{2}
			require.Equal(t, want, folder.Config())
			for _, info := range folder.Tensors() {
				require.Equal(t, stored, info.DType, info.Name)
			}
			loaded, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.Float32)
			require.NoError(t, err)
			defer loaded.Free()
			require.Equal(t, read(t, merged), read(t, loaded), "to the last bit")

			files := filesOf(t, dir)
			require.Contains(t, files["config.json"], "a_key_of_the_future")
			require.Equal(t, "{{ x }}", files["chat_template.jinja"])
			require.Equal(t, "{{ y }}", files["additional_chat_templates/tool_use.jinja"])
			require.Contains(t, files, "generation_config.json")
			require.Contains(t, files, "vocab.json")
			require.NotContains(t, files, "notes.txt")
			require.NotContains(t, files, "additional_chat_templates/notes.txt")
			require.Contains(t, files["README.md"], "task_arithmetic")
			back, err := ParseRecipe([]byte(files[RecipeFile]))
			require.NoError(t, err)
			canonical, err := r.Canonical()
			require.NoError(t, err)
			again, err := back.Canonical()
			require.NoError(t, err)
			require.Equal(t, string(canonical), string(again))
		})
	}
}

func TestAnExportAppearsWholeOrNotAtAll(t *testing.T) {
	x := newExecutor(t)
	r, merged := mergeSmall(t, x, "bfloat16")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	noConfig := parentFolder(t)
	require.NoError(t, os.Remove(filepath.Join(noConfig, "config.json")))
	taken := t.TempDir()
	for _, c := range []struct {
		name        string
		ctx         context.Context
		dir, parent string
		code        fault.Code
	}{
		{"the folder is there", t.Context(), taken, parentFolder(t), fault.Conflict},
		{"cancelled", stopped, filepath.Join(taken, "x"), parentFolder(t), fault.Cancelled},
		{"the parent is broken", t.Context(), filepath.Join(taken, "x"), noConfig, fault.Damaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := x.Export(c.ctx, c.dir, r, merged, ExportOptions{Parent: c.parent})
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			left, err := os.ReadDir(taken)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

func TestWhatAnExportHoldsCanBeChosen(t *testing.T) {
	x := newExecutor(t)
	r, merged := mergeSmall(t, x, "bfloat16")
	dir := filepath.Join(t.TempDir(), "merged")
	var told [][2]int64
	require.NoError(t, x.Export(t.Context(), dir, r, merged, ExportOptions{
		Parent: parentFolder(t), ShardBytes: 1000, NoTokenizer: true, NoCard: true,
		Progress: func(written, total int64) { told = append(told, [2]int64{written, total}) },
	}))
	files := filesOf(t, dir)
	for _, name := range []string{"README.md", "tokenizer.json", "vocab.json", "chat_template.jinja", "additional_chat_templates/tool_use.jinja", "model.safetensors"} {
		require.NotContains(t, files, name)
	}
	for _, name := range []string{"config.json", "generation_config.json", RecipeFile, "model.safetensors.index.json", "model-00001-of-"} {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(file string) bool { return strings.HasPrefix(file, name) }), name)
	}
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer folder.Close()
	loaded, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.Float32)
	require.NoError(t, err)
	defer loaded.Free()
	require.Equal(t, read(t, merged), read(t, loaded), "from many files as well")

	total := merged.Bytes() / 2 // it is held in float32
	require.Equal(t, [2]int64{0, total}, told[0])
	require.Equal(t, [2]int64{total, total}, told[len(told)-1])
	require.True(t, slices.IsSortedFunc(told, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) }))
}

func TestTheCardTellsWhereAModelIsFrom(t *testing.T) {
	x := newExecutor(t)
	r, merged := mergeSmall(t, x, "bfloat16")
	dir := filepath.Join(t.TempDir(), "merged")
	require.NoError(t, x.Export(t.Context(), dir, r, merged, ExportOptions{Parent: parentFolder(t), Card: Card{
		Digests: map[string]string{"base": "sha256:0b", "ja": "sha256:1a"},
		Scores:  []CardScore{{Task: "ja-math", Split: "test", Problems: 400, Accuracy: 0.714, StdErr: 0.023}},
	}}))
	card := filesOf(t, dir)["README.md"]
	for _, text := range []string{
		"- \"base\"\n- \"ja\"\n- \"math\"\n---", "# merged\n", "| `ja` | `sha256:1a` |", "| `math` | — |",
		"| ja-math | 400, test | 71.4 ± 2.3 % |", "```yaml\nname: merged\nmerge_method: task_arithmetic", "```json\n{",
	} {
		require.Contains(t, card, text)
	}
	_, yaml, _ := strings.Cut(card, "```yaml\n")
	yaml, _, _ = strings.Cut(yaml, "```")
	document, err := ParseYAML([]byte(yaml))
	require.NoError(t, err)
	want, err := r.Canonical()
	require.NoError(t, err)
	got, err := document.Recipe.Canonical()
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestAStackIsExportedWithItsBlocks(t *testing.T) {
	x := newExecutor(t)
	models := smallModels(t, 4)
	r := NewRecipe(Passthrough)
	r.DType = "float32"
	r.Slices = []Slice{
		{Sources: []Source{{Model: "base", LayerRange: Range{0, 3}}}},
		{Sources: []Source{{Model: "ja", LayerRange: Range{1, 3}, Weight: Numbers(0.5)}}},
	}
	merged, err := x.Merge(t.Context(), r, models)
	require.NoError(t, err)
	defer merged.Free()
	parent, dir := parentFolder(t), filepath.Join(t.TempDir(), "merged")
	require.NoError(t, x.Export(t.Context(), dir, r, merged, ExportOptions{Parent: parent}))
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer folder.Close()
	require.Equal(t, 5, folder.Config().NumHiddenLayers)
	loaded, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.Float32)
	require.NoError(t, err)
	defer loaded.Free()
	require.Equal(t, read(t, merged), read(t, loaded))
	require.Contains(t, filesOf(t, dir)["README.md"], "layer_range: [1, 3]")
}

// A Qwen says block by block which have a window; a Mistral can't.
func TestAConfigSaysWhichBlocksHaveAWindow(t *testing.T) {
	for family, fits := range map[string]bool{"qwen2": true, "gemma2": true, "mistral": false} {
		c := small()
		c.ModelType, c.DType, c.SlidingWindow, c.SlidingLayers = family, dtypes.Float32, 8, []bool{false, true, true}
		if family == "mistral" {
			c.SlidingLayers = nil
		}
		if family == "gemma2" {
			c.HiddenAct, c.QueryPreAttnScalar = "gelu_pytorch_tanh", 8
		}
		dir := t.TempDir()
		data, err := c.JSON()
		require.NoError(t, err)
		data = append([]byte(`{"max_window_layers": 1,`), data[1:]...)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o644))
		merged := c
		merged.NumHiddenLayers, merged.SlidingLayers = 5, []bool{true, false, true, true, false}
		written, err := exportedConfig(ExportOptions{Parent: dir}, frankenstein(), merged, dtypes.BFloat16)
		if !fits {
			require.Equal(t, fault.Unfit, fault.CodeOf(err))
			require.ErrorContains(t, err, "block 1 sees 0 positions")
			continue
		}
		require.NoError(t, err, family)
		back, err := checkpoint.ParseConfig(written)
		require.NoError(t, err, "%s", written)
		require.Equal(t, merged.SlidingLayers, back.SlidingLayers, family)
		require.Contains(t, string(written), `"max_window_layers": 2`)
	}
}
