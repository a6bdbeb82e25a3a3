package gateway

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/chat"
)

// twoFunctions are the tools of a request for a response.
const twoFunctions = `"tools": [{"type": "function", "name": "weather", "description": "Says it", "parameters": ` + citySchema + `, "strict": false}, {"type": "function", "name": "add"}]`

func TestCallsAreItemsOfTheOutput(t *testing.T) {
	words := []string{"Let me see.", `<tool_call>{"name": "weather", `, `"arguments": {"city": "Paris"}}</tool_call>`, `<tool_call>{"name": "add", "arguments": {}}</tool_call>`}
	b := newBench(t)
	b.engine.script = say(words...)
	whole := b.response(respond(`"How warm?"`, twoFunctions))
	require.Equal(t, "completed", whole.Status)
	require.Len(t, whole.Output, 3)
	require.Equal(t, []string{"Let me see."}, whole.texts())
	for i, name := range []string{"weather", "add"} {
		call := whole.Output[i+1]
		require.Equal(t, "function_call", call.Type)
		require.Equal(t, name, call.Name)
		require.Equal(t, "completed", call.Status)
		require.Regexp(t, "^call_", call.CallID)
		require.Regexp(t, "^fc_", call.ID)
	}
	require.JSONEq(t, `{"city": "Paris"}`, *whole.Output[1].Arguments)
	require.Equal(t, `{}`, *whole.Output[2].Arguments)
	require.Len(t, whole.Tools, 2)

	r := b.send("POST", responsesPath, respond(`"How warm?"`, `"stream": true, `+twoFunctions))
	require.Equal(t, http.StatusOK, r.status, r.body)
	types, all := responseEvents(t, r.body)
	arguments, added := map[int]string{}, map[int]ResponseItem{}
	for _, e := range all {
		switch e.Type {
		case "response.output_item.added":
			added[*e.OutputIndex] = *e.Item
		case "response.function_call_arguments.delta":
			require.Equal(t, added[*e.OutputIndex].ID, e.ItemID)
			arguments[*e.OutputIndex] += *e.Delta
		case "response.function_call_arguments.done":
			require.Equal(t, arguments[*e.OutputIndex], *e.Arguments)
		}
	}
	require.Equal(t, "response.completed", types[len(types)-1])
	streamed := all[len(all)-1].Response.Output
	require.Len(t, streamed, 3)
	for i, item := range whole.Output {
		require.Equal(t, item.Type, streamed[i].Type)
		require.Equal(t, item.Name, streamed[i].Name)
		if item.Arguments != nil {
			require.JSONEq(t, *item.Arguments, *streamed[i].Arguments)
		}
	}
}

func TestAConversationGoesOnWithWhatFunctionsGave(t *testing.T) {
	b := newBench(t)
	b.engine.script = say(`<tool_call>{"name": "weather", "arguments": {"city": "Paris"}}</tool_call>`)
	first := b.response(respond(`"How warm?"`, twoFunctions))
	require.Len(t, first.Output, 1, "a call alone has no message beside it")
	call := first.Output[0].CallID

	b.engine.script = say("21")
	output := `{"type": "function_call_output", "call_id": "` + call + `", "output": "21 degrees"}`
	second := b.response(respond(`[`+output+`]`, `"previous_response_id": "`+first.ID+`", `+twoFunctions))
	require.Equal(t, []string{"21"}, second.texts())
	want := []chat.Message{
		{Role: "user", Content: "How warm?"},
		{Role: "assistant", ToolCalls: []chat.ToolCall{{ID: call, Name: "weather", Arguments: `{"city": "Paris"}`}}},
		{Role: "tool", Content: "21 degrees", ToolCallID: call, Name: "weather"},
	}
	require.Equal(t, want, b.told[1].messages)
	require.Equal(t, []chat.Tool{{Name: "weather", Description: "Says it", Parameters: citySchema}, {Name: "add"}}, b.told[1].tools)

	// Without the store, the caller gives the call back.
	given, err := json.Marshal(first.Output[0])
	require.NoError(t, err)
	b.response(respond(`[{"role": "user", "content": "How warm?"}, `+string(given)+`, `+output+`]`, `"store": false`))
	require.Equal(t, want, b.told[2].messages)
	require.Empty(t, b.told[2].tools, "tools are of one request")

	var items ResponseItemPage
	b.send("GET", responsesPath+"/"+second.ID+"/input_items?order=asc", "").into(t, &items)
	require.Equal(t, []string{"message", "function_call", "function_call_output"}, []string{items.Data[0].Type, items.Data[1].Type, items.Data[2].Type})
	require.Equal(t, "21 degrees", *items.Data[2].Output)
	require.Equal(t, first.Output[0], items.Data[1])
}

func TestToolsOfAResponseAreRefusedByName(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct{ input, fields, param string }{
		{`"a"`, `"tools": [{"type": "function"}]`, "tools[0].name"},
		{`"a"`, `"tools": [{"type": "function", "name": "a b"}]`, "tools[0].name"},
		{`"a"`, `"tools": [{"type": "function", "name": "f", "parameters": []}]`, "tools[0].parameters"},
		{`"a"`, `"tools": [{"type": "function", "name": "f", "parameters": {"type": "string"}}]`, "tools[0].parameters.type"},
		{`"a"`, `"tool_choice": "required"`, "tool_choice"},
		{`"a"`, `"tool_choice": "some"`, "tool_choice"},
		{`"a"`, twoFunctions + `, "tool_choice": {"type": "function", "name": "g"}`, "tool_choice"},
		{`[{"type": "function_call_output", "call_id": "c", "output": "a"}]`, ``, "input[0].call_id"},
		{`[{"role": "user", "content": "a"}, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "1"}]`, ``, "input[1].arguments"},
		{`[{"role": "user", "content": "a"}, {"type": "function_call", "call_id": "c", "name": "f f", "arguments": "{}"}]`, ``, "input[1].name"},
		{`[{"role": "assistant", "content": "a"}, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{"}]`, ``, "input[2].arguments"},
	} {
		b.send("POST", responsesPath, respond(c.input, c.fields)).requireError(t, 400, "invalid", c.param)
	}
}

func TestTruncationThatPartsACallFromItsOutputIsRefused(t *testing.T) {
	b := newBench(t)
	b.engine.context = 20
	input := `[{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"role": "user", "content": "a long question, indeed"}, {"type": "function_call_output", "call_id": "c", "output": "a"}]`
	b.send("POST", responsesPath, respond(input, `"truncation": "auto"`)).requireError(t, 400, "invalid", "input[2].call_id")
}
