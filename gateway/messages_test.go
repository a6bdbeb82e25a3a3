package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
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
	reason, sequence := stopReason("tool_calls", "", true)
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

// What Anthropic's API says in its own way is asked for as chat has it.
func TestMessagesBecomeAChat(t *testing.T) {
	weather := `{"name": "weather", "description": "of a place", "input_schema": {"type": "object"}, "strict": true, "cache_control": {"type": "ephemeral"}}`
	cases := []struct {
		name, body string
		want       string
		from       []string
	}{
		{
			"strings", `{"system": "s", "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}`,
			`{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "continue_final_message": true}`,
			[]string{"system", "messages[0]", "messages[1]"},
		},
		{
			"blocks", `{"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "t"}], "messages": [{"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "text", "text": "v"}]}]}`,
			`{"messages": [{"role": "system", "content": "s\n\nt"}, {"role": "user", "content": "uv"}]}`,
			[]string{"system", "messages[0]"},
		},
		{
			"one role in a row", `{"system": [], "messages": [{"role": "user", "content": "u"}, {"role": "user", "content": ""}, {"role": "user", "content": "v"}, {"role": "system", "content": "s"}]}`,
			`{"messages": [{"role": "user", "content": "u\n\nv"}, {"role": "system", "content": "s"}]}`,
			[]string{"messages[0]", "messages[3]"},
		},
		{
			"thoughts of before", `{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "a"}]}]}`,
			`{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "continue_final_message": true}`,
			[]string{"messages[0]", "messages[1]"},
		},
		{
			"calls and results", `{"messages": [
				{"role": "user", "content": "u"},
				{"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "weather", "input": {"at": "Kyoto"}}, {"type": "tool_use", "id": "2", "name": "weather", "input": {}}]},
				{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "rain"}, {"type": "tool_result", "tool_use_id": "2", "content": [{"type": "text", "text": "no"}, {"type": "text", "text": "ne"}], "is_error": true}, {"type": "text", "text": "and?"}]},
				{"role": "assistant", "content": [{"type": "text", "text": "hm"}, {"type": "tool_use", "id": "3", "name": "weather", "input": {}}]},
				{"role": "user", "content": [{"type": "text", "text": "well"}, {"type": "tool_result", "tool_use_id": "3"}]}]}`,
			`{"messages": [
				{"role": "user", "content": "u"},
				{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{\"at\": \"Kyoto\"}"}}, {"id": "2", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
				{"role": "tool", "tool_call_id": "1", "content": "rain"},
				{"role": "tool", "tool_call_id": "2", "content": "none"},
				{"role": "user", "content": "and?"},
				{"role": "assistant", "content": "hm", "tool_calls": [{"id": "3", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
				{"role": "user", "content": "well"},
				{"role": "tool", "tool_call_id": "3", "content": ""}]}`,
			[]string{"messages[0]", "messages[1]", "messages[2].content[0]", "messages[2].content[1]", "messages[2]", "messages[3]", "messages[4]", "messages[4].content[1]"},
		},
		{
			"an empty beginning", `{"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": ""}]}`,
			`{"messages": [{"role": "user", "content": "u"}]}`,
			[]string{"messages[0]"},
		},
		{
			"tools, as the model likes", `{"messages": [{"role": "user", "content": "u"}], "tools": [` + weather + `, {"type": "custom", "name": "now", "input_schema": {}}], "tool_choice": {"type": "auto"}}`,
			`{"messages": [{"role": "user", "content": "u"}], "tools": [{"type": "function", "function": {"name": "weather", "description": "of a place", "parameters": {"type": "object"}, "strict": true}}, {"type": "function", "function": {"name": "now", "parameters": {}}}], "tool_choice": "auto"}`,
			[]string{"messages[0]"},
		},
		{
			"one tool", `{"messages": [{"role": "user", "content": "u"}], "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": true}}`,
			`{"messages": [{"role": "user", "content": "u"}], "tool_choice": {"type": "function", "function": {"name": "weather"}}, "parallel_tool_calls": false}`,
			[]string{"messages[0]"},
		},
		{
			"any tool", `{"messages": [{"role": "user", "content": "u"}], "tool_choice": {"type": "any"}}`,
			`{"messages": [{"role": "user", "content": "u"}], "tool_choice": "required"}`,
			[]string{"messages[0]"},
		},
		{
			"no tool", `{"messages": [{"role": "user", "content": "u"}], "tool_choice": {"type": "none"}}`,
			`{"messages": [{"role": "user", "content": "u"}], "tool_choice": "none"}`,
			[]string{"messages[0]"},
		},
		{
			"a form", `{"messages": [{"role": "user", "content": "u"}], "output_config": {"format": {"type": "json_schema", "schema": {"type": "integer"}}}, "stop_sequences": ["x"], "top_k": 3}`,
			`{"messages": [{"role": "user", "content": "u"}], "response_format": {"json_schema": {"schema": {"type": "integer"}}, "type": "json_schema"}, "stop": ["x"], "top_k": 3}`,
			[]string{"messages[0]"},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var in MessageRequest
			require.NoError(t, json.Unmarshal([]byte(c.body), &in))
			in.MaxTokens = pointer(9)
			got, from, err := in.chat()
			require.NoError(t, err)
			var want ChatRequest
			require.NoError(t, json.Unmarshal([]byte(c.want), &want))
			want.MaxTokens = pointer(9)
			require.JSONEq(t, compacted(t, want), compacted(t, got))
			require.Equal(t, c.from, from)
		})
	}
}

