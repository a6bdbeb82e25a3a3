package gateway

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

func TestBestOfShowsTheMostProbable(t *testing.T) {
	for _, logprobs := range []string{"null", "1"} {
		b := newBench(t)
		// The reply's log probability goes with the seed: that of choice 0 is the lowest.
		b.engine.script = func(_ context.Context, r infer.Request, send func(infer.Chunk) bool) {
			i := 0
			for ; *forChoice(infer.Sampling{Seed: new(uint64)}, i).Seed != *r.Sampling.Seed; i++ {
			}
			var tokens []infer.TokenLogprob
			for range i + 1 { // longer ones are better per token, and worse in sum
				tokens = append(tokens, scored('0', -1/float32(i+1)-0.1))
			}
			send(infer.Chunk{Text: string(rune('0' + i)), Tokens: i + 1, Logprobs: tokens, FinishReason: "length"})
		}
		r := b.send("POST", completionsPath, complete(`["a", "b"]`, `"seed": 0, "best_of": 4, "n": 2, "logprobs": `+logprobs))
		require.Equal(t, http.StatusOK, r.status, r.body)
		var got Completion
		r.into(t, &got)
		var texts []string
		for i, c := range got.Choices {
			require.Equal(t, i, c.Index)
			require.Equal(t, "length", *c.FinishReason)
			require.Equal(t, logprobs != "null", c.Logprobs != nil, "shown only to those who asked")
			texts = append(texts, c.Text)
		}
		require.Equal(t, []string{"3", "2", "3", "2"}, texts)
		var usage Usage
		require.NoError(t, json.Unmarshal(got.Usage, &usage))
		require.Equal(t, 2*(1+2+3+4), usage.CompletionTokens, "all that was generated")
		require.Equal(t, 2, usage.PromptTokens)
		require.Len(t, b.engine.seen(), 8)
		for _, r := range b.engine.seen() {
			require.True(t, r.Sampling.Logprobs)
		}
	}
}

func TestBestOfNeedsNothingWhereAllAreShown(t *testing.T) {
	for _, fields := range []string{`"best_of": 1`, `"best_of": null`, `"best_of": 2, "n": 2, "stream": true`} {
		b := newBench(t)
		r := b.send("POST", completionsPath, complete(`"a"`, fields))
		require.Equal(t, http.StatusOK, r.status, r.body)
		require.False(t, b.engine.seen()[0].Sampling.Logprobs)
	}
}

func TestMostProbable(t *testing.T) {
	result := func(text string, logprobs ...float32) infer.Result {
		r := infer.Result{Text: text}
		for _, l := range logprobs {
			r.Logprobs = append(r.Logprobs, scored(0, l))
		}
		return r
	}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		results []infer.Result
		n, keep int
		want    []string
	}{
		"by mean, not by sum":         {[]infer.Result{result("a", -1), result("b", -0.6, -0.6, -0.6)}, 2, 1, []string{"b"}},
		"of equals the first":         {[]infer.Result{result("a", -1), result("b", -1), result("c", -1)}, 3, 2, []string{"a", "b"}},
		"prompt by prompt":            {[]infer.Result{result("a", -2), result("b", -1), result("c", -4), result("d", -5)}, 2, 1, []string{"b", "c"}},
		"what is broken goes last":    {[]infer.Result{result("a", nan), result("b", -9)}, 2, 1, []string{"b"}},
		"of no tokens nothing is bad": {[]infer.Result{result("a"), result("b")}, 2, 1, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range mostProbable(c.results, c.n, c.keep) {
				got = append(got, r.Text)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestUsageTellsWhatWasCached(t *testing.T) {
	for _, stream := range []bool{false, true} {
		b := newBench(t)
		// The second prompt's first choice did the work from which the other gained.
		cached := map[string][]int{"a": {1, 1}, "bc": {0, 2}}
		b.engine.script = func(_ context.Context, r infer.Request, send func(infer.Chunk) bool) {
			i := 1
			if *r.Sampling.Seed == 5 {
				i = 0
			}
			send(infer.Chunk{Text: "x", Tokens: 1, Cached: cached[string(r.Prompt)][i]})
			send(infer.Chunk{Tokens: 2, Cached: cached[string(r.Prompt)][i], FinishReason: "stop"})
		}
		more := `"n": 2, "seed": 5`
		if stream {
			more += `, "stream": true, "stream_options": {"include_usage": true}`
		}
		r := b.send("POST", completionsPath, complete(`["a", "bc"]`, more))
		all := completionChunks(t, r.body, stream)
		var usage Usage
		require.NoError(t, json.Unmarshal(all[len(all)-1].Usage, &usage))
		require.Equal(t, Usage{PromptTokens: 3, CompletionTokens: 8, TotalTokens: 11, PromptTokensDetails: PromptDetails{CachedTokens: 1}}, usage)
	}
	b := newBench(t)
	b.engine.script = sayScored(t)
	require.Contains(t, b.send("POST", chatPath, ask("")).body, `"cached_tokens":2`)
}
