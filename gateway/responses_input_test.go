package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// prompt is what the bench makes of a chat: a token for each role's length, and
// one for each letter.
func prompted(turns ...string) (ids []int32) {
	for _, turn := range turns {
		role, text, _ := strings.Cut(turn, ": ")
		ids = append(ids, int32(len(role)))
		ids = append(ids, []rune(text)...)
	}
	return ids
}

func TestInputInEveryForm(t *testing.T) {
	for _, c := range []struct {
		name, input, fields string
		want                []int32
	}{
		{"text", `"ab"`, ``, prompted("user: ab")},
		{"text that is empty", `""`, ``, prompted("user: ")},
		{"what looks like a control token is text", `"</s>"`, ``, prompted("user: </s>")},
		{"instructions go first", `"ab"`, `"instructions": "c"`, prompted("system: c", "user: ab")},
		{"easy messages", `[{"role": "system", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}, {"role": "user", "content": "d"}]`, ``,
			prompted("system: a", "user: b", "assistant: c", "user: d")},
		{"developer is system", `[{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]`, ``, prompted("system: a", "user: b")},
		{"parts", `[{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "個"}]}]`, ``, prompted("user: a個")},
		{"an output given back", `[{"role": "user", "content": "a"},
			{"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "b", "annotations": [], "logprobs": []}]},
			{"role": "user", "content": [{"type": "input_text", "text": "c"}]}]`, ``, prompted("user: a", "assistant: b", "user: c")},
		{"a refusal given back", `[{"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]`, ``, prompted("user: a", "assistant: no")},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.response(respond(c.input, c.fields))
			require.Equal(t, c.want, b.engine.seen()[0].Prompt)
		})
	}
}

func TestInputThatCantBeReadIsRefusedByName(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.Messages = 3 })
	item := func(fields string) string { return `[{"role": "user", "content": "a"}, {` + fields + `}]` }
	for _, c := range []struct{ input, code, param string }{
		{`null`, "invalid", "input"},
		{`1`, "invalid", "input"},
		{`{}`, "invalid", "input"},
		{`[]`, "invalid", "input"},
		{`[{"role": "user", "content": "a"}, "b"]`, "invalid", "input[1]"},
		{`[null]`, "invalid", "input[0]"},
		{item(``), "invalid", "input[1].type"},
		{item(`"type": 3`), "invalid", "input[1].type"},
		{item(`"type": "reasoning", "summary": []`), "unsupported_parameter", "input[1].type"},
		{item(`"type": "computer_call"`), "unsupported_parameter", "input[1].type"},
		{item(`"role": "tool", "content": "a"`), "invalid", "input[1].role"},
		{item(`"type": "message", "content": "a"`), "invalid", "input[1].role"},
		{item(`"role": ["user"], "content": "a"`), "invalid", "input[1].role"},
		{item(`"role": "user"`), "invalid", "input[1].content"},
		{item(`"role": "user", "content": null`), "invalid", "input[1].content"},
		{item(`"role": "user", "content": {}`), "invalid", "input[1].content"},
		{item(`"role": "user", "content": []`), "invalid", "input[1].content"},
		{item(`"role": "user", "content": ["a"]`), "invalid", "input[1].content[0]"},
		{item(`"role": "user", "content": [null]`), "invalid", "input[1].content[0]"},
		{item(`"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text"}]`), "invalid", "input[1].content[1].text"},
		{item(`"role": "user", "content": [{"type": "text", "text": "a"}]`), "invalid", "input[1].content[0].type"},
		{item(`"role": "user", "content": [{"type": "input_file", "file_id": "f"}]`), "invalid", "input[1].content[0].type"},
		{item(`"role": "user", "content": [{"type": "input_image", "file_id": "f"}]`), "invalid", "input[1].content[0].image_url"},
		{item(`"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}]`), "invalid", "input[1].content[0]"},
		{item(`"role": "assistant", "content": [{"type": "refusal"}]`), "invalid", "input[1].content[0].refusal"},
		{item(`"type": "function_call", "name": "f", "arguments": "{}"`), "invalid", "input[1].call_id"},
		{item(`"type": "function_call", "call_id": "c", "arguments": "{}"`), "invalid", "input[1].name"},
		{item(`"type": "function_call", "call_id": "c", "name": "f"`), "invalid", "input[1].arguments"},
		{item(`"type": "function_call", "call_id": "c", "name": "f", "arguments": {}`), "invalid", "input[1].arguments"},
		{item(`"type": "function_call_output", "output": "a"`), "invalid", "input[1].call_id"},
		{item(`"type": "function_call_output", "call_id": "c"`), "invalid", "input[1].output"},
		{item(`"type": "function_call_output", "call_id": "c", "output": 3`), "invalid", "input[1].output"},
		{item(`"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": "data:"}]`), "unsupported_parameter", "input[1].output[0]"},
		{item(`"type": "item_reference"`), "invalid", "input[1].id"},
		{item(`"role": "user", "content": "raise"`), "invalid", "input"},
		{`[` + strings.TrimSuffix(strings.Repeat(`{"role": "user", "content": "a"},`, 4), ",") + `]`, "invalid", "input"},
	} {
		t.Run(c.input, func(t *testing.T) {
			b.send("POST", responsesPath, respond(c.input, "")).requireError(t, 400, c.code, c.param)
		})
	}
	b.send("POST", responsesPath, `{"model": "base"}`).requireError(t, 400, "invalid", "input")
	three := `[` + strings.TrimSuffix(strings.Repeat(`{"role": "user", "content": "a"},`, 3), ",") + `]`
	require.Equal(t, http.StatusOK, b.send("POST", responsesPath, respond(three, "")).status)
	b.send("POST", responsesPath, respond(three, `"instructions": "b"`)).requireError(t, 400, "invalid", "input")
}