// compacted is a value as JSON, without the spaces that raw parts of it may have.
func compacted(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
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

// A call whose input was cut short is still an object to the client.
func TestToolInputIsAnObject(t *testing.T) {
	for arguments, want := range map[string]string{
		``: `{}`, `{"a": 1}`: `{"a": 1}`, `{"a": `: `{"INVALID_JSON":"{\"a\": "}`, `3`: `{"INVALID_JSON":"3"}`,
	} {
		require.Equal(t, want, string(toolInput(arguments)))
	}
}

// requireMessageError checks that a reply is Anthropic's envelope, and what it says.
func (r reply) requireMessageError(t *testing.T, status int, kind, param string) MessageErrorBody {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	var e MessageError
	r.into(t, &e)
	require.Equal(t, "error", e.Type)
	require.Equal(t, r.header.Get("Request-Id"), e.RequestID)
	require.NotEmpty(t, e.RequestID)
	require.Equal(t, kind, e.Error.Type, e.Error.Message)
	require.NotEmpty(t, e.Error.Code)
	require.NotEmpty(t, e.Error.Message)
	if param == "" {
		require.Nil(t, e.Error.Param)
	} else {
		require.NotNil(t, e.Error.Param, e.Error.Message)
		require.Equal(t, param, *e.Error.Param)
		require.Contains(t, e.Error.Message, param, "the message names the field")
	}
	return e.Error
}

func TestMessageFailuresHaveAnthropicsTypes(t *testing.T) {
	for _, c := range []struct {
		code   fault.Code
		status int
		kind   string
	}{
		{fault.Unfit, 422, "invalid_request_error"},
		{fault.Busy, 429, "rate_limit_error"},
		{fault.Unavailable, 503, "overloaded_error"},
		{fault.OutOfMemory, 503, "overloaded_error"},
		{fault.TooLarge, 413, "request_too_large"},
		{fault.Internal, 500, "api_error"},
		{fault.Damaged, 500, "api_error"},
		{forbidden, 403, "permission_error"},
		{timedOut, 504, "timeout_error"},
	} {
		for _, stream := range []string{"false", "true"} {
			b := newBench(t)
			b.catalog.acquire = func(context.Context, string) error { return fault.New(c.code, "no") }
			r := b.send("POST", messagesPath, converse(`"stream": `+stream))
			e := r.requireMessageError(t, c.status, c.kind, "")
			require.Equal(t, string(c.code), e.Code)
		}
	}
}

// Whatever stands before the handler answers in the client's terms too.
func TestWhoSpeaksAnthropicIsAnsweredSo(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"key"}; o.Limits.BodyBytes = 1000 })
	key := header("X-Api-Key", "key")
	require.Equal(t, 200, b.send("POST", messagesPath, converse(""), key).status)
	b.send("POST", messagesPath, converse("")).requireMessageError(t, 401, "authentication_error", "")
	b.send("POST", messagesPath, converse(""), header("X-Api-Key", "other")).requireMessageError(t, 401, "authentication_error", "")
	b.send("POST", messagesPath, converse(`"metadata": "`+strings.Repeat("x", 1000)+`"`), key).requireMessageError(t, 413, "request_too_large", "")
	b.send("POST", messagesPath, converse(""), key, header("Content-Type", "text/plain")).requireMessageError(t, 415, "invalid_request_error", "")
	b.send("GET", messagesPath, "", key).requireMessageError(t, 405, "invalid_request_error", "")
	b.send("POST", messagesPath+"/batches", "", key).requireMessageError(t, 404, "not_found_error", "")
	b.send("GET", "/v1/models/none", "", key, header("Anthropic-Version", "2023-06-01")).requireMessageError(t, 404, "not_found_error", "model")
	b.send("GET", "/v1/models/none", "", key).requireError(t, 404, "model_not_found", "model")
	b.send("POST", "/v1/messagesque", "", key).requireError(t, 404, "route_not_found", "")
	b.gateway.Drain()
	b.send("POST", messagesPath, converse(""), key).requireMessageError(t, 503, "overloaded_error", "")
}
