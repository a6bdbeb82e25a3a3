package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

const chatPath = "/v1/chat/completions"

// ask is a chat request body with further fields.
func ask(more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"model": "base", "messages": [{"role": "user", "content": "hi"}]` + more + `}`
}

func TestChatAnswersInOnePiece(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", chatPath, ask(""))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var got ChatCompletion
	r.into(t, &got)
	require.Regexp(t, `^chatcmpl-`, got.ID)
	require.Equal(t, "chat.completion", got.Object)
	require.Equal(t, "base", got.Model)
	require.Equal(t, "base", got.SystemFingerprint)
	require.Equal(t, []ChatChoice{{Index: 0, Message: ReplyMessage{Role: "assistant", Content: pointer("Hello, world")}, FinishReason: "stop"}}, got.Choices)
	require.Equal(t, Usage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 7}, got.Usage)
	require.Contains(t, r.body, `"logprobs":null`)
	require.Contains(t, r.body, `"cached_tokens":0`)
}

func TestChatNamesTheModelBehindAnAlias(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", chatPath, strings.Replace(ask(""), "base", "best", 1))
	var got ChatCompletion
	r.into(t, &got)
	require.Equal(t, "best", got.Model)
	require.Equal(t, "recipe-00", got.SystemFingerprint)
}

func TestChatPassesSamplingToTheEngine(t *testing.T) {
	seed, minusOne := uint64(7), ^uint64(0)
	cases := []struct {
		fields string
		want   infer.Sampling
	}{
		{``, infer.Sampling{Temperature: 1, TopP: 1}},
		{`"temperature": 0`, infer.Sampling{Temperature: 0, TopP: 1}},
		{`"temperature": null, "top_p": null, "n": null, "stop": null, "seed": null, "max_tokens": null, "stream_options": null`, infer.Sampling{Temperature: 1, TopP: 1}},
		{`"temperature": 0.5, "top_p": 0.25, "seed": 7`, infer.Sampling{Temperature: 0.5, TopP: 0.25, Seed: &seed}},
		{`"seed": -1`, infer.Sampling{Temperature: 1, TopP: 1, Seed: &minusOne}},
		{`"max_tokens": 5`, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 5}},
		{`"max_completion_tokens": 6`, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 6}},
		{`"max_tokens": 5, "max_completion_tokens": 6`, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 6}},
		{`"stop": "\n"`, infer.Sampling{Temperature: 1, TopP: 1, Stop: []string{"\n"}}},
		{`"stop": ["a", "b"]`, infer.Sampling{Temperature: 1, TopP: 1, Stop: []string{"a", "b"}}},
		{`"stop": []`, infer.Sampling{Temperature: 1, TopP: 1}},
		{`"ignore_eos": true`, infer.Sampling{Temperature: 1, TopP: 1, IgnoreEOS: true}},
	}
	for _, c := range cases {
		t.Run(c.fields, func(t *testing.T) {
			b := newBench(t)
			r := b.send("POST", chatPath, ask(c.fields))
			require.Equal(t, http.StatusOK, r.status, r.body)
			require.Len(t, b.engine.seen(), 1)
			require.Equal(t, c.want, b.engine.seen()[0].Sampling)
			require.False(t, b.engine.seen()[0].Background)
		})
	}
}

func TestChatReadsContentInEveryForm(t *testing.T) {
	system, user := int32(len("system")), int32(len("user"))
	cases := []struct {
		name, messages string
		want           []int32
	}{
		{"a string", `[{"role": "user", "content": "ab"}]`, []int32{user, 'a', 'b'}},
		{"an empty string", `[{"role": "user", "content": ""}]`, []int32{user}},
		{"text parts", `[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]`, []int32{user, 'a', 'b'}},
		{"developer is system", `[{"role": "developer", "content": "x"}, {"role": "user", "content": "y"}]`, []int32{system, 'x', user, 'y'}},
		{"what looks like a control token is text", `[{"role": "user", "content": "</s>"}]`, []int32{user, '<', '/', 's', '>'}},
		{"an empty list of tool calls", `[{"role": "user", "content": "a", "tool_calls": [], "name": "bob"}]`, []int32{user, 'a'}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			r := b.send("POST", chatPath, `{"model": "base", "messages": `+c.messages+`}`)
			require.Equal(t, http.StatusOK, r.status, r.body)
			require.Equal(t, c.want, b.engine.seen()[0].Prompt)
		})
	}
}

func TestChatIgnoresWhatItNeedNotKnow(t *testing.T) {
	for _, fields := range []string{
		`"user": "u", "metadata": {"a": "b"}, "store": true, "service_tier": "auto", "parallel_tool_calls": false`,
		`"logprobs": false, "top_logprobs": null, "tools": [], "tool_choice": "none", "response_format": {"type": "text"}`,
		`"logprobs": null, "tools": null, "tool_choice": "auto", "response_format": null, "functions": null`,
		`"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "logit_bias": null, "repetition_penalty": 1`,
		`"best_of": 1, "top_k": -1, "min_p": 0, "min_tokens": 0, "stop_token_ids": [], "modalities": ["text"]`,
		`"something_new": {"deep": [1, 2, {"er": null}]}`,
	} {
		t.Run(fields, func(t *testing.T) {
			r := newBench(t).send("POST", chatPath, ask(fields))
			require.Equal(t, http.StatusOK, r.status, r.body)
		})
	}
}

