package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/chat"
)

// tool is a function in a request.
func tool(name, more string) string {
	return `{"type": "function", "function": {"name": "` + name + `"` + more + `}}`
}

const (
	citySchema = `{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`
	twoTools   = `"tools": [{"type": "function", "function": {"name": "weather", "description": "Says it", "parameters": ` + citySchema + `}}, {"type": "function", "function": {"name": "add"}}]`
)

// turns is a chat with these messages and the two tools.
func turns(messages ...string) string {
	return `{"model": "base", "messages": [` + strings.Join(messages, ", ") + `], ` + twoTools + `}`
}

const (
	userTurn = `{"role": "user", "content": "How warm?"}`
	callTurn = `{"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Paris\"}"}}]}`
	toolTurn = `{"role": "tool", "tool_call_id": "call_1", "content": "21"}`
)

func TestTheTemplateIsToldAboutTools(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", chatPath, turns(userTurn, callTurn, toolTurn,
		`{"role": "assistant", "content": [{"type": "text", "text": "Again:"}], "tool_calls": [{"id": "call_2", "function": {"name": "add", "arguments": ""}}]}`,
		`{"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "5"}]}`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Len(t, b.told, 1)
	require.Equal(t, []chat.Tool{{Name: "weather", Description: "Says it", Parameters: citySchema}, {Name: "add"}}, b.told[0].tools)
	require.Equal(t, []chat.Message{
		{Role: "user", Content: "How warm?"},
		{Role: "assistant", ToolCalls: []chat.ToolCall{{ID: "call_1", Name: "weather", Arguments: `{"city": "Paris"}`}}},
		{Role: "tool", Content: "21", ToolCallID: "call_1", Name: "weather"},
		{Role: "assistant", Content: "Again:", ToolCalls: []chat.ToolCall{{ID: "call_2", Name: "add", Arguments: `{}`}}},
		{Role: "tool", Content: "5", ToolCallID: "call_2", Name: "add"},
	}, b.told[0].messages)
}

func TestWithoutAChoiceThereAreNoTools(t *testing.T) {
	for _, more := range []string{`"tools": [], "tool_choice": "auto"`, `"tools": null, "tool_choice": null`, `"tool_choice": "none"`, twoTools + `, "tool_choice": "none"`, `"functions": [], "function_call": "none"`} {
		b := newBench(t)
		b.engine.script = say(`<tool_call>{"name": "add"}</tool_call>`)
		var got ChatCompletion
		b.send("POST", chatPath, ask(more)).into(t, &got)
		require.Empty(t, b.told[0].tools, more)
		require.Equal(t, `<tool_call>{"name": "add"}</tool_call>`, *got.Choices[0].Message.Content, "what nobody asked for is text")
		require.Nil(t, got.Choices[0].Message.ToolCalls)
		require.Equal(t, "stop", got.Choices[0].FinishReason)
	}
}

