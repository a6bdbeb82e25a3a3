package infer_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// miniature loads a model of the zoo; dtypes.InvalidDType lets the device choose
// what it computes in.
func miniature(b testing.TB, name string, compute dtypes.DType) *infer.Model {
	b.Helper()
	dir := filepath.Join("..", "zoo", "models", name)
	folder, err := checkpoint.Open(dir)
	require.NoError(b, err)
	defer folder.Close()
	weights, err := infer.LoadWeights(context.Background(), devicetest.Open(b), folder, compute)
	require.NoError(b, err)
	b.Cleanup(weights.Free)
	tok, err := tokenizer.Load(dir)
	require.NoError(b, err)
	return &infer.Model{Name: name, Weights: weights, Tokenizer: tok}
}

// medium is a Mistral of 107 million parameters in bfloat16 with arbitrary weights:
// large enough that its products, and not calls of the device, take the time.
func medium(b *testing.B) *infer.Model {
	b.Helper()
	c := checkpoint.Config{
		ModelType: "mistral", VocabSize: 8000, HiddenSize: 1024, IntermediateSize: 2816, NumHiddenLayers: 8,
		NumAttentionHeads: 16, NumKeyValueHeads: 4, HeadDim: 64, MaxPositionEmbeddings: 512,
		RMSNormEps: 1e-5, RopeTheta: 1e4, HiddenAct: "silu", DType: dtypes.BFloat16,
	}
	var all []*tensors.Tensor
	for _, p := range arch.Params(c) {
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
	weights, err := infer.NewWeights(c, devicetest.Open(b), all)
	require.NoError(b, err)
	b.Cleanup(weights.Free)
	return &infer.Model{Name: "medium", Weights: weights, Tokenizer: words(b, c.VocabSize)}
}

// BenchmarkGenerateMedium answers prompts of 32 tokens with 16 tokens each.
func BenchmarkGenerateMedium(b *testing.B) {
	m := medium(b)
	e := engine(b, infer.Options{Slots: 64, PrefixBytes: -1})
	for _, rows := range []int{1, 4, 32} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			measure(b, e, m, rows, 32, 16, true)
		})
	}
}

// measure generates replies of the same length to so many prompts, again and
// again, and reports the tokens of the replies per second.
func measure(b *testing.B, e *infer.Engine, m *infer.Model, rows, promptTokens, replyTokens int, background bool) {
	b.Helper()
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
}

// BenchmarkGenerate answers prompts of 40 tokens with 32 tokens each, greedily:
// as a user's requests (a call of the device for each token) and as a search's
// (several tokens a call).
func BenchmarkGenerate(b *testing.B) {
	const promptTokens, replyTokens = 40, 32
	m := miniature(b, "base", dtypes.InvalidDType)
	e := engine(b, infer.Options{Slots: 256, QueueLimit: 1024, PrefixBytes: -1})
	for _, background := range []bool{false, true} {
		for _, rows := range []int{1, 8, 32, 150, 256} {
			b.Run(fmt.Sprintf("background=%v/rows=%d", background, rows), func(b *testing.B) {
				measure(b, e, m, rows, promptTokens, replyTokens, background)
			})
		}
	}
}
