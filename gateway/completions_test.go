package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

const completionsPath = "/v1/completions"

// complete is a completions request body with further fields.
func complete(prompt, more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"model": "base", "prompt": ` + prompt + more + `}`
}

func TestCompletionAnswersInOnePiece(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", completionsPath, complete(`"ab"`, ""))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var got Completion
	r.into(t, &got)
	require.Regexp(t, `^cmpl-`, got.ID)
	require.Equal(t, [3]string{"text_completion", "base", "base"}, [3]string{got.Object, got.Model, got.SystemFingerprint})
	require.Len(t, got.Choices, 1)
	require.Equal(t, "Hello, world", got.Choices[0].Text)
	require.Equal(t, "stop", *got.Choices[0].FinishReason)
	require.Contains(t, r.body, `"logprobs":null`)
	var usage Usage
	require.NoError(t, json.Unmarshal(got.Usage, &usage))
	require.Equal(t, Usage{PromptTokens: 2, CompletionTokens: 4, TotalTokens: 6}, usage)
	require.Equal(t, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: defaultCompletionTokens}, b.engine.seen()[0].Sampling)
}

func TestCompletionReadsAPromptInEveryForm(t *testing.T) {
	cases := []struct {
		prompt string
		want   [][]int32
	}{
		{`"ab"`, [][]int32{{'a', 'b'}}},
		{`["ab", "c"]`, [][]int32{{'a', 'b'}, {'c'}}},
		{`[5, 6, 7]`, [][]int32{{5, 6, 7}}},
		{`[[5, 6], [7]]`, [][]int32{{5, 6}, {7}}},
		{`["a", [7]]`, [][]int32{{'a'}, {7}}},
	}
	for _, c := range cases {
		t.Run(c.prompt, func(t *testing.T) {
			b := newBench(t)
			r := b.send("POST", completionsPath, complete(c.prompt, `"max_tokens": 5`))
			require.Equal(t, http.StatusOK, r.status, r.body)
			var prompts [][]int32
			for _, r := range b.engine.seen() {
				prompts = append(prompts, r.Prompt)
				require.Equal(t, 5, r.Sampling.MaxTokens)
			}
			require.Equal(t, c.want, prompts)
		})
	}
}

func TestCompletionChoicesComePromptByPrompt(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		b := newBench(t)
		b.engine.script = sayPrompt
		r := b.send("POST", completionsPath, complete(`["a", "b"]`, `"n": 2, "stream": `+stream))
		require.Equal(t, http.StatusOK, r.status, r.body)
		texts, ends := map[int]string{}, map[int]int{}
		for _, c := range completionChunks(t, r.body, stream == "true") {
			for _, choice := range c.Choices {
				texts[choice.Index] += choice.Text
				if choice.FinishReason != nil {
					ends[choice.Index]++
				}
			}
		}
		require.Equal(t, map[int]string{0: "a", 1: "a", 2: "b", 3: "b"}, texts)
		require.Equal(t, map[int]int{0: 1, 1: 1, 2: 1, 3: 1}, ends)
	}
}

func TestCompletionStreamWithUsage(t *testing.T) {
	r := newBench(t).send("POST", completionsPath, complete(`"ab"`, `"stream": true, "stream_options": {"include_usage": true}`))
	got := completionChunks(t, r.body, true)
	require.Len(t, got, 5, "three words, the end, the usage")
	for _, c := range got {
		require.Equal(t, [4]any{got[0].ID, got[0].Created, "base", "text_completion"}, [4]any{c.ID, c.Created, c.Model, c.Object})
	}
	for _, c := range got[:4] {
		require.Equal(t, "null", string(c.Usage))
	}
	require.Empty(t, got[4].Choices)
	require.Contains(t, r.body, `"choices":[]`)
	var usage Usage
	require.NoError(t, json.Unmarshal(got[4].Usage, &usage))
	require.Equal(t, Usage{PromptTokens: 2, CompletionTokens: 4, TotalTokens: 6}, usage)
	r = newBench(t).send("POST", completionsPath, complete(`"ab"`, `"stream": true`))
	require.NotContains(t, r.body, "usage")
}

func TestCompletionRefusesByName(t *testing.T) {
	cases := []struct{ name, body, param, code string }{
		{"no model", `{"prompt": "a"}`, "model", "invalid"},
		{"no prompt", `{"model": "base"}`, "prompt", "invalid"},
		{"null", complete(`null`, ""), "prompt", "invalid"},
		{"a number", complete(`5`, ""), "prompt", "invalid"},
		{"an object", complete(`{}`, ""), "prompt", "invalid"},
		{"an empty list", complete(`[]`, ""), "prompt", "invalid"},
		{"an empty list of ids", complete(`[[]]`, ""), "prompt[0]", "invalid"},
		{"a null among texts", complete(`["a", null]`, ""), "prompt[1]", "invalid"},
		{"a null among ids", complete(`[5, null]`, ""), "prompt[0]", "invalid"},
		{"half an id", complete(`[[5, 0.5]]`, ""), "prompt[0]", "invalid"},
		{"an id beyond 32 bits", complete(`[[99999999999]]`, ""), "prompt[0]", "invalid"},
		{"too many prompts", complete(`["`+strings.Repeat(`x","`, 256)+`x"]`, ""), "prompt", "invalid"},
		{"too many choices in all", complete(`["a", "b"]`, `"n": 200`), "n", "invalid"},
		{"max_tokens 0", complete(`"a"`, `"max_tokens": 0`), "max_tokens", "invalid"},
		{"max_tokens 1e9", complete(`"a"`, `"max_tokens": 1000000000`), "max_tokens", "invalid"},
		{"max_tokens -1 with echo", complete(`"a"`, `"echo": true, "max_tokens": -1`), "max_tokens", "invalid"},
		{"an echo that is a number", complete(`"a"`, `"echo": 1`), "echo", "invalid"},
		{"logprobs -1", complete(`"a"`, `"logprobs": -1`), "logprobs", "invalid"},
		{"logprobs 21", complete(`"a"`, `"logprobs": 21`), "logprobs", "invalid"},
		{"logprobs 1e9", complete(`"a"`, `"logprobs": 1e9`), "logprobs", "invalid"},
		{"logprobs as in a chat", complete(`"a"`, `"logprobs": true`), "logprobs", "invalid"},
		{"logprobs NaN", complete(`"a"`, `"logprobs": NaN`), "logprobs", "invalid"},
		{"best_of 0", complete(`"a"`, `"best_of": 0`), "best_of", "invalid"},
		{"best_of below n", complete(`"a"`, `"n": 3, "best_of": 2`), "best_of", "invalid"},
		{"best_of 1000000000", complete(`"a"`, `"best_of": 1000000000`), "best_of", "invalid"},
		{"best_of in a stream", complete(`"a"`, `"best_of": 2, "stream": true`), "best_of", "invalid"},
		{"too many in all to choose from", complete(`["a", "b"]`, `"best_of": 200`), "best_of", "invalid"},
		{"suffix", complete(`"a"`, `"suffix": "b"`), "suffix", "unsupported_parameter"},
		{"add_special_tokens", complete(`"a"`, `"add_special_tokens": false`), "add_special_tokens", "unsupported_parameter"},
		{"prompt_embeds", complete(`"a"`, `"prompt_embeds": ["x"]`), "prompt_embeds", "unsupported_parameter"},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.send("POST", completionsPath, c.body).requireError(t, http.StatusBadRequest, c.code, c.param)
		})
	}
	require.Empty(t, b.engine.seen(), "nothing of this reached the engine")
}

func TestCompletionBlamesItsOwnFieldForALongPrompt(t *testing.T) {
	b := newBench(t)
	b.engine.refuse = &fault.Error{Code: fault.Invalid, Param: "messages", Message: "9000 tokens, 8192 fit", Err: infer.ErrContextLength}
	e := b.send("POST", completionsPath, complete(`"a"`, "")).requireError(t, 400, "context_length_exceeded", "prompt")
	require.Contains(t, e.Message, "9000")
	require.Contains(t, e.Message, "8192")
}

// completionChunks reads a reply: whole, or a stream that ends as it should.
func completionChunks(t *testing.T, body string, stream bool) (out []Completion) {
	t.Helper()
	if !stream {
		out = make([]Completion, 1)
		require.NoError(t, json.Unmarshal([]byte(body), &out[0]))
		return out
	}
	all := events(t, body)
	require.Equal(t, "[DONE]", all[len(all)-1].data)
	for _, e := range all[:len(all)-1] {
		var c Completion
		require.NoError(t, json.Unmarshal([]byte(e.data), &c))
		out = append(out, c)
	}
	return out
}
