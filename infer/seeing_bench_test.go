package infer_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/picture"
)

// clipLarge is the shape of CLIP ViT-L/14-336, as LLaVA-1.6 looks through it.
var clipLarge = checkpoint.VisionConfig{
	ModelType: "llava_next", HiddenSize: 1024, IntermediateSize: 4096, NumHiddenLayers: 24, NumAttentionHeads: 16,
	ImageSize: 336, PatchSize: 14, LayerNormEps: 1e-5, HiddenAct: "quick_gelu", ProjectionAct: "gelu", ProjectorBias: true,
	FeatureLayers: []int{-2}, GridPinpoints: [][2]int{{672, 672}}, ImageTokenID: 7999,
}

// largeVision gives the medium model eyes of that shape, in bfloat16, with arbitrary
// weights.
func largeVision(b *testing.B, m *infer.Model) *infer.Model {
	b.Helper()
	width := m.Weights.Config().HiddenSize
	var all []*tensors.Tensor
	for _, p := range arch.VisionParams(clipLarge, width) {
		size := 1
		for _, d := range p.Shape {
			size *= d
		}
		values := make([]bfloat16.BFloat16, size)
		for i := range values {
			values[i] = bfloat16.FromFloat32(float32((i*7919)%201-100) * 2e-4)
		}
		all = append(all, tensors.FromFlatDataAndDimensions(values, p.Shape...))
	}
	m.Vision = infer.VisionOf(clipLarge, width, all)
	b.Cleanup(m.Vision.Free)
	return m
}

// tiled is a picture of so many tiles, another for each number; it has a place for
// each patch, and none for newlines.
func tiled(number, tiles int) *picture.Prepared {
	p := &picture.Prepared{Hash: [32]byte{byte(number), byte(number >> 8), byte(number >> 16)}}
	size := 3 * clipLarge.ImageSize * clipLarge.ImageSize
	for range tiles {
		tile := make([]float32, size)
		for i := range tile {
			tile[i] = float32((i*7919+number)%255)/127 - 1
		}
		p.Tiles = append(p.Tiles, tile)
	}
	for i := range tiles * clipLarge.Features() {
		p.Order = append(p.Order, int32(i))
	}
	return p
}

// about is a question about a picture.
func about(p *picture.Prepared, reply int) infer.Request {
	prompt := slices.Concat([]int32{1, 7, 33, 12}, slices.Repeat([]int32{clipLarge.ImageTokenID}, p.Tokens()), []int32{5, 6, 7, 8, 9, 10, 11, 12})
	r := greedy(prompt, reply)
	r.Pictures = []*picture.Prepared{p}
	return r
}

// BenchmarkPicture asks for one token about pictures of five tiles, each a new one:
// CLIP ViT-L/14-336, and the decoder of BenchmarkGenerateMedium for 2,880 places. Then
// again about one that has been seen, without its keys and values.
func BenchmarkPicture(b *testing.B) {
	const tiles = 5
	m := largeVision(b, longMedium(b))
	for _, seen := range []bool{false, true} {
		name := "new"
		if seen {
			name = "seen"
		}
		b.Run(name, func(b *testing.B) {
			e := engine(b, infer.Options{PrefixBytes: -1})
			ask := func(number int) {
				_, err := e.Generate(context.Background(), m, []infer.Request{about(tiled(number, tiles), 1)})
				require.NoError(b, err)
			}
			ask(0) // compiles
			n := 0
			for b.Loop() {
				if !seen {
					n++
				}
				ask(n)
			}
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate*tiles, "tiles/s")
			b.ReportMetric(rate*float64(tiles*clipLarge.Features()), "tok/s")
		})
	}
}

// BenchmarkTextBesidePictures measures how long four users who read text wait for each
// token: alone, beside one who has a prompt of text computed without pause, and beside
// one who asks about new pictures without pause.
func BenchmarkTextBesidePictures(b *testing.B) {
	m := largeVision(b, longMedium(b))
	for _, beside := range []string{"nobody", "text", "pictures"} {
		b.Run("beside="+beside, func(b *testing.B) {
			e := engine(b, infer.Options{PrefixBytes: -1})
			other := func(number int) infer.Request {
				r := about(tiled(number, 5), 1)
				if beside == "text" {
					r.Pictures = nil
				}
				return r
			}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			done := make(chan struct{})
			begun := make(chan struct{})
			go func() {
				defer close(done)
				for i := 0; beside != "nobody" && ctx.Err() == nil; i++ {
					_, _ = e.Generate(ctx, m, []infer.Request{other(i)})
					if i == 0 {
						close(begun) // all is compiled
					}
				}
			}()
			if beside != "nobody" {
				<-begun
			}
			var waits []time.Duration
			for b.Loop() {
				waits = append(waits, readFour(b, e, m)...)
			}
			stop()
			<-done
			slices.Sort(waits)
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1e3, "ms-p50")
			b.ReportMetric(float64(waits[len(waits)*95/100].Microseconds())/1e3, "ms-p95")
			b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1e3, "ms-max")
		})
	}
}

// readFour lets four users read 64 tokens each, and gives the times between tokens.
func readFour(b *testing.B, e *infer.Engine, m *infer.Model) (waits []time.Duration) {
	b.Helper()
	streams := make([]<-chan infer.Chunk, 4)
	for i := range streams {
		prompt := make([]int32, 40)
		for j := range prompt {
			prompt[j] = int32(5 + (7*i+13*j)%600)
		}
		var err error
		streams[i], err = e.Stream(context.Background(), m, greedy(prompt, 64))
		require.NoError(b, err)
	}
	var last time.Time
	for c := range streams[0] { // they all get their tokens in the same steps
		require.NoError(b, c.Err)
		now := time.Now()
		if !last.IsZero() {
			waits = append(waits, now.Sub(last))
		}
		last = now
	}
	for _, s := range streams[1:] {
		for range s {
		}
	}
	return waits
}

// longMedium is the medium model with room for pictures.
func longMedium(b *testing.B) *infer.Model {
	b.Helper()
	m := medium(b)
	config := m.Weights.Config()
	config.MaxPositionEmbeddings = 4096
	weights, err := infer.NewWeights(config, nil, m.Weights.Tensors())
	require.NoError(b, err)
	return &infer.Model{Name: m.Name, Weights: weights, Tokenizer: m.Tokenizer}
}
