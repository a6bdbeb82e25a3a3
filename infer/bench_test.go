package infer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// miniature loads a model of the zoo.
func miniature(b *testing.B, name string) *infer.Model {
	b.Helper()
	dir := filepath.Join("..", "zoo", "models", name)
	folder, err := checkpoint.Open(dir)
	require.NoError(b, err)
	defer folder.Close()
	weights, err := infer.LoadWeights(context.Background(), devicetest.Open(b), folder, dtypes.InvalidDType)
	require.NoError(b, err)
	b.Cleanup(weights.Free)
	tok, err := tokenizer.Load(dir)
	require.NoError(b, err)
	return &infer.Model{Name: name, Weights: weights, Tokenizer: tok}
}

// BenchmarkGenerate answers prompts of 40 tokens with 32 tokens each, greedily:
// as a user's requests (a call of the device for each token) and as a search's
// (several tokens a call).
func BenchmarkGenerate(b *testing.B) {
	const promptTokens, replyTokens = 40, 32
	m := miniature(b, "base")
	e := engine(b, infer.Options{Slots: 256, QueueLimit: 1024})
	for _, background := range []bool{false, true} {
		for _, rows := range []int{1, 8, 32, 150, 256} {
			b.Run(fmt.Sprintf("background=%v/rows=%d", background, rows), func(b *testing.B) {
				requests := make([]infer.Request, rows)
				for i := range requests {
					prompt := make([]int32, promptTokens)
					for j := range prompt {
						prompt[j] = int32(5 + (7*i+13*j)%600)
					}
					requests[i] = greedy(prompt, replyTokens)
					requests[i].Background = background
				}
				generate := func() {
					_, err := e.Generate(context.Background(), m, requests)
					require.NoError(b, err)
				}
				generate() // compiles
				compiled := e.Compilations()
				n := 0
				for b.Loop() {
					generate()
					n += rows * replyTokens
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tok/s")
				require.Equal(b, compiled, e.Compilations(), "nothing is compiled while measuring")
			})
		}
	}
}
