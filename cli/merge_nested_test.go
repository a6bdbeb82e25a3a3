package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/merge"
)

// Two documents are what one after the other would be, by way of a folder.
func TestMergeOfSeveralDocumentsIsOneAfterTheOther(t *testing.T) {
	models, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"base", "ja-general", "en-math-a"} {
		zoo, err := filepath.Abs("../zoo/models/" + name)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(zoo, filepath.Join(models, name)))
	}
	first := "merge_method: task_arithmetic\nbase_model: base\nmodels: [{model: ja-general, parameters: {weight: 0.5}}]\ndtype: float32\n"
	second := "merge_method: task_arithmetic\nbase_model: base\nmodels:\n  - {model: half, parameters: {weight: 0.5}}\n  - {model: en-math-a, parameters: {weight: 0.5}}\ndtype: bfloat16\n"
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	both := file("both.yaml", second+"---\nname: half\n"+first)
	merged := func(recipe, to string, more ...string) string {
		code, out, errs := run(t, append([]string{"merge", recipe, "--models", models, "-o", to}, more...)...)
		require.Equal(t, exitOK, code, errs)
		return out
	}
	require.Regexp(t, `(?m)^merges +2, one after the other$`, merged(both, filepath.Join(dir, "plan"), "--dry-run"))
	require.Regexp(t, `(?m)^read +5\.4 MiB: base 1\.8 MiB, en-math-a 1\.8 MiB, ja-general 1\.8 MiB$`, merged(both, filepath.Join(dir, "plan"), "--dry-run"))
	merged(both, filepath.Join(dir, "at-once"))
	merged(file("first.yaml", first), filepath.Join(models, "half"))
	merged(file("second.yaml", second), filepath.Join(dir, "by-folder"))
	weights := func(folder string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, folder, "model.safetensors"))
		require.NoError(t, err)
		return data
	}
	require.Equal(t, weights("by-folder"), weights("at-once"))

	body, err := os.ReadFile(filepath.Join(dir, "at-once", merge.RecipeFile))
	require.NoError(t, err)
	r, err := merge.ParseRecipe(body)
	require.NoError(t, err)
	require.Len(t, r.Inputs, 1)
	card, err := os.ReadFile(filepath.Join(dir, "at-once", "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(card), "- \"ja-general\"\n")
	require.Contains(t, string(card), "\n---\n")
}
