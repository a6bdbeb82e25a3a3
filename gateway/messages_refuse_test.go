package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesRefusesByName(t *testing.T) {
	with := func(messages string) string {
		return `{"model": "base", "max_tokens": 9, "messages": ` + messages + `}`
	}
	user := func(content string) string { return with(`[{"role": "user", "content": ` + content + `}]`) }
	assistant := func(content string) string {
		return with(`[{"role": "user", "content": "u"}, {"role": "assistant", "content": ` + content + `}]`)
	}
	cases := []struct{ name, body, param, code string }{
		{"no model", `{"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}`, "model", "invalid"},
		{"no max_tokens", `{"model": "base", "messages": [{"role": "user", "content": "hi"}]}`, "max_tokens", "invalid"},
		{"max_tokens 0", `{"model": "base", "max_tokens": 0, "messages": [{"role": "user", "content": "hi"}]}`, "max_tokens", "invalid"},
		{"max_tokens 1e9", `{"model": "base", "max_tokens": 1000000000, "messages": [{"role": "user", "content": "hi"}]}`, "max_tokens", "invalid"},
		{"no messages", `{"model": "base", "max_tokens": 9}`, "messages", "invalid"},
		{"empty messages", with(`[]`), "messages", "invalid"},
		{"messages that are no list", with(`"hi"`), "messages", "invalid"},
		{"too many messages", with(`[` + strings.Repeat(`{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}, `, 1024) + `{"role": "user", "content": "u"}]`), "messages", "invalid"},
		{"too many of one role", with(`[` + strings.Repeat(`{"role": "user", "content": "u"}, `, 2048) + `{"role": "user", "content": "u"}]`), "messages", "invalid"},
		{"an unknown role", with(`[{"role": "tool", "content": "hi"}]`), "messages[0].role", "invalid"},
		{"no content", with(`[{"role": "user"}]`), "messages[0].content", "invalid"},
		{"null content", user(`null`), "messages[0].content", "invalid"},
		{"content that is a number", user(`5`), "messages[0].content", "invalid"},
		{"an empty list of blocks", user(`[]`), "messages[0].content", "invalid"},
		{"a block that is no object", user(`["hi"]`), "messages[0].content", "invalid"},
		{"a block that is null", user(`[null]`), "messages[0].content[0].type", "unsupported_parameter"},
		{"a text without text", user(`[{"type": "text", "text": "a"}, {"type": "text"}]`), "messages[0].content[1].text", "invalid"},
		{"an image", user(`[{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}]`), "messages[0].content[0].source.data", "invalid"},
		{"a document", user(`[{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}]`), "messages[0].content[0]", "invalid"},
		{"a search result", user(`[{"type": "search_result"}]`), "messages[0].content[0].type", "unsupported_parameter"},
		{"a user's call", user(`[{"type": "tool_use", "id": "1", "name": "f", "input": {}}]`), "messages[0].content[0].type", "invalid"},
		{"an assistant's result", assistant(`[{"type": "tool_result", "tool_use_id": "1"}]`), "messages[1].content[0].type", "invalid"},
		{"a call without id", assistant(`[{"type": "tool_use", "name": "f", "input": {}}]`), "messages[1].content[0].id", "invalid"},
		{"a call without name", assistant(`[{"type": "tool_use", "id": "1", "input": {}}]`), "messages[1].content[0].name", "invalid"},
		{"a call without input", assistant(`[{"type": "tool_use", "id": "1", "name": "f"}]`), "messages[1].content[0].input", "invalid"},
		{"a call whose input is text", assistant(`[{"type": "tool_use", "id": "1", "name": "f", "input": "{}"}]`), "messages[1].content[0].input", "invalid"},
		{"a result of nothing", user(`[{"type": "tool_result", "content": "a"}]`), "messages[0].content[0].tool_use_id", "invalid"},
		{"a result that is an image", user(`[{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image"}]}]`), "messages[0].content[0].content[0].source", "invalid"},
		{"a system that is an image", converse(`"system": [{"type": "image"}]`), "system[0].type", "invalid"},
		{"a system that is a number", converse(`"system": 3`), "system", "invalid"},
		{"a beginning that ends with a space", assistant(`"The answer is "`), "messages[1].content", "invalid"},
		{"a beginning that calls", assistant(`[{"type": "tool_use", "id": "1", "name": "f", "input": {}}]`), "messages[1]", "invalid"},
		{"a template that raises", user(`"raise"`), "messages", "invalid"},

		{"NaN", converse(`"temperature": NaN`), "temperature", "invalid"},
		{"a hot temperature", converse(`"temperature": 1.1`), "temperature", "invalid"},
		{"a cold temperature", converse(`"temperature": -1`), "temperature", "invalid"},
		{"top_p 0", converse(`"top_p": 0`), "top_p", "invalid"},
		{"top_k -2", converse(`"top_k": -2`), "top_k", "invalid"},
		{"an empty stop", converse(`"stop_sequences": ["a", ""]`), "stop_sequences[1]", "invalid"},
		{"a null stop", converse(`"stop_sequences": [null]`), "stop_sequences[0]", "invalid"},
		{"a stop that is no list", converse(`"stop_sequences": "a"`), "stop_sequences", "invalid"},
		{"too many stops", converse(`"stop_sequences": ["` + strings.Repeat(`x","`, 40) + `x"]`), "stop_sequences", "invalid"},
		{"a stream that is a string", converse(`"stream": "yes"`), "stream", "invalid"},
		{"a form that is no schema", converse(`"output_config": {"format": {"type": "xml"}}`), "output_config.format.type", "invalid"},
		{"a form without schema", converse(`"output_config": {"format": {"type": "json_schema"}}`), "output_config.format.schema", "invalid"},

		{"a tool of Anthropic's own", converse(`"tools": [{"type": "web_search_20250305", "name": "web_search"}]`), "tools[0].type", "unsupported_parameter"},
		{"a tool without schema", converse(`"tools": [{"name": "f"}]`), "tools[0].input_schema", "invalid"},
		{"a tool whose schema is a list", converse(`"tools": [{"name": "f", "input_schema": []}]`), "tools[0].input_schema", "invalid"},
		{"a tool without name", converse(`"tools": [{"input_schema": {}}]`), "tools[0].name", "invalid"},
		{"a choice of nobody's", converse(`"tools": [` + weatherTool + `], "tool_choice": {"type": "required"}`), "tool_choice.type", "invalid"},
		{"a choice that is text", converse(`"tools": [` + weatherTool + `], "tool_choice": "auto"`), "tool_choice", "invalid"},
		{"a choice without name", converse(`"tools": [` + weatherTool + `], "tool_choice": {"type": "tool"}`), "tool_choice.name", "invalid"},
		{"a choice of none that there is", converse(`"tools": [` + weatherTool + `], "tool_choice": {"type": "tool", "name": "f"}`), "tool_choice", "invalid"},
		{"a choice of nothing", converse(`"tool_choice": {"type": "any"}`), "tool_choice", "invalid"},
		{"a result of no call", user(`[{"type": "tool_result", "tool_use_id": "1", "content": "a"}]`), "messages[0].content[0]", "invalid"},
		{"a call of no name", assistant(`[{"type": "tool_use", "id": "1", "name": "a b", "input": {}}, {"type": "text", "text": "a"}]`), "messages[1]", "invalid"},

		{"thinking", converse(`"thinking": {"type": "enabled", "budget_tokens": 1024}`), "thinking", "unsupported_parameter"},
		{"adaptive thinking", converse(`"thinking": {"type": "adaptive"}`), "thinking", "unsupported_parameter"},
		{"MCP servers", converse(`"mcp_servers": [{"type": "url"}]`), "mcp_servers", "unsupported_parameter"},
		{"a container", converse(`"container": "c"`), "container", "unsupported_parameter"},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := b.send("POST", messagesPath, c.body).requireMessageError(t, http.StatusBadRequest, "invalid_request_error", c.param)
			require.Equal(t, c.code, e.Code, e.Message)
		})
	}
	require.Empty(t, b.engine.seen(), "nothing of this reached the engine")
}

// Fields that chat knows by other names are named as the client knows them.
func TestChatsFieldsHaveAnthropicsNames(t *testing.T) {
	from := []turnNames{{turn: "system"}, {turn: "messages[0]"}, {turn: "messages[2].content[1]"}}
	for chat, want := range map[string]string{
		"messages": "messages", "messages[2].tool_call_id": "messages[2].content[1]", "messages[0].content": "system", "messages[7]": "messages[7]",
		"stop": "stop_sequences", "stop[1]": "stop_sequences[1]", "response_format": "output_config.format", "response_format.json_schema": "output_config.format",
		"tools[1].function.parameters": "tools[1].input_schema", "tools[1].function.name": "tools[1].name", "tool_choice.function.name": "tool_choice.name",
		"tools": "tools", "temperature": "temperature", "model": "model",
	} {
		require.Equal(t, want, messageParam(chat, from))
	}
}
