package zoo

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

// The tasks about pictures in the tree are those that the generator writes: the same
// problems, and the same pixels.
func TestShippedPicturesAreTheGenerators(t *testing.T) {
	for _, task := range pictureTasks {
		files, err := task.files()
		require.NoError(t, err)
		shipped, err := os.ReadDir(filepath.Join("tasks", task.name))
		require.NoError(t, err)
		require.Len(t, shipped, len(files))
		for name, want := range files {
			got, err := os.ReadFile(filepath.Join("tasks", task.name, name))
			require.NoError(t, err)
			if filepath.Ext(name) != ".png" {
				require.Equal(t, string(want), string(got), "%s: run mergeway zoo tasks", name)
				continue
			}
			// How a file is compressed may change with Go; what it shows may not.
			a, err := png.Decode(bytes.NewReader(want))
			require.NoError(t, err)
			b, err := png.Decode(bytes.NewReader(got))
			require.NoError(t, err)
			require.Equal(t, a, b, name)
		}
	}
}

// The models in the tree have the shape and the tokenizers that the code gives them,
// a card, and together a size that a clone can bear.
func TestShippedModelsAreTheCompanyOfPictures(t *testing.T) {
	const most = 6 << 20
	words := pictureVocabulary()
	var total int64
	for _, name := range Names(Pictures) {
		dir := filepath.Join("models", name)
		folder, err := checkpoint.Open(dir)
		require.NoError(t, err)
		defer folder.Close()
		config, v := pictureConfig(), words
		config.VocabSize = len(words.tokens)
		if name == VisionLanguage {
			want := sightConfig(words)
			require.Equal(t, &want, folder.Vision())
			v = words.with(tokenImage)
			config.VocabSize++
		}
		require.Equal(t, config, folder.Config(), name)
		want, err := v.tokenizerJSON()
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
		require.NoError(t, err)
		require.Equal(t, string(want)+"\n", string(got), name)
		card, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		require.Contains(t, string(card), "## Scores", name)
		info, err := os.Stat(filepath.Join(dir, checkpoint.WeightsFile))
		require.NoError(t, err)
		total += info.Size()
	}
	require.LessOrEqual(t, total, int64(most))
}
