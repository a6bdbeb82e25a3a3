package infer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// words is a tokenizer of n words w0, w1, …; no word ends a reply.
func words(t testing.TB, n int) *tokenizer.Tokenizer { return infer.Words(t, n) }

// load gives a fixture's model, its prompt and its greedy continuation as text.
func load(t testing.TB, name string, compute dtypes.DType) (*infer.Model, []int32, string) {
	t.Helper()
	m := loadModel(t, name, compute)
	prompt, greedy := expected(t, name)
	return m, prompt, m.Tokenizer.Decode(greedy, true)
}

// loadModel gives a fixture's model.
func loadModel(t testing.TB, name string, compute dtypes.DType) *infer.Model {
	t.Helper()
	folder, err := checkpoint.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer folder.Close()
	weights, err := infer.LoadWeights(context.Background(), devicetest.Open(t), folder, compute)
	require.NoError(t, err)
	t.Cleanup(weights.Free)
	return &infer.Model{Name: name, Weights: weights, Tokenizer: words(t, folder.Config().VocabSize)}
}

// expected gives a fixture's prompt and its greedy continuation.
func expected(t testing.TB, name string) (prompt, greedy []int32) {
	t.Helper()
	var want struct{ Prompt, Greedy []int32 }
	data, err := os.ReadFile(filepath.Join("testdata", name, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &want))
	return want.Prompt, want.Greedy
}

func engine(t testing.TB, o infer.Options) *infer.Engine {
	t.Helper()
	e := infer.NewEngine(devicetest.Open(t), o)
	t.Cleanup(e.Close)
	return e
}

func greedy(prompt []int32, tokens int) infer.Request {
	return infer.Request{Prompt: prompt, Sampling: infer.Sampling{MaxTokens: tokens, IgnoreEOS: true}}
}

func TestGreedyAgreesWithTransformers(t *testing.T) {
	for _, c := range []struct {
		model string
		dtype dtypes.DType
	}{
		{"mistral-f32", dtypes.Float32}, {"llama-f32", dtypes.Float32}, {"mistral-bf16", dtypes.BFloat16},
		{"mistral-bf16", dtypes.Float32},      // what a processor without bfloat16 computes in
		{"mistral-bf16", dtypes.InvalidDType}, // what this one does
		{"llama-bias-f32", dtypes.Float32}, {"qwen2-f32", dtypes.Float32}, {"qwen3-f32", dtypes.Float32},
		{"gemma2-f32", dtypes.Float32}, {"gemma3-f32", dtypes.Float32},
	} {
		for _, background := range []bool{false, true} { // step by step; several steps a call
			t.Run(fmt.Sprint(c.model, " in ", c.dtype, " background=", background), func(t *testing.T) {
				m, prompt, want := load(t, c.model, c.dtype)
				r := greedy(prompt, 12)
				r.Background = background
				got, err := engine(t, infer.Options{}).Generate(t.Context(), m, []infer.Request{r})
				require.NoError(t, err)
				require.Equal(t, want, got[0].Text)
				require.Equal(t, infer.Result{Text: want, PromptTokens: len(prompt), CompletionTokens: 12, FinishReason: "length"}, got[0])
			})
		}
	}
}

// A reply must not depend on what else is in the batch, on how the prompt is
// cut into chunks, or on how the cache grows and rows are dropped on the way.
func TestRepliesDoNotDependOnTheBatch(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	seed := uint64(7)
	var requests []infer.Request
	for i := range 11 {
		r := greedy(prompt[i%7:], 3+5*i)
		if i%3 == 1 {
			r.Sampling.Temperature, r.Sampling.TopP, r.Sampling.Seed = 0.8, 0.9, &seed
		}
		requests = append(requests, r)
	}
	alone := engine(t, infer.Options{})
	var want []infer.Result
	for _, r := range requests {
		got, err := alone.Generate(t.Context(), m, []infer.Request{r})
		require.NoError(t, err)
		want = append(want, got[0])
	}
	for _, background := range []bool{false, true} {
		for i := range requests {
			requests[i].Background = background
		}
		together, err := engine(t, infer.Options{ChunkTokens: 8, GrowColumns: 4, GreedySteps: 4}).Generate(t.Context(), m, requests)
		require.NoError(t, err)
		require.Equal(t, want, together)
	}
}

func TestStreamGivesTheSameTextInPieces(t *testing.T) {
	m, prompt, want := load(t, "llama-f32", dtypes.Float32)
	chunks, err := engine(t, infer.Options{}).Stream(t.Context(), m, greedy(prompt, 12))
	require.NoError(t, err)
	var text strings.Builder
	var last infer.Chunk
	pieces := 0
	for last = range chunks {
		text.WriteString(last.Text)
		pieces++
	}
	require.NoError(t, last.Err)
	require.Equal(t, want, text.String())
	require.Equal(t, "length", last.FinishReason)
	require.Equal(t, 12, last.Tokens)
	require.Equal(t, 12, pieces)
}

