package gateway

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// weatherTool is a tool in Anthropic's terms.
const weatherTool = `{"name": "weather", "description": "of a place", "input_schema": {"type": "object"}, "strict": true, "cache_control": {"type": "ephemeral"}}`

// What Anthropic's API says in its own way is asked for as chat has it.
func TestMessagesBecomeAChat(t *testing.T) {
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
			"tools, as the model likes", `{"messages": [{"role": "user", "content": "u"}], "tools": [` + weatherTool + `, {"type": "custom", "name": "now", "input_schema": {}}], "tool_choice": {"type": "auto"}}`,
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
			got, from, err := in.chat(DefaultLimits())
			require.NoError(t, err)
			var want ChatRequest
			require.NoError(t, json.Unmarshal([]byte(c.want), &want))
			want.MaxTokens = pointer(9)
			require.JSONEq(t, compacted(t, want), compacted(t, got))
			turns := make([]string, len(from))
			for i, names := range from {
				turns[i] = names.turn
			}
			require.Equal(t, c.from, turns)
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
