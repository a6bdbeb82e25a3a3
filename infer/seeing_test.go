package infer_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/picture"
)

// loadSeeing gives a fixture's model that sees, a request with its picture, and what
// transformers says: the logits after each token of the prompt.
func loadSeeing(t testing.TB, name string, compute dtypes.DType) (*infer.Model, infer.Request, [][]float32) {
	t.Helper()
	m := loadModel(t, name, compute)
	dir := filepath.Join("testdata", name)
	folder, err := checkpoint.Open(dir)
	require.NoError(t, err)
	defer folder.Close()
	m.Vision, err = infer.LoadVision(context.Background(), devicetest.Open(t), folder, compute)
	require.NoError(t, err)
	t.Cleanup(m.Vision.Free)
	var want struct {
		Prompt        []int32
		Tiles, Logits [][]float32
	}
	data, err := os.ReadFile(filepath.Join(dir, "vision.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	r := greedy(want.Prompt, 8)
	p := prepared(t, folder)
	require.Len(t, want.Tiles, len(p.Tiles))
	for i := range p.Tiles { // torchvision's are a shade off ours, which are Pillow's, in a pixel or two
		require.InDeltaSlice(t, want.Tiles[i], p.Tiles[i], 0.02)
	}
	p.Tiles = want.Tiles
	r.Pictures = []*picture.Prepared{p}
	return m, r, want.Logits
}

// prepared gives a fixture's picture as its model wants it.
func prepared(t testing.TB, folder *checkpoint.Folder) *picture.Prepared {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder.Dir(), "picture.png"))
	require.NoError(t, err)
	p, err := picture.Decode(data, picture.DefaultLimits())
	require.NoError(t, err)
	processor, err := picture.OpenProcessor(folder.Dir(), folder.Vision())
	require.NoError(t, err)
	ready, err := processor.Prepare(p)
	require.NoError(t, err)
	return ready
}

// logprobs gives the natural logarithms of the probabilities that logits mean.
func logprobs(logits []float32) []float64 {
	highest, sum := float64(slices.Max(logits)), 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - highest)
	}
	all := make([]float64, len(logits))
	for i, l := range logits {
		all[i] = float64(l) - highest - math.Log(sum)
	}
	return all
}

// The file's picture goes through the processor, the tower, the projector and the
// decoder, in chunks that begin and end anywhere in it.
func TestAPromptWithAPictureAgreesWithTransformers(t *testing.T) {
	for _, c := range []struct {
		name   string
		dtype  dtypes.DType
		within float64
		chunks []int
	}{
		{"llava-next-f32", dtypes.Float32, 1e-4, []int{8, 24, 256}}, {"llava-f32", dtypes.Float32, 1e-4, []int{8}},
		{"llava-next-bf16", dtypes.BFloat16, 0.15, []int{16}},
	} {
		m, r, want := loadSeeing(t, c.name, c.dtype)
		for _, chunk := range c.chunks {
			t.Run(fmt.Sprint(c.name, " in ", c.dtype, " by ", chunk), func(t *testing.T) {
				scored := r
				scored.PromptLogprobs, scored.Sampling.TopLogprobs, scored.Sampling.Logprobs = true, 5, true
				e := engine(t, infer.Options{ChunkTokens: chunk})
				got, err := e.Generate(t.Context(), m, []infer.Request{scored, scored})
				require.NoError(t, err)
				require.Equal(t, got[0], got[1])
				require.EqualValues(t, 1, e.Stats().PicturesSeen)
				require.Len(t, got[0].PromptLogprobs, len(r.Prompt))
				for i, p := range got[0].PromptLogprobs[1:] {
					expected := logprobs(want[i])
					require.InDelta(t, expected[p.ID], p.Logprob, c.within, "token %d", i+1)
					for _, other := range p.Top {
						require.InDelta(t, expected[other.ID], other.Logprob, c.within, "token %d", i+1)
					}
				}
				first := got[0].Logprobs[0]
				require.InDelta(t, logprobs(want[len(want)-1])[first.ID], first.Logprob, c.within)
			})
		}
	}
}

// However a prompt is computed (with others, from a saved prefix, in a search, by a
// beam search of one), its reply is the same.
func TestAReplyAboutAPictureIsTheSameHoweverItIsComputed(t *testing.T) {
	m, r, _ := loadSeeing(t, "llava-next-f32", dtypes.Float32)
	alone, err := engine(t, infer.Options{PrefixBytes: -1}).Generate(t.Context(), m, []infer.Request{r})
	require.NoError(t, err)
	want := alone[0].Text
	require.Len(t, strings.Fields(want), 8)

	blind := r
	blind.Pictures = nil
	e := engine(t, infer.Options{ChunkTokens: 16})
	text, err := e.Generate(t.Context(), m, []infer.Request{blind})
	require.NoError(t, err)
	require.NotEqual(t, want, text[0].Text, "the picture matters")

	first, err := e.Generate(t.Context(), m, []infer.Request{r})
	require.NoError(t, err)
	require.Equal(t, want, first[0].Text)
	require.Less(t, first[0].CachedTokens, 16, "the tokens of no picture are another beginning")
	again, err := e.Generate(t.Context(), m, []infer.Request{r})
	require.NoError(t, err)
	require.Equal(t, want, again[0].Text)
	require.Greater(t, again[0].CachedTokens, len(r.Prompt)-20)
	require.EqualValues(t, 1, e.Stats().PicturesSeen)

	many := slices.Repeat([]infer.Request{r, inBackground(r), blind, inBackground(blind)}, 10)
	all, err := e.Generate(t.Context(), m, many)
	require.NoError(t, err)
	for i, got := range all {
		require.Equal(t, cmp.Or(map[bool]string{true: want}[i%4 < 2], text[0].Text), got.Text, "request %d", i)
	}
	beams, err := e.Beam(t.Context(), m, r, infer.BeamOptions{Width: 1})
	require.NoError(t, err)
	require.Equal(t, want, beams[0].Text)
	require.EqualValues(t, 1, e.Stats().PicturesSeen)
}

// Models that share a vision part, and programs, share what was made of a picture.
func TestModelsShareWhatWasMadeOfAPicture(t *testing.T) {
	one, r, _ := loadSeeing(t, "llava-next-f32", dtypes.Float32)
	other := loadModel(t, "llava-next-f32", dtypes.Float32)
	other.Vision = one.Vision
	e := engine(t, infer.Options{PrefixBytes: -1})
	first, err := e.Generate(t.Context(), one, []infer.Request{r})
	require.NoError(t, err)
	compiled := e.Compilations()
	second, err := e.Generate(t.Context(), other, []infer.Request{r})
	require.NoError(t, err)
	require.Equal(t, first[0].Text, second[0].Text)
	require.Equal(t, compiled, e.Compilations())
	require.EqualValues(t, 1, e.Stats().PicturesSeen)
	require.EqualValues(t, 1, e.Stats().PictureHits)
}