func TestStopStringSpanningTokens(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	fields := strings.Fields(want)
	stop := fields[3][1:] + " " + fields[4][:2] // ends inside a token, begins inside another
	e := engine(t, infer.Options{})
	for _, background := range []bool{false, true} {
		goesOn := greedy(prompt, 12)
		goesOn.Background = background
		r := goesOn
		r.Sampling.Stop = []string{"", "never", stop}
		got, err := e.Generate(t.Context(), m, []infer.Request{r, goesOn})
		require.NoError(t, err)
		require.Equal(t, infer.Result{
			Text: want[:strings.Index(want, stop)], PromptTokens: len(prompt), CompletionTokens: 5, FinishReason: "stop", Stop: stop,
		}, got[0], "background=%v", background)
		require.Equal(t, want, got[1].Text)
	}
}

func TestLengthsEndWhereTheyShould(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{GreedySteps: 4})
	for _, c := range []struct{ asked, got int }{
		{1, 1}, {2, 2}, {4, 4}, {5, 5}, {6, 6}, {9, 9}, // around the steps of a call
		{0, 117}, {1000, 117}, // what the context has room for
	} {
		for _, background := range []bool{false, true} {
			r := greedy(prompt, c.asked)
			r.Background = background
			got, err := e.Generate(t.Context(), m, []infer.Request{r})
			require.NoError(t, err)
			words := strings.Fields(got[0].Text)
			require.Len(t, words, c.got, "max_tokens %d, background=%v", c.asked, background)
			require.Equal(t, c.got, got[0].CompletionTokens)
			require.Equal(t, "length", got[0].FinishReason)
			n := min(c.got, 12)
			require.Equal(t, strings.Fields(want)[:n], words[:n])
		}
	}
}

func TestEndOfSequenceStops(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	third, ok := m.Tokenizer.TokenID(strings.Fields(want)[2])
	require.True(t, ok)
	config := m.Weights.Config()
	config.EOSTokenIDs = []int{int(third)}
	weights, err := infer.NewWeights(config, devicetest.Open(t), m.Weights.Tensors())
	require.NoError(t, err)
	ending := &infer.Model{Name: "ending", Weights: weights, Tokenizer: m.Tokenizer}
	r := greedy(prompt, 12)
	r.Sampling.IgnoreEOS = false
	got, err := engine(t, infer.Options{}).Generate(t.Context(), ending, []infer.Request{r})
	require.NoError(t, err)
	require.Equal(t, "stop", got[0].FinishReason)
	require.LessOrEqual(t, got[0].CompletionTokens, 3)
	require.True(t, strings.HasPrefix(want, got[0].Text))
}

func TestModelsOfOneShapeShareCompiledPrograms(t *testing.T) {
	first, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	second, _, _ := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{})
	_, err := e.Generate(t.Context(), first, []infer.Request{greedy(prompt, 5)})
	require.NoError(t, err)
	before := e.Compilations()
	require.Positive(t, before)
	_, err = e.Generate(t.Context(), second, []infer.Request{greedy(prompt[1:], 4)})
	require.NoError(t, err)
	require.Equal(t, before, e.Compilations())
}