func TestToolsAreRefusedByName(t *testing.T) {
	small := func(o *Options) {
		o.Limits.Tools, o.Limits.ToolBytes, o.Limits.ToolDepth, o.Limits.ToolCalls = 3, 200, 4, 2
	}
	call := func(id, more string) string {
		return `{"id": "` + id + `", "type": "function", "function": {"name": "add", "arguments": "{}"` + more + `}}`
	}
	calls := func(list string) string {
		return turns(userTurn, `{"role": "assistant", "tool_calls": [`+list+`]}`)
	}
	for name, c := range map[string]struct{ body, param, code string }{
		"tools that are no list":       {ask(`"tools": {}`), "tools", "invalid"},
		"too many":                     {ask(`"tools": [` + strings.Repeat(tool("f", "")+",", 3) + tool("f", "") + `]`), "tools", "invalid"},
		"a tool that is null":          {ask(`"tools": [null]`), "tools[0].type", "unsupported_parameter"},
		"another type":                 {ask(`"tools": [` + tool("f", "") + `, {"type": "custom", "custom": {"name": "g"}}]`), "tools[1].type", "unsupported_parameter"},
		"no name":                      {ask(`"tools": [{"type": "function", "function": {}}]`), "tools[0].function.name", "invalid"},
		"a name with a space":          {ask(`"tools": [` + tool("a b", "") + `]`), "tools[0].function.name", "invalid"},
		"a name that is too long":      {ask(`"tools": [` + tool(strings.Repeat("f", 65), "") + `]`), "tools[0].function.name", "invalid"},
		"a name in other letters":      {ask(`"tools": [` + tool("天気", "") + `]`), "tools[0].function.name", "invalid"},
		"two of a name":                {ask(`"tools": [` + tool("f", "") + `, ` + tool("f", "") + `]`), "tools[1].function.name", "invalid"},
		"a long description":           {ask(`"tools": [` + tool("f", `, "description": "`+strings.Repeat("x", 201)+`"`) + `]`), "tools[0].function", "invalid"},
		"a description that is none":   {ask(`"tools": [` + tool("f", `, "description": 5`) + `]`), "tools.function.description", "invalid"},
		"parameters that are a list":   {ask(`"tools": [` + tool("f", `, "parameters": []`) + `]`), "tools[0].function.parameters", "invalid"},
		"parameters that are a string": {ask(`"tools": [` + tool("f", `, "parameters": {"type": "string"}`) + `]`), "tools[0].function.parameters.type", "invalid"},
		"parameters that are deep":     {ask(`"tools": [` + tool("f", `, "parameters": {"a": [[[[]]]]}`) + `]`), "tools[0].function.parameters", "invalid"},
		"strict that is no boolean":    {ask(`"tools": [` + tool("f", `, "strict": "yes"`) + `]`), "tools.function.strict", "invalid"},

		"a choice of nobody's":      {ask(twoTools + `, "tool_choice": "any"`), "tool_choice", "invalid"},
		"a choice that is a number": {ask(twoTools + `, "tool_choice": 1`), "tool_choice", "invalid"},
		"a choice without a name":   {ask(twoTools + `, "tool_choice": {"type": "function"}`), "tool_choice", "invalid"},
		"a choice of another type":  {ask(twoTools + `, "tool_choice": {"type": "custom", "function": {"name": "add"}}`), "tool_choice", "invalid"},
		"a choice that isn't there": {ask(twoTools + `, "tool_choice": {"type": "function", "function": {"name": "rm"}}`), "tool_choice", "invalid"},
		"required, of nothing":      {ask(`"tool_choice": "required"`), "tool_choice", "invalid"},
		"one of nothing":            {ask(`"tool_choice": {"type": "function", "function": {"name": "rm"}}`), "tool_choice", "invalid"},
		"parallel that is a string": {ask(twoTools + `, "parallel_tool_calls": "no"`), "parallel_tool_calls", "invalid"},
		"a beam search":             {ask(twoTools + `, "use_beam_search": true`), "use_beam_search", "invalid"},
		"a choice of answers":       {ask(twoTools + `, "guided_choice": ["a"]`), "guided_choice", "invalid"},

		"calls of a user":              {turns(`{"role": "user", "content": "x", "tool_calls": [` + call("a", "") + `]}`), "messages[0].tool_calls", "invalid"},
		"too many calls":               {calls(call("a", "") + "," + call("b", "") + "," + call("c", "")), "messages[1].tool_calls", "invalid"},
		"a call without id":            {calls(call("", "")), "messages[1].tool_calls[0].id", "invalid"},
		"a call with a long id":        {calls(call(strings.Repeat("i", 300), "")), "messages[1].tool_calls[0].id", "invalid"},
		"a call of another type":       {calls(`{"id": "a", "type": "custom"}`), "messages[1].tool_calls[0].type", "unsupported_parameter"},
		"a call of nothing":            {calls(`{"id": "a", "type": "function", "function": {"arguments": "{}"}}`), "messages[1].tool_calls[0].function.name", "invalid"},
		"a call that is null":          {calls(call("a", "") + ", null"), "messages[1].tool_calls[1].id", "invalid"},
		"arguments that are no JSON":   {calls(call("a", `, "arguments": "{"`)), "messages[1].tool_calls[0].function.arguments", "invalid"},
		"arguments that are no object": {calls(call("a", `, "arguments": "[]"`)), "messages[1].tool_calls[0].function.arguments", "invalid"},
		"arguments that are deep":      {calls(call("a", `, "arguments": "{\"a\": [[[[]]]]}"`)), "messages[1].tool_calls[0].function.arguments", "invalid"},
		"arguments that are no text":   {calls(call("a", `, "arguments": {}`)), "messages.tool_calls.function.arguments", "invalid"},
		"neither text nor calls":       {turns(userTurn, `{"role": "assistant", "tool_calls": []}`), "messages[1].content", "invalid"},
		"a result without its call":    {turns(userTurn, toolTurn), "messages[1].tool_call_id", "invalid"},
		"a result before its call":     {turns(userTurn, toolTurn, callTurn), "messages[1].tool_call_id", "invalid"},
		"a result of no call":          {turns(userTurn, callTurn, `{"role": "tool", "content": "21"}`), "messages[2].tool_call_id", "invalid"},
		"a result that is null":        {turns(userTurn, callTurn, `{"role": "tool", "tool_call_id": "call_1", "content": null}`), "messages[2].content", "invalid"},
		"a user who answers a call":    {turns(userTurn, callTurn, `{"role": "user", "tool_call_id": "call_1", "content": "21"}`), "messages[2].tool_call_id", "invalid"},
		"a function's result":          {turns(userTurn, `{"role": "function", "name": "add", "content": "5"}`), "messages[1].role", "unsupported_parameter"},
		"a function's call":            {turns(userTurn, `{"role": "assistant", "content": "", "function_call": {"name": "add", "arguments": "{}"}}`), "messages[1].function_call", "unsupported_parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, small)
			b.send("POST", chatPath, c.body).requireError(t, http.StatusBadRequest, c.code, c.param)
			require.Empty(t, b.engine.seen())
		})
	}
}

