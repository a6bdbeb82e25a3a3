package picture

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/checkpoint"
)

type preparedFixtures struct {
	Groups []struct {
		Name      string
		Model     string
		ImageSize int `json:"image_size"`
		PatchSize int `json:"patch_size"`
		Config    json.RawMessage
		Cases     []struct {
			Width, Height, Tokens int
			Tiles                 []string
			Order                 string
		}
	}
	Tokens [][3]int
}

// folder is a model's folder with one file.
func folder(t testing.TB, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	return dir
}

func digest(t *testing.T, values any) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.LittleEndian, values))
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:])
}

func TestPreparationIsTransformers(t *testing.T) {
	var fixtures preparedFixtures
	readJSON(t, "prepare.json", &fixtures)
	require.NotEmpty(t, fixtures.Groups)
	for _, g := range fixtures.Groups {
		v := &checkpoint.VisionConfig{ModelType: g.Model, ImageSize: g.ImageSize, PatchSize: g.PatchSize}
		p, err := OpenProcessor(folder(t, imageProcessorFile, string(g.Config)), v)
		require.NoError(t, err, g.Name)
		for _, c := range g.Cases {
			t.Run(fmt.Sprintf("%s/%dx%d", g.Name, c.Width, c.Height), func(t *testing.T) {
				got, err := p.Prepare(pattern(c.Width, c.Height))
				require.NoError(t, err)
				require.Len(t, got.Tiles, len(c.Tiles))
				for i, tile := range got.Tiles {
					require.Len(t, tile, 3*g.ImageSize*g.ImageSize)
					require.Equal(t, c.Tiles[i], digest(t, tile), "tile %d", i)
				}
				require.Equal(t, c.Tokens, got.Tokens())
				require.Equal(t, c.Tokens, p.Tokens(c.Width, c.Height))
				require.LessOrEqual(t, c.Tokens, p.MaxTokens())
				require.Equal(t, c.Order, digest(t, got.Order))
			})
		}
	}
}

func TestTokensAreWhatTransformersCounts(t *testing.T) {
	var fixtures preparedFixtures
	readJSON(t, "prepare.json", &fixtures)
	v := &checkpoint.VisionConfig{ModelType: "llava_next", ImageSize: 336, PatchSize: 14}
	p, err := OpenProcessor(folder(t, imageProcessorFile, `{"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}`), v)
	require.NoError(t, err)
	require.Greater(t, len(fixtures.Tokens), 500)
	for _, c := range fixtures.Tokens {
		require.Equal(t, c[2], p.Tokens(c[0], c[1]), "%d × %d", c[0], c[1])
	}
	require.Equal(t, 2928, p.MaxTokens()) // 576 of the whole and 48 rows of 48 and a newline
}
