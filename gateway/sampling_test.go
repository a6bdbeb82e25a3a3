package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

// endpoints are the two that generate, with a request body of each.
var endpoints = map[string]func(more string) string{
	chatPath:        ask,
	completionsPath: func(more string) string { return complete(`"hi"`, more) },
}

func TestAllOfSamplingReachesTheEngine(t *testing.T) {
	seed := uint64(3)
	cases := []struct {
		fields string
		want   func(s *infer.Sampling)
	}{
		{`"top_k": 40`, func(s *infer.Sampling) { s.TopK = 40 }},
		{`"top_k": 0`, func(*infer.Sampling) {}},
		{`"top_k": -1`, func(*infer.Sampling) {}},
		{`"min_p": 0.05`, func(s *infer.Sampling) { s.MinP = 0.05 }},
		{`"typical_p": 0.9`, func(s *infer.Sampling) { s.TypicalP = 0.9 }},
		{`"presence_penalty": -2, "frequency_penalty": 2`, func(s *infer.Sampling) { s.PresencePenalty, s.FrequencyPenalty = -2, 2 }},
		{`"repetition_penalty": 1.1`, func(s *infer.Sampling) { s.RepetitionPenalty = 1.1 }},
		{`"logit_bias": {"5": 100, "0": -100, "70000": 0.5}`, func(s *infer.Sampling) { s.LogitBias = map[int32]float32{5: 100, 0: -100, 70000: 0.5} }},
		{`"logit_bias": {}, "stop_token_ids": []`, func(*infer.Sampling) {}},
		{`"min_tokens": 4, "max_tokens": 9`, func(s *infer.Sampling) { s.MinTokens, s.MaxTokens = 4, 9 }},
		{`"stop_token_ids": [2, 7]`, func(s *infer.Sampling) { s.StopTokenIDs = []int32{2, 7} }},
		{`"stop": "。", "include_stop_str_in_output": true`, func(s *infer.Sampling) { s.Stop, s.IncludeStop = []string{"。"}, true }},
		{`"ignore_eos": true, "seed": 3`, func(s *infer.Sampling) { s.IgnoreEOS, s.Seed = true, &seed }},
		{`"top_k": null, "min_p": null, "typical_p": null, "presence_penalty": null, "frequency_penalty": null, "repetition_penalty": null,
		  "logit_bias": null, "min_tokens": null, "stop_token_ids": null, "include_stop_str_in_output": null, "ignore_eos": null, "logprobs": null`,
			func(*infer.Sampling) {}},
	}
	for path, body := range endpoints {
		for _, c := range cases {
			for _, stream := range []string{"false", "true"} {
				t.Run(path+" "+c.fields+", stream "+stream, func(t *testing.T) {
					b := newBench(t)
					r := b.send("POST", path, body(c.fields+`, "stream": `+stream))
					require.Equal(t, http.StatusOK, r.status, r.body)
					want := infer.Sampling{Temperature: 1, TopP: 1}
					if path == completionsPath {
						want.MaxTokens = defaultCompletionTokens
					}
					c.want(&want)
					require.Equal(t, want, b.engine.seen()[0].Sampling)
				})
			}
		}
	}
}

