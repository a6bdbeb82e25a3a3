package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

// run runs a command on the miniature models, with a fresh data folder.
func run(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	t.Setenv("MERGEWAY_MODELS", "../zoo/models")
	t.Setenv("MERGEWAY_TASKS", "../zoo/tasks")
	t.Setenv("MERGEWAY_DATA", t.TempDir())
	var o, e bytes.Buffer
	code = Main("test", args, &o, &e)
	return code, o.String(), e.String()
}

func TestEvalPrintsARowForEachModel(t *testing.T) {
	code, out, errs := run(t, "eval", "--task", "ja-math", "--limit", "12", "base", "en-math-a")
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `(?m)^base +\d`, out)
	require.Regexp(t, `(?m)^en-math-a +0\.0 +0\.0 +0\.0–24\.2 +12 `, out, "Wilson's interval of none of 12")
	require.Contains(t, errs, "base: 12 of 12, ", "progress")
	require.Regexp(t, `(?m)^en-math-a +0\.0 .* 12 `, out, "it answers in English")

	code, _, errs = run(t, "eval", "--task", "no-such-task", "base")
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "no-such-task")
	samples := filepath.Join(t.TempDir(), "samples.jsonl")
	code, _, errs = run(t, "eval", "--limit", "2", "--samples", samples, "base", "ja-general")
	require.Equal(t, exitOK, code, errs)
	lines, err := os.ReadFile(samples)
	require.NoError(t, err)
	require.Equal(t, 4, bytes.Count(lines, []byte("\n")))
	require.Contains(t, string(lines), `"model":"ja-general","id":"test-002","score":`)
	code, _, errs = run(t, "eval", "--limit", "2", "--samples", samples, "base")
	require.Equal(t, exitUsage, code, "a file is not written over")
	require.Contains(t, errs, "--samples")
	code, _, errs = run(t, "eval", "--limit", "2", "--split", "train", "base")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, `no "train" problems`)
	code, _, errs = run(t, "eval", "ghost")
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "ghost")
}

// recipeFile writes the plain average of two miniature models.
func recipeFile(t *testing.T) string {
	t.Helper()
	r := merge.NewRecipe(merge.Linear)
	r.Sources = []merge.Source{{Model: "ja-general", Weight: merge.Numbers(1)}, {Model: "en-math-a", Weight: merge.Numbers(1)}}
	data, err := r.Canonical()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "recipe.json")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	return path
}

func TestMergeWritesAFolderThatLoads(t *testing.T) {
	recipe, dir := recipeFile(t), filepath.Join(t.TempDir(), "merged")
	code, out, errs := run(t, "merge", recipe, "-o", dir)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "written to "+dir)
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	require.NoError(t, folder.Close())

	code, _, errs = run(t, "merge", recipe, "-o", dir)
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "exists already")
	code, out, errs = run(t, "merge", recipe, "-o", dir, "--force")
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `written to \S+: 1\.8 MiB, [0-9.]+ .?i?B/s`, out)
}

