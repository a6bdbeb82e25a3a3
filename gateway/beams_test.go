package gateway

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

func TestABeamSearchGivesItsBestReplies(t *testing.T) {
	b := newBench(t)
	b.engine.beams = func(r infer.Request, o infer.BeamOptions) []infer.Result {
		require.Zero(t, r.Sampling.Temperature)
		return []infer.Result{
			{Text: "best", CompletionTokens: 3, CachedTokens: 1, FinishReason: "stop"},
			{Text: "second", CompletionTokens: 4, FinishReason: "length"},
		}[:o.Keep]
	}
	r := b.send("POST", completionsPath, complete(`["a", "b"]`, `"use_beam_search": true, "n": 2, "best_of": 5, "length_penalty": 0.5`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var got Completion
	r.into(t, &got)
	var texts []string
	for _, c := range got.Choices {
		texts = append(texts, c.Text+" "+*c.FinishReason)
	}
	require.Equal(t, []string{"best stop", "second length", "best stop", "second length"}, texts)
	var usage Usage
	require.NoError(t, json.Unmarshal(got.Usage, &usage))
	require.Equal(t, Usage{PromptTokens: 2, CompletionTokens: 14, TotalTokens: 16, PromptTokensDetails: PromptDetails{CachedTokens: 2}}, usage)
	require.Equal(t, []infer.BeamOptions{{Width: 5, Keep: 2, LengthPenalty: 0.5}, {Width: 5, Keep: 2, LengthPenalty: 0.5}}, b.engine.asked)

	r = b.send("POST", chatPath, ask(`"use_beam_search": true, "n": 2, "early_stopping": true`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var reply ChatCompletion
	r.into(t, &reply)
	require.Equal(t, "second", *reply.Choices[1].Message.Content)
	require.Equal(t, infer.BeamOptions{Width: 2, Keep: 2, LengthPenalty: 1, EarlyStopping: true}, b.engine.asked[2])
}

func TestABeamSearchRefusesWhatItCannotDo(t *testing.T) {
	b := newBench(t)
	for fields, param := range map[string]string{
		`"stream": true`:     "stream",
		`"temperature": 0.5`: "temperature",
		`"n": 33`:            "n",
	} {
		b.send("POST", completionsPath, complete(`"a"`, `"use_beam_search": true, `+fields)).requireError(t, 400, "invalid", param)
	}
	b.send("POST", completionsPath, complete(`"a"`, `"use_beam_search": true, "logprobs": 1`)).requireError(t, 400, "invalid", "use_beam_search")
	require.Empty(t, b.engine.asked)
}
