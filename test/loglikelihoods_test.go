package test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// ended is a text and how it goes on, with what transformers says of it: a line
// that scripts/fixtures/loglikelihoods.py wrote.
type ended struct {
	Context, Continuation string
	Tokens                []int // of both
	ContextTokens         int   `json:"context_tokens"`
	Loglikelihood         float64
	Greedy                bool
}

// agrees is how near a loglikelihood has to be to that of transformers.
const agrees = 1e-3

// scored is the source that the fixtures are of.
const scored = "en-math-a"

// blended is the merge that the fixtures are of.
func blended() object {
	half := func(model string) object { return object{"model": model, "weight": []float64{0.5}} }
	return object{"recipe": object{"method": "linear", "sources": []object{half(scored), half("ja-general")}, "dtype": "float32"}}
}

// exactModels are the miniature models, to be computed in float32 on any
// processor: so says their config, and widening what is stored is exact.
func exactModels(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range append([]string{base}, sources...) {
		editConfig(t, copyModel(t, folder, name, name), func(config object) { config["torch_dtype"] = "float32" })
	}
	return folder
}

// readEnded gives a fixture's lines.
func readEnded(t *testing.T, name string) (all []ended) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "loglikelihoods-"+name+".jsonl"))
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var e ended
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		all = append(all, e)
	}
	require.Greater(t, len(all), 30)
	return all
}

// A text is scored by echoing it with log probabilities. lm-evaluation-harness
// reads the reply by position alone, so whatever is shifted by one shifts every
// score in silence.
func TestLoglikelihoodsAreThoseOfTransformers(t *testing.T) {
	s := start(t, options{models: exactModels(t)})
	merged := s.call("POST", "/v1/recipes", blended()).text("id")
	for model, fixture := range map[string]string{scored: "source", merged: "merged"} {
		t.Run(fixture, func(t *testing.T) {
			all := readEnded(t, fixture)
			for from := 0; from < len(all); from += 8 { // prompts of many lengths in one request
				checkEnded(t, s, model, all[from:min(from+8, len(all))])
			}
			checkEnded(t, s, model, all[:1])
		})
	}
}

// checkEnded asks what the harness asks, and reads the reply as it does.
func checkEnded(t *testing.T, s *server, model string, all []ended) {
	t.Helper()
	prompts := make([][]int, len(all))
	seen := 0
	for i, e := range all {
		prompts[i] = e.Tokens
		seen += len(e.Tokens)
	}
	reply := s.call("POST", "/v1/completions", object{
		"model": model, "prompt": prompts, "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true,
	})
	require.EqualValues(t, seen, reply.object("usage").number("prompt_tokens"))
	choices := reply.list("choices")
	require.Len(t, choices, len(all))
	ends := 0
	for i, choice := range choices {
		e := all[i]
		require.EqualValues(t, i, choice.number("index"))
		var logprobs struct {
			Tokens        []string             `json:"tokens"`
			TokenLogprobs []*float64           `json:"token_logprobs"`
			TopLogprobs   []map[string]float64 `json:"top_logprobs"`
			TextOffset    []int                `json:"text_offset"`
		}
		data, err := json.Marshal(choice["logprobs"])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &logprobs))

		// The prompt's tokens, none before them, and exactly one more, even if it
		// is the end of the sequence.
		for _, list := range []int{len(logprobs.Tokens), len(logprobs.TokenLogprobs), len(logprobs.TopLogprobs), len(logprobs.TextOffset)} {
			require.Equal(t, len(e.Tokens)+1, list, "%q", e.Continuation)
		}
		if logprobs.Tokens[len(e.Tokens)] == "</s>" {
			ends++
			require.Equal(t, "stop", choice.text("finish_reason"))
		}
		if e.Tokens[0] != 1 {
			require.NotEqual(t, "<s>", logprobs.Tokens[0], "nothing is put before a prompt of ids")
		}
		require.Nil(t, logprobs.TokenLogprobs[0], "nothing precedes the first token")
		require.Nil(t, logprobs.TopLogprobs[0])

		total, greedy := 0.0, true
		for at := e.ContextTokens; at < len(e.Tokens); at++ {
			highest := math.Inf(-1)
			for _, value := range logprobs.TopLogprobs[at] {
				highest = max(highest, value)
			}
			value := *logprobs.TokenLogprobs[at]
			require.Equal(t, value, logprobs.TopLogprobs[at][logprobs.Tokens[at]], "written alike, to the last digit")
			require.LessOrEqual(t, value, highest)
			total += value
			greedy = greedy && value == highest // compared just so
		}
		require.InDelta(t, e.Loglikelihood, total, agrees, "%q after %q", e.Continuation, e.Context)
		require.Equal(t, e.Greedy, greedy, "%q after %q", e.Continuation, e.Context)
	}
	require.Positive(t, ends, "some of these are whole replies")
}

// The tokens that the harness sends are those that the server says a text has.
func TestTextsHaveTheTokensOfTransformers(t *testing.T) {
	s := start(t, options{args: []string{"--default-model", "base"}}) // not all models here have its tokens
	for _, e := range readEnded(t, "source") {
		if e.Context == "" {
			continue // the harness puts a token there itself
		}
		text := e.Context + e.Continuation
		reply := s.call("POST", "/tokenize", object{"prompt": text, "add_special_tokens": false})
		var tokens []int
		for _, id := range reply["tokens"].([]any) {
			tokens = append(tokens, int(id.(float64)))
		}
		require.Equal(t, e.Tokens, tokens, "%q", text)
		require.Equal(t, text, s.call("POST", "/detokenize", object{"tokens": tokens}).text("prompt"))
	}
}