func TestMergeReadsYAMLAndObeysItsFlags(t *testing.T) {
	recipe, dir := filepath.Join(t.TempDir(), "recipe.yaml"), filepath.Join(t.TempDir(), "merged")
	text := "merge_method: ties\nbase_model: base\nmodels:\n  - model: ja-general\n    parameters: {weight: 1, density: 0.5}\ndtype: float32\n"
	require.NoError(t, os.WriteFile(recipe, []byte(text), 0o644))
	args := []string{"merge", recipe, "-o", dir, "--out-shard-size", "1MiB", "--no-copy-tokenizer", "--write-model-card=false"}

	code, out, errs := run(t, append(args, "--dry-run")...)
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `(?m)^tensors +39$`, out)
	require.Regexp(t, `(?m)^read +3\.6 MiB: base 1\.8 MiB, ja-general 1\.8 MiB$`, out)
	require.Regexp(t, `(?m)^write +3\.6 MiB to `, out)
	require.Regexp(t, `(?m)^device memory +[0-9.]+ .iB: streamed, two units of all models at a time \(([0-9.]+ .iB) at least`, out)
	require.Regexp(t, `(?m)^host memory .* for rankings$`, out)
	require.NoDirExists(t, dir)

	code, out, errs = run(t, append(args, "--dry-run", "--budget", "1500KiB")...)
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `(?m)^device memory +[0-9.]+ .iB: streamed, one unit of all models after the other`, out)
	code, _, errs = run(t, append(args, "--budget", "100KiB")...)
	require.Equal(t, exitFailure, code)
	require.Regexp(t, `--budget is 100\.0 KiB, and to merge these models unit by unit takes [0-9.]+ .iB \(\d+ bytes\)`, errs)
	args = append(args, "--budget", "1500KiB")

	code, _, errs = run(t, args...)
	require.Equal(t, exitOK, code, errs)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	require.Equal(t, []string{
		"config.json", "generation_config.json", "mergeway_recipe.json", "model-00001-of-00004.safetensors",
		"model-00002-of-00004.safetensors", "model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors", "model.safetensors.index.json",
	}, files)
}

func TestTheCardOfAMergeNamesItsSourcesByContent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "merged")
	code, _, errs := run(t, "merge", recipeFile(t), "-o", dir)
	require.Equal(t, exitOK, code, errs)
	source, err := checkpoint.Open("../zoo/models/ja-general")
	require.NoError(t, err)
	defer source.Close()
	digest, err := source.Digest()
	require.NoError(t, err)
	card, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(card), digest)
}

func TestMergeRefusesWhatCannotBe(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte(`{"method": "alchemy"}`), 0o644))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"merge", recipeFile(t)}, exitUsage, "-o is missing"},
		{[]string{"merge", filepath.Join(dir, "none.json"), "-o", dir + "/x"}, exitUsage, "none.json"},
		{[]string{"merge", bad, "-o", dir + "/x"}, exitUsage, "alchemy"},
		{[]string{"merge", "-o", dir + "/x"}, exitUsage, "arg"},
		{[]string{"merge", recipeFile(t), "-o", dir + "/x", "--out-shard-size", "5B"}, exitUsage, "not parameters"},
		{[]string{"merge", recipeFile(t), "-o", dir, "--force"}, exitFailure, "no export of mergeway"},
	} {
		code, _, errs := run(t, c.args...)
		require.Equal(t, c.code, code, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.says)
	}
}

func TestSearchPrintsTheTableAndTheRecipe(t *testing.T) {
	spec := search.Spec{
		Name: "small", Task: "ja-math", Base: "base", Sources: []string{"ja-general", "en-math-a"},
		Population: 4, Trials: 8, SampleSize: 6, ValidateTop: 1, Seed: 3, Alias: "small-winner",
	}
	data, err := json.Marshal(spec)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "spec.json")
	require.NoError(t, os.WriteFile(path, data, 0o644))
	code, out, errs := run(t, "search", "--spec", path)
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "generation   1")
	for _, name := range []string{"base", "ja-general", "en-math-a", "average", "winner"} {
		require.Regexp(t, `(?m)^`+name+` +\d`, out)
	}
	require.Contains(t, out, "winner: recipe-")

	code, _, errs = run(t, "search", "--base", "base", "--sources", "ja-general,ghost")
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "ghost")
	code, _, errs = run(t, "search", "--base", "base", "--sources", "ja-general", "--weight-range", "1")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "weight-range")
	code, _, errs = run(t, "search", "--base", "base", "--sources", "ja-general", "--optimizer-options", `{"covarianc":"full"}`)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "covarianc")
	code, _, errs = run(t, "search", "--base", "base", "--sources", "ja-general", "--objectives", `[{"tsk":"ja-math"}]`)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "tsk")
	code, _, errs = run(t, "search", "--base", "base", "--sources", "ja-general", "--objectives", `[{"task":"ja-math"},{"task":"chess"}]`)
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "chess")
	code, _, errs = run(t, "search", "--base", "base", "--sources", "ja-general", "--optimizer", "simplex")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "simplex")
}
