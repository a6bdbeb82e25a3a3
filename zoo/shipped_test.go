package zoo

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// The tasks in the tree are those that the generator writes: nobody edited them,
// and the generator has not drifted away from the models trained on its texts.
func TestShippedTasksAreTheGenerators(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteTasks(dir))
	for _, task := range Tasks() {
		for _, file := range []string{"task.yaml", "search.jsonl", "validation.jsonl", "test.jsonl"} {
			want, err := os.ReadFile(filepath.Join(dir, task, file))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join("tasks", task, file))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), "%s/%s: run mergeway zoo tasks", task, file)
		}
	}
}

// The models in the tree have the shape and the tokenizer that the code gives
// them, a card, and together a size that a clone can bear.
func TestShippedModelsAreTheCast(t *testing.T) {
	const most = 12 << 20
	v := castVocabulary()
	want, err := v.tokenizerJSON()
	require.NoError(t, err)
	var total int64
	for _, name := range Names(Maths) {
		dir := filepath.Join("models", name)
		folder, err := checkpoint.Open(dir)
		require.NoError(t, err)
		defer folder.Close()
		config := castConfig()
		config.VocabSize = len(v.tokens)
		require.Equal(t, config, folder.Config(), name)
		got, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
		require.NoError(t, err)
		require.Equal(t, string(want)+"\n", string(got), name)
		card, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		require.Contains(t, string(card), "| ja-math | 399 |", name)
		info, err := os.Stat(filepath.Join(dir, checkpoint.WeightsFile))
		require.NoError(t, err)
		total += info.Size()
	}
	require.LessOrEqual(t, total, int64(most))
}