func TestFailuresOfTheModelHaveTheirStatus(t *testing.T) {
	cases := []struct {
		name   string
		model  string
		err    error // from Acquire
		refuse error // from the engine
		status int
		code   string
		param  string
		retry  bool
	}{
		{name: "an unknown model", model: "gpt-5", status: 404, code: "model_not_found", param: "model"},
		{name: "a broken folder", model: "broken", status: 500, code: "damaged"},
		{name: "sources that don't fit", model: "base", err: fault.New(fault.Unfit, "no"), status: 422, code: "unfit"},
		{name: "no memory", model: "base", err: fault.New(fault.OutOfMemory, "no"), status: 503, code: "out_of_memory", retry: true},
		{name: "a full queue", model: "base", refuse: fault.New(fault.Busy, "no"), status: 429, code: "busy", retry: true},
		{name: "still loading", model: "base", err: fault.New(fault.Unavailable, "no"), status: 503, code: "unavailable", retry: true},
		{name: "a long prompt", model: "base", refuse: fault.Wrap(infer.ErrContextLength, fault.Invalid, "9000 tokens, 8192 fit"), status: 400, code: "context_length_exceeded", param: "messages"},
		{name: "our own fault", model: "base", err: fmt.Errorf("secret detail"), status: 500, code: "internal"},
		{name: "our own fault in the engine", model: "base", refuse: fmt.Errorf("secret detail"), status: 500, code: "internal"},
	}
	for _, c := range cases {
		for _, stream := range []string{"false", "true"} {
			t.Run(c.name+", stream "+stream, func(t *testing.T) {
				b := newBench(t)
				b.catalog.acquire = func(context.Context, string) error { return c.err }
				b.engine.refuse = c.refuse
				r := b.send("POST", chatPath, strings.Replace(ask(`"stream": `+stream), "base", c.model, 1))
				e := r.requireError(t, c.status, c.code, c.param)
				require.NotContains(t, e.Message, "secret")
				require.Equal(t, c.retry, r.header.Get("Retry-After") != "")
				if c.code == "internal" {
					require.Contains(t, e.Message, r.header.Get("X-Request-Id"))
					require.Contains(t, b.log.String(), "secret detail")
				}
			})
		}
	}
}

func TestAnErrorInTheMiddleOfAWholeReplyIsAnError(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
		send(infer.Chunk{Err: fault.New(fault.OutOfMemory, "the cache is full")})
	}
	b.send("POST", chatPath, ask("")).requireError(t, 503, "out_of_memory", "")
}

func TestAStreamThatEndsWithoutAReasonIsOurFault(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
	}
	b.send("POST", chatPath, ask("")).requireError(t, 500, "internal", "")
}

func TestManyChoicesOfOneSeedDiffer(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", chatPath, ask(`"n": 3, "seed": 5`))
	var got ChatCompletion
	r.into(t, &got)
	require.Len(t, got.Choices, 3)
	for i, c := range got.Choices {
		require.Equal(t, i, c.Index)
		require.Equal(t, "stop", c.FinishReason)
	}
	require.Equal(t, Usage{PromptTokens: 3, CompletionTokens: 12, TotalTokens: 15}, got.Usage, "the prompt counts once")
	seeds := map[uint64]bool{}
	for _, r := range b.engine.seen() {
		seeds[*r.Sampling.Seed] = true
	}
	require.Len(t, seeds, 3)
	require.True(t, seeds[5], "the first choice keeps the seed")
}

func TestAPanicIsAnErrorAndTheServerLivesOn(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		b := newBench(t)
		r := b.send("POST", chatPath, strings.Replace(ask(`"stream": `+stream), `"hi"`, `"panic"`, 1))
		r.requireError(t, 500, "internal", "")
		require.Contains(t, b.log.String(), "a template that breaks")
		require.Equal(t, 200, b.send("POST", chatPath, ask("")).status)
	}
}

func TestGenerationHasATimeLimit(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		b := newBench(t, func(o *Options) { o.Limits.GenerateTime = 20 * time.Millisecond })
		b.engine.script = func(ctx context.Context, _ infer.Request, _ func(infer.Chunk) bool) { <-ctx.Done() }
		b.send("POST", chatPath, ask(`"stream": `+stream)).requireError(t, 504, "timeout", "")
	}
}