func TestManyModelsAndUsersAtOnce(t *testing.T) {
	e := engine(t, infer.Options{Slots: 3})
	var wg sync.WaitGroup
	for _, name := range []string{"mistral-f32", "llama-f32"} {
		m, prompt, want := load(t, name, dtypes.Float32)
		for i := range 6 {
			wg.Go(func() {
				r := greedy(prompt, 12)
				r.Background = i%3 == 0
				got, err := e.Generate(t.Context(), m, []infer.Request{r})
				if err != nil || got[0].Text != want {
					t.Errorf("%s: %v, %v", name, got, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestCancelFreesTheSlot(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{Slots: 1})
	var last infer.Chunk
	// On a busy machine the reply may end before the cancel is heard.
	for attempt := 0; attempt < 50 && last.Err == nil; attempt++ {
		ctx, cancel := context.WithCancel(t.Context())
		chunks, err := e.Stream(ctx, m, greedy(prompt, 100))
		require.NoError(t, err)
		<-chunks
		cancel()
		for last = range chunks {
		}
	}
	require.Equal(t, fault.Cancelled, fault.CodeOf(last.Err))
	require.Less(t, last.Tokens, 100)
	got, err := e.Generate(t.Context(), m, []infer.Request{greedy(prompt, 12)})
	require.NoError(t, err)
	require.Equal(t, want, got[0].Text)
}

func TestRefusals(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	long := make([]int32, 128)
	cases := []struct {
		name, param string
		request     infer.Request
	}{
		{"no prompt", "messages", infer.Request{}},
		{"prompt as long as the context", "messages", infer.Request{Prompt: long}},
		{"negative length", "max_tokens", infer.Request{Prompt: prompt, Sampling: infer.Sampling{MaxTokens: -1}}},
		{"negative temperature", "temperature", infer.Request{Prompt: prompt, Sampling: infer.Sampling{Temperature: -1}}},
		{"top_p above one", "top_p", infer.Request{Prompt: prompt, Sampling: infer.Sampling{TopP: 1.5}}},
		{"token outside of the vocabulary", "prompt", infer.Request{Prompt: []int32{64}}},
	}
	e := engine(t, infer.Options{})
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := e.Stream(t.Context(), m, c.request)
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, fault.Invalid, f.Code)
			require.Equal(t, c.param, f.Param)
		})
	}
	_, err := e.Stream(t.Context(), m, infer.Request{Prompt: long})
	require.ErrorIs(t, err, infer.ErrContextLength)
	require.ErrorContains(t, err, "128 tokens")

	t.Run("full queue", func(t *testing.T) {
		small := engine(t, infer.Options{QueueLimit: 2})
		_, err := small.Generate(t.Context(), m, []infer.Request{greedy(prompt, 1), greedy(prompt, 1), greedy(prompt, 1)})
		require.Equal(t, fault.Busy, fault.CodeOf(err))
	})
	t.Run("closed engine", func(t *testing.T) {
		closed := infer.NewEngine(devicetest.Open(t), infer.Options{})
		closed.Close()
		_, err := closed.Stream(t.Context(), m, greedy(prompt, 1))
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	})
}

func TestCloseEndsWhatIsRunning(t *testing.T) {
	m, prompt, _ := load(t, "mistral-f32", dtypes.Float32)
	e := infer.NewEngine(devicetest.Open(t), infer.Options{})
	chunks, err := e.Stream(t.Context(), m, greedy(prompt, 117))
	require.NoError(t, err)
	<-chunks
	e.Close()
	var last infer.Chunk
	for last = range chunks {
	}
	if last.FinishReason == "" {
		require.Equal(t, fault.Unavailable, fault.CodeOf(last.Err))
	}
}

func TestDamagedWeightsAreRefused(t *testing.T) {
	folder, err := checkpoint.Open(filepath.Join("testdata", "mistral-f32"))
	require.NoError(t, err)
	defer folder.Close()
	m, _, _ := load(t, "mistral-f32", dtypes.Float32)
	_, err = infer.NewWeights(folder.Config(), devicetest.Open(t), m.Weights.Tensors()[1:])
	require.Error(t, err)
}

// A device that has been warmed compiles nothing for a user's first request but
// what copies a cache.
func TestAWarmEngineCompilesNoPass(t *testing.T) {
	m, prompt, want := load(t, "mistral-f32", dtypes.Float32)
	e := engine(t, infer.Options{Slots: 4, PrefixBytes: -1})
	require.NoError(t, e.Warm(t.Context(), m.Weights))
	passes := e.Compilations()
	require.Positive(t, passes)
	got, err := e.Generate(t.Context(), m, []infer.Request{greedy(prompt, 12)})
	require.NoError(t, err)
	require.Equal(t, want, got[0].Text)
	require.Equal(t, passes+1, e.Compilations(), "one program moves the prompt's cache into the batch")
	require.NoError(t, e.Warm(t.Context(), m.Weights))
	require.Equal(t, passes+1, e.Compilations(), "again compiles nothing")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Equal(t, fault.Cancelled, fault.CodeOf(e.Warm(ctx, m.Weights)))
}

// The same on a model that has learned something, with more users than slots,
// prompts that begin alike and saved prefixes. In float32, where no two tokens are
// as good as equal: bfloat16 rounds in another place on another processor.
func TestGreedyRepliesOfAMiniatureAreTheOnesItGivesAlone(t *testing.T) {
	m := miniature(t, "ja-general", dtypes.Float32)
	e := engine(t, infer.Options{Slots: 16, ChunkTokens: 64})
	var requests []infer.Request
	for i := range 48 {
		text := fmt.Sprintf("太郎はりんごを%d個持っています。花子から%d個もらいました。全部で何個ですか？", 3+i*7%90, 5+i*13%80)
		r := greedy(append([]int32{1}, m.Tokenizer.Encode(text, false)...), 8+i%20)
		r.Background = i%3 == 0
		requests = append(requests, r)
	}
	together, err := e.Generate(t.Context(), m, requests)
	require.NoError(t, err)
	alone := engine(t, infer.Options{PrefixBytes: -1})
	for i, r := range requests {
		want, err := alone.Generate(t.Context(), m, []infer.Request{r})
		require.NoError(t, err)
		require.Equal(t, want[0].Text, together[i].Text, "request %d", i)
	}
}
