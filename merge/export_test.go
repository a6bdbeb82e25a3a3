package merge

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
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
	} {
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

func TestAnExportLoadsAsTheModelThatWasMerged(t *testing.T) {
	for dtype, stored := range map[string]dtypes.DType{"bfloat16": dtypes.BFloat16, "float16": dtypes.Float16, "float32": dtypes.Float32} {
		t.Run(dtype, func(t *testing.T) {
			x := newExecutor(t)
			r, merged := mergeSmall(t, x, dtype)
			parent, dir := parentFolder(t), filepath.Join(t.TempDir(), "new", "merged")
			require.NoError(t, x.Export(t.Context(), dir, parent, r, merged))

			folder, err := checkpoint.Open(dir)
			require.NoError(t, err)
			defer folder.Close()
			want := small()
			want.DType = stored
			require.Equal(t, want, folder.Config())
			for _, info := range folder.Tensors() {
				require.Equal(t, stored, info.DType, info.Name)
			}
			loaded, err := infer.LoadWeights(t.Context(), devicetest.Open(t), folder, dtypes.Float32)
			require.NoError(t, err)
			defer loaded.Free()
			require.Equal(t, read(t, merged), read(t, loaded), "to the last bit")

			files := map[string]string{}
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			for _, e := range entries {
				data, err := os.ReadFile(filepath.Join(dir, e.Name()))
				require.NoError(t, err)
				files[e.Name()] = string(data)
			}
			require.Contains(t, files["config.json"], "a_key_of_the_future")
			require.Equal(t, "{{ x }}", files["chat_template.jinja"])
			require.NotContains(t, files, "notes.txt")
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
			err := x.Export(c.ctx, c.dir, c.parent, r, merged)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			left, err := os.ReadDir(taken)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
