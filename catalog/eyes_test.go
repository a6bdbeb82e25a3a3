package catalog_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/picture"
)

// What a model makes of a picture is known before its weights are loaded, and is what
// its vision part says when they are.
func TestWordsHaveEyes(t *testing.T) {
	w := newWorld(t, withEye)
	id := w.keep("", onto("base", "eye"))
	w.alias("seer", id)
	shown, err := picture.New(16, 8, make([]byte, 3*16*8))
	require.NoError(t, err)
	for _, name := range []string{"eye", id, "seer"} {
		words, err := w.Words(t.Context(), name)
		require.NoError(t, err, name)
		require.Equal(t, tinyVision().ImageTokenID, words.Eyes.Config().ImageTokenID, name)
		ready, err := words.Eyes.Prepare(shown)
		require.NoError(t, err, name)
		ids, err := words.Template.Encode([]chat.Message{{Role: "user", Parts: []chat.Part{{Picture: true}}}})
		require.ErrorContains(t, err, "of 1 it writes 2", "the template of these tests writes one by itself: %v", ids)

		lease := w.acquire(name)
		seen, err := lease.Model.Vision.Prepare(shown)
		require.NoError(t, err, name)
		require.Equal(t, seen, ready, name)
		_, err = lease.Model.Template.Encode([]chat.Message{{Role: "user", Parts: []chat.Part{{Picture: true}}}})
		require.ErrorContains(t, err, "of 1 it writes 2", name)
		lease.Release()
	}
	words, err := w.Words(t.Context(), "base")
	require.NoError(t, err)
	require.Nil(t, words.Eyes)
	_, err = words.Template.Encode([]chat.Message{{Role: "user", Parts: []chat.Part{{Picture: true}}}})
	require.ErrorContains(t, err, "reads no pictures")
}

func TestEyesThatCanNotBeRead(t *testing.T) {
	w := newWorld(t, withEye)
	require.NoError(t, os.WriteFile(filepath.Join(w.path("eye"), "preprocessor_config.json"), []byte(`{`), 0o600))
	_, err := w.Words(t.Context(), "eye")
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, "image processor's config")
}