func TestWrongSamplingIsRefusedByName(t *testing.T) {
	manyIDs := strings.TrimSuffix(strings.Repeat("1,", 257), ",")
	var manyBiases []string
	for i := range 1025 {
		manyBiases = append(manyBiases, fmt.Sprintf(`"%d": 1`, i))
	}
	cases := []struct{ fields, param string }{
		{`"top_k": -2`, "top_k"},
		{`"top_k": 0.5`, "top_k"},
		{`"top_k": "40"`, "top_k"},
		{`"top_k": 9999999999`, "top_k"},
		{`"top_k": 99999999999999999999`, "top_k"},
		{`"top_k": NaN`, "top_k"},
		{`"min_p": -0.1`, "min_p"},
		{`"min_p": 1.1`, "min_p"},
		{`"min_p": NaN`, "min_p"},
		{`"min_p": "0.1"`, "min_p"},
		{`"typical_p": 0`, "typical_p"},
		{`"typical_p": 1.1`, "typical_p"},
		{`"presence_penalty": 2.1`, "presence_penalty"},
		{`"presence_penalty": -2.1`, "presence_penalty"},
		{`"presence_penalty": 1e999`, "presence_penalty"},
		{`"presence_penalty": Infinity`, "presence_penalty"},
		{`"frequency_penalty": 3`, "frequency_penalty"},
		{`"frequency_penalty": [1]`, "frequency_penalty"},
		{`"repetition_penalty": 0`, "repetition_penalty"},
		{`"repetition_penalty": 2.5`, "repetition_penalty"},
		{`"repetition_penalty": -1`, "repetition_penalty"},
		{`"logit_bias": []`, "logit_bias"},
		{`"logit_bias": 5`, "logit_bias"},
		{`"logit_bias": {"5": "1"}`, "logit_bias"},
		{`"logit_bias": {"5": null}`, "logit_bias"},
		{`"logit_bias": {"5": 101}`, "logit_bias"},
		{`"logit_bias": {"5": -101}`, "logit_bias"},
		{`"logit_bias": {"5": 1e999}`, "logit_bias"},
		{`"logit_bias": {"5": NaN}`, "logit_bias"},
		{`"logit_bias": {"five": 1}`, "logit_bias"},
		{`"logit_bias": {"": 1}`, "logit_bias"},
		{`"logit_bias": {"-1": 1}`, "logit_bias"},
		{`"logit_bias": {"05": 1}`, "logit_bias"},
		{`"logit_bias": {"99999999999": 1}`, "logit_bias"},
		{`"logit_bias": {` + strings.Join(manyBiases, ",") + `}`, "logit_bias"},
		{`"min_tokens": -1`, "min_tokens"},
		{`"min_tokens": 1000000000`, "min_tokens"},
		{`"min_tokens": 1.5`, "min_tokens"},
		{`"stop_token_ids": 2`, "stop_token_ids"},
		{`"stop_token_ids": ["2"]`, "stop_token_ids"},
		{`"stop_token_ids": [2, null]`, "stop_token_ids[1]"},
		{`"stop_token_ids": [-1]`, "stop_token_ids[0]"},
		{`"stop_token_ids": [99999999999]`, "stop_token_ids[0]"},
		{`"stop_token_ids": [99999999999999999999]`, "stop_token_ids"},
		{`"stop_token_ids": [` + manyIDs + `]`, "stop_token_ids"},
		{`"include_stop_str_in_output": "yes"`, "include_stop_str_in_output"},
		{`"ignore_eos": 1`, "ignore_eos"},
		{`"seed": 1.5`, "seed"},
	}
	for path, body := range endpoints {
		b := newBench(t)
		for _, c := range cases {
			t.Run(path+" "+clip(c.fields, 60), func(t *testing.T) {
				b.send("POST", path, body(c.fields)).requireError(t, http.StatusBadRequest, "invalid", c.param)
			})
		}
		require.Empty(t, b.engine.seen(), "nothing of this reached the engine")
	}
}

func TestLimitsBoundWhatSamplingMayHold(t *testing.T) {
	cases := []struct {
		fields, param string
		limit         func(*Limits)
	}{
		{`"logit_bias": {"1": 1, "2": 1}`, "logit_bias", func(l *Limits) { l.LogitBias = 1 }},
		{`"stop_token_ids": [1, 2]`, "stop_token_ids", func(l *Limits) { l.StopTokens = 1 }},
		{`"logprobs": true, "top_logprobs": 2`, "top_logprobs", func(l *Limits) { l.Logprobs = 1 }},
	}
	for _, c := range cases {
		t.Run(c.param, func(t *testing.T) {
			b := newBench(t, func(o *Options) { c.limit(&o.Limits) })
			b.send("POST", chatPath, ask(c.fields)).requireError(t, http.StatusBadRequest, "invalid", c.param)
			require.Equal(t, http.StatusOK, newBench(t).send("POST", chatPath, ask(c.fields)).status)
		})
	}
	b := newBench(t, func(o *Options) { o.Limits.Logprobs = 1 })
	b.send("POST", completionsPath, complete(`"a"`, `"logprobs": 2`)).requireError(t, http.StatusBadRequest, "invalid", "logprobs")
	b = newBench(t, func(o *Options) { o.Limits.Logprobs = 1000 })
	b.send("POST", completionsPath, complete(`"a"`, `"logprobs": 21`)).requireError(t, http.StatusBadRequest, "invalid", "logprobs")
}