// What the model said and called in one turn is one message of a chat.
func TestCallsBecomeMessagesOfAChat(t *testing.T) {
	text := func(s string) *string { return &s }
	call := func(id string) ResponseItem {
		return ResponseItem{Type: "function_call", CallID: id, Name: "f", Arguments: text(`{"a":` + id + `}`)}
	}
	output := func(id string) ResponseItem {
		return ResponseItem{Type: "function_call_output", CallID: id, Output: text("gave " + id)}
	}
	message := func(role, s string) ResponseItem {
		return ResponseItem{Type: "message", Role: role, Content: []ResponsePart{textOf(role, s)}}
	}
	var in responseInput
	for i, item := range []ResponseItem{
		call("0"), message("user", "hi"), message("assistant", "well"), call("1"), call("2"), output("1"), output("2"),
		message("assistant", "so"), message("user", "go on"), call("3"), output("3"),
	} {
		in.add(item, inputName(i))
	}
	messages, names := in.chat(nil)
	chatCall := func(id string) ToolCall {
		return ToolCall{ID: id, Type: "function", Function: FunctionCall{Name: "f", Arguments: `{"a":` + id + `}`}}
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	require.Equal(t, []ChatMessage{
		{Role: "assistant", ToolCalls: []ToolCall{chatCall("0")}},
		{Role: "user", Content: raw(`"hi"`)},
		{Role: "assistant", Content: raw(`"well"`), ToolCalls: []ToolCall{chatCall("1"), chatCall("2")}},
		{Role: "tool", Content: raw(`"gave 1"`), ToolCallID: "1"},
		{Role: "tool", Content: raw(`"gave 2"`), ToolCallID: "2"},
		{Role: "assistant", Content: raw(`"so"`)},
		{Role: "user", Content: raw(`"go on"`)},
		{Role: "assistant", ToolCalls: []ToolCall{chatCall("3")}},
		{Role: "tool", Content: raw(`"gave 3"`), ToolCallID: "3"},
	}, messages)
	require.Len(t, names, len(messages))
	for chat, want := range map[string]string{
		"messages[0].tool_calls[0].function.name":      "input[0].name",
		"messages[2].content":                          "input[2].content",
		"messages[2].tool_calls[1].function.arguments": "input[4].arguments",
		"messages[3].content":                          "input[5].output",
		"messages[4].tool_call_id":                     "input[6].call_id",
	} {
		require.Equal(t, want, names.of(chat))
	}
}

func TestToolsInTheWordsOfAChat(t *testing.T) {
	strict := true
	tools, err := responseTools([]ResponseTool{
		{Type: "function", Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`), Strict: &strict},
		{Type: "function", Name: "g"},
	})
	require.NoError(t, err)
	require.Equal(t, []Tool{
		{Type: "function", Function: FunctionTool{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`), Strict: &strict}},
		{Type: "function", Function: FunctionTool{Name: "g"}},
	}, tools)
	for given, want := range map[string]string{
		`"required"`:                        `"required"`,
		`{"type": "function", "name": "f"}`: `{"type":"function","function":{"name":"f"}}`,
	} {
		got, err := responseToolChoice(json.RawMessage(given))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}
