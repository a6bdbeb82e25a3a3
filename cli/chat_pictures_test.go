package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChatShowsPictures(t *testing.T) {
	file := filepath.Join(t.TempDir(), "red.png")
	require.NoError(t, os.WriteFile(file, []byte("pixels"), 0o600))
	url, asked := scripted(t, 200, greeting)
	code, _, errs := chat("", "--url", url, "--image", file, "--image", file, "seeing", "what?")
	require.Zero(t, code, errs)
	picture := map[string]any{"type": "image_url", "image_url": map[string]any{"url": "data:;base64,cGl4ZWxz"}}
	content := []any{picture, picture, map[string]any{"type": "text", "text": "what?"}}
	require.Equal(t, []any{map[string]any{"role": "user", "content": content}}, asked()[0]["messages"])
}

func TestChatShowsPicturesWithTheFirstQuestion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "red.png")
	require.NoError(t, os.WriteFile(file, []byte("pixels"), 0o600))
	for _, fresh := range []string{"false", "true"} {
		url, asked := scripted(t, 200, greeting)
		code, _, errs := chat("what?\nand?\n", "--url", url, "--image", file, "--fresh="+fresh, "seeing")
		require.Zero(t, code, errs)
		second := asked()[1]["messages"].([]any)
		last := second[len(second)-1].(map[string]any)["content"]
		if fresh == "false" {
			require.Equal(t, "and?", last)
			require.Len(t, second, 3)
			require.Len(t, second[0].(map[string]any)["content"], 2, "the picture stays in the conversation")
			continue
		}
		require.Len(t, second, 1)
		require.Len(t, last, 2)
	}
}

func TestChatRefusesFilesThatAreNone(t *testing.T) {
	url, asked := scripted(t, 200, greeting)
	for _, name := range []string{filepath.Join(t.TempDir(), "none.png"), t.TempDir()} {
		code, _, errs := chat("", "--url", url, "--image", name, "seeing", "what?")
		require.NotZero(t, code)
		require.Contains(t, errs, "--image")
	}
	require.Empty(t, asked())
}