// What a template says about tools is about the field tools.
func TestATemplateWithoutTools(t *testing.T) {
	b := newBench(t)
	m := talker(t)
	b.gateway.encodeChat = encodeChatOf(m)
	e := b.send("POST", chatPath, ask(twoTools)).requireError(t, http.StatusBadRequest, "invalid", "tools")
	require.Contains(t, e.Message, "knows no tools")
	b.send("POST", chatPath, ask(twoTools+`, "stream": true`)).requireError(t, http.StatusBadRequest, "invalid", "tools")
	require.Equal(t, http.StatusOK, b.send("POST", chatPath, ask(twoTools+`, "tool_choice": "none"`)).status)
	b.send("POST", chatPath, turns(userTurn, callTurn, toolTurn)).requireError(t, http.StatusBadRequest, "invalid", "tools")
	r := `{"model": "base", "messages": [` + userTurn + `, ` + callTurn + `, ` + toolTurn + `]}`
	b.send("POST", chatPath, r).requireError(t, http.StatusBadRequest, "invalid", "messages")
}

func TestTheDepthOfJSON(t *testing.T) {
	for text, want := range map[string]int{`1`: 0, `{}`: 1, `[[], {"a": [1]}]`: 3, `"[["`: 0, `{"{": [[1]]}`: 3} {
		require.Equal(t, want, jsonDepth([]byte(text)), text)
	}
	require.Equal(t, 5000, jsonDepth([]byte(strings.Repeat("[", 5000)+strings.Repeat("]", 5000))), "no stack is needed")
}
