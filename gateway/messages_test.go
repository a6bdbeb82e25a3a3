package gateway

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
)

const countPath = messagesPath + "/count_tokens"

// converse is a messages request body with further fields.
func converse(more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"model": "base", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]` + more + `}`
}

// end is a script whose reply is some text and ends as said.
func end(c infer.Chunk) func(context.Context, infer.Request, func(infer.Chunk) bool) {
	return func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) { send(c) }
}

func TestMessageAnswersInOnePiece(t *testing.T) {
	r := newBench(t).send("POST", messagesPath, converse(""), header("X-Request-Id", "mine"))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "mine", r.header.Get("Request-Id"))
	var got map[string]any
	r.into(t, &got)
	require.Regexp(t, "^msg_", got["id"])
	delete(got, "id")
	require.Equal(t, map[string]any{
		"type": "message", "role": "assistant", "model": "base",
		"content":     []any{map[string]any{"type": "text", "text": "Hello, world"}},
		"stop_reason": "end_turn", "stop_sequence": nil,
		"usage": map[string]any{"input_tokens": 3., "output_tokens": 4., "cache_read_input_tokens": 0., "cache_creation_input_tokens": 0.},
	}, got)
}

func TestMessageWithoutWordsHasNoBlocks(t *testing.T) {
	b := newBench(t)
	b.engine.script = say()
	require.Contains(t, b.send("POST", messagesPath, converse("")).body, `"content":[]`)
}

func TestMessageSaysWhyItEnded(t *testing.T) {
	for _, c := range []struct {
		name     string
		last     infer.Chunk
		reason   string
		sequence *string
	}{
		{"by itself", infer.Chunk{Tokens: 5, FinishReason: "stop"}, "end_turn", nil},
		{"at a stop sequence", infer.Chunk{Tokens: 5, FinishReason: "stop", Stop: "\n"}, "stop_sequence", pointer("\n")},
		{"at its length", infer.Chunk{Tokens: 100, FinishReason: "length"}, "max_tokens", nil},
		{"at the end of the context", infer.Chunk{Tokens: 99, FinishReason: "length"}, "model_context_window_exceeded", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.engine.script = end(c.last)
			var got Message
			b.send("POST", messagesPath, converse("")).into(t, &got)
			require.Equal(t, &c.reason, got.StopReason)
			require.Equal(t, c.sequence, got.StopSequence)

			delta := messageEvents(t, b.send("POST", messagesPath, converse(`"stream": true`)).body, "message_delta")
			require.Len(t, delta, 1)
			require.Equal(t, c.reason, delta[0]["delta"].(map[string]any)["stop_reason"])
			require.Contains(t, delta[0]["delta"], "stop_sequence")
			if c.sequence != nil {
				require.Equal(t, *c.sequence, delta[0]["delta"].(map[string]any)["stop_sequence"])
			}
		})
	}
	reason, sequence := stopReason(finishCalls, "", true)
	require.Equal(t, "tool_use", reason)
	require.Nil(t, sequence)
}

func TestMessageUsageTellsCachedTokensApart(t *testing.T) {
	b := newBench(t)
	b.engine.script = end(infer.Chunk{Text: "a", Tokens: 1, Cached: 2, FinishReason: "stop"})
	want := MessageUsage{InputTokens: 1, CacheReadTokens: 2, OutputTokens: 1}
	var got Message
	b.send("POST", messagesPath, converse("")).into(t, &got)
	require.Equal(t, want, got.Usage)
	body := b.send("POST", messagesPath, converse(`"stream": true`)).body
	start := messageEvents(t, body, "message_start")[0]["message"].(map[string]any)["usage"]
	require.Equal(t, messageEvents(t, body, "message_delta")[0]["usage"], start)
}

func TestMessagePassesSamplingToTheEngine(t *testing.T) {
	for _, c := range []struct {
		fields string
		want   infer.Sampling
	}{
		{``, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 100}},
		{`"temperature": 0, "top_p": 0.5, "top_k": 7`, infer.Sampling{TopP: 0.5, TopK: 7, MaxTokens: 100}},
		{`"stop_sequences": ["a", "b"]`, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 100, Stop: []string{"a", "b"}}},
		{`"stop_sequences": [], "temperature": null, "top_p": null, "top_k": null, "output_config": {"effort": "low"}`, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 100}},
		{`"metadata": {"user_id": "u"}, "service_tier": "auto", "thinking": {"type": "disabled"}, "tools": [], "mcp_servers": [], "cache_control": {"type": "ephemeral"}`, infer.Sampling{Temperature: 1, TopP: 1, MaxTokens: 100}},
	} {
		t.Run(c.fields, func(t *testing.T) {
			b := newBench(t)
			r := b.send("POST", messagesPath, converse(c.fields), header("Anthropic-Version", "2023-06-01"))
			require.Equal(t, http.StatusOK, r.status, r.body)
			require.Equal(t, c.want, b.engine.seen()[0].Sampling)
		})
	}
}

func TestMessageTokensAreCounted(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", countPath, `{"model": "base", "system": "be", "messages": [{"role": "user", "content": "hello"}]}`)
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.JSONEq(t, `{"input_tokens": 9}`, r.body) // the fake template's: a token for each letter and each role
	require.Empty(t, b.engine.seen(), "nothing is generated")
	b.send("POST", countPath, `{"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]}`).requireMessageError(t, 404, "not_found_error", "model")
	b.send("POST", countPath, `{"model": "base", "messages": []}`).requireMessageError(t, 400, "invalid_request_error", "messages")
	b.send("POST", countPath, `{"model": "base", "messages": [{"role": "user", "content": "raise"}]}`).requireMessageError(t, 400, "invalid_request_error", "messages")
}

// A call that the model makes is a block, whole and streamed.
func TestMessageCallsATool(t *testing.T) {
	b := newBench(t)
	b.engine.script = say("Let me see.", "<tool_call>", `{"name": "weather", "arguments": {"at": "Kyoto"}}`, "</tool_call>")
	with := `"tools": [` + weatherTool + `]`
	var got Message
	b.send("POST", messagesPath, converse(with)).into(t, &got)
	require.Equal(t, "tool_use", *got.StopReason)
	require.Len(t, got.Content, 2)
	require.Equal(t, "Let me see.", *got.Content[0].Text)
	require.NotEmpty(t, got.Content[1].ID)
	require.Equal(t, MessageBlock{Type: "tool_use", ID: got.Content[1].ID, Name: "weather", Input: []byte(`{"at":"Kyoto"}`)}, got.Content[1])

	body := b.send("POST", messagesPath, converse(with+`, "stream": true`)).body
	starts := messageEvents(t, body, "content_block_start")
	require.Len(t, starts, 2)
	require.Equal(t, "weather", starts[1]["content_block"].(map[string]any)["name"])
	input := ""
	for _, e := range messageEvents(t, body, "content_block_delta") {
		if e["index"] == 1. {
			input += e["delta"].(map[string]any)["partial_json"].(string)
		}
	}
	require.Equal(t, `{"at": "Kyoto"}`, input)
	require.Equal(t, "tool_use", messageEvents(t, body, "message_delta")[0]["delta"].(map[string]any)["stop_reason"])
}

// A call whose input was cut short is still an object to the client.
func TestToolInputIsAnObject(t *testing.T) {
	for arguments, want := range map[string]string{
		``: `{}`, `{"a": 1}`: `{"a": 1}`, `{"a": `: `{"INVALID_JSON":"{\"a\": "}`, `3`: `{"INVALID_JSON":"3"}`,
	} {
		require.Equal(t, want, string(toolInput(arguments)))
	}
}
