package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/toolcall"
)

// sayBits says a text some bytes at a time, and why it ends.
func sayBits(text string, bytes int, reason string) func(context.Context, infer.Request, func(infer.Chunk) bool) {
	return func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		tokens := 0
		for rest := text; rest != ""; {
			n := min(bytes, len(rest))
			tokens++
			send(infer.Chunk{Text: rest[:n], Tokens: tokens})
			rest = rest[n:]
		}
		send(infer.Chunk{Tokens: tokens, FinishReason: reason})
	}
}

const (
	oneCall  = "<tool_call>\n" + `{"name": "weather", "arguments": {"city": "Paris"}}` + "\n</tool_call>"
	twoCalls = "Let me see.\n" + oneCall + "\n<tool_call>\n" + `{"name": "add", "arguments": {}}` + "\n</tool_call>"
)

// said is a message without its ids.
type said struct {
	text   string // "null" if there is none
	calls  [][2]string
	reason string
}

// sayWhole asks for a reply in one piece.
func sayWhole(t *testing.T, b *bench, more string) []said {
	t.Helper()
	r := b.send("POST", chatPath, ask(more))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var got ChatCompletion
	r.into(t, &got)
	var out []said
	ids := map[string]bool{}
	for _, c := range got.Choices {
		s := said{text: "null", reason: c.FinishReason}
		if c.Message.Content != nil {
			s.text = *c.Message.Content
		}
		for _, call := range c.Message.ToolCalls {
			require.Regexp(t, "^call_[A-Z0-9]{20,}$", call.ID)
			require.False(t, ids[call.ID], "an id is given once")
			ids[call.ID] = true
			require.Equal(t, "function", call.Type)
			s.calls = append(s.calls, [2]string{call.Function.Name, call.Function.Arguments})
		}
		out = append(out, s)
	}
	return out
}

// sayStreamed asks for a stream and puts it together as clients do.
func sayStreamed(t *testing.T, b *bench, more string) []said {
	t.Helper()
	r := b.send("POST", chatPath, ask(more+`, "stream": true`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	got, done := chunks(t, r.body)
	require.True(t, done)
	var out []said
	for _, chunk := range got {
		c := chunk.Choices[0]
		for len(out) <= c.Index {
			out = append(out, said{text: "null"})
		}
		s := &out[c.Index]
		require.Empty(t, s.reason, "nothing follows the end")
		if c.Delta.Content != nil && *c.Delta.Content != "" {
			s.text = strings.TrimPrefix(s.text, "null") + *c.Delta.Content
		}
		for _, d := range c.Delta.ToolCalls {
			if d.Index == len(s.calls) {
				require.Regexp(t, "^call_", d.ID)
				require.Equal(t, "function", d.Type)
				require.NotEmpty(t, d.Function.Name)
				s.calls = append(s.calls, [2]string{d.Function.Name})
			} else {
				require.Equal(t, ToolCallDelta{Index: d.Index, Function: FunctionCallDelta{Arguments: d.Function.Arguments}}, d, "id, type and name come once")
			}
			s.calls[d.Index][1] += d.Function.Arguments
		}
		if c.FinishReason != nil {
			s.reason = *c.FinishReason
			require.Equal(t, Delta{}, c.Delta)
		}
	}
	return out
}

func TestCallsAreTakenOutOfReplies(t *testing.T) {
	weather, add := [2]string{"weather", `{"city": "Paris"}`}, [2]string{"add", `{}`}
	for name, c := range map[string]struct {
		reply, reason string
		more          string
		want          said
	}{
		"no call":                 {"It is warm.", "stop", "", said{"It is warm.", nil, "stop"}},
		"a call":                  {oneCall, "stop", "", said{"null", [][2]string{weather}, "tool_calls"}},
		"text and two calls":      {twoCalls, "stop", "", said{"Let me see.", [][2]string{weather, add}, "tool_calls"}},
		"one at most":             {twoCalls, "stop", `, "parallel_tool_calls": false`, said{"Let me see.", [][2]string{weather}, "tool_calls"}},
		"several allowed":         {twoCalls, "stop", `, "parallel_tool_calls": true`, said{"Let me see.", [][2]string{weather, add}, "tool_calls"}},
		"cut after a call":        {oneCall, "length", "", said{"null", [][2]string{weather}, "length"}},
		"cut within a call":       {oneCall[:57], "length", "", said{"null", [][2]string{{"weather", `{"city": "Pa`}}, "length"}},
		"stopped within a call":   {oneCall[:57], "stop", "", said{"null", [][2]string{{"weather", `{"city": "Pa`}}, "stop"}},
		"a call of nobody's":      {`<tool_call>{"name": "rm", "arguments": {}}</tool_call>`, "stop", "", said{`<tool_call>{"name": "rm", "arguments": {}}</tool_call>`, nil, "stop"}},
		"half a mark":             {`1 <tool_`, "length", "", said{`1 <tool_`, nil, "length"}},
		"a call that none may be": {oneCall, "stop", `, "tool_choice": "none"`, said{oneCall, nil, "stop"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, bytes := range []int{1, 7, 1000} {
				b := newBench(t)
				b.engine.script = sayBits(c.reply, bytes, c.reason)
				require.Equal(t, []said{c.want}, sayWhole(t, b, twoTools+c.more))
				require.Equal(t, []said{c.want}, sayStreamed(t, b, twoTools+c.more))
				require.Len(t, sayStreamed(t, b, twoTools+c.more+`, "n": 3`), 3, "choices do not share anything")
			}
		})
	}
}

// Arguments that are no JSON are text, unless a stream has shown them already.
func TestArgumentsThatAreNoJSON(t *testing.T) {
	b := newBench(t)
	reply := `<tool_call>{"name": "add", "arguments": {"a": }}</tool_call>`
	b.engine.script = sayBits(reply, 1, "stop")
	require.Equal(t, []said{{reply, nil, "stop"}}, sayWhole(t, b, twoTools))
	require.Equal(t, []said{{"null", [][2]string{{"add", `{"a": }}`}}, "stop"}}, sayStreamed(t, b, twoTools))
}

func TestArgumentsStreamAsTheyCome(t *testing.T) {
	b := newBench(t)
	b.engine.script = sayBits("Hm. "+oneCall, 4, "stop")
	r := b.send("POST", chatPath, ask(twoTools+`, "stream": true`))
	all := events(t, r.body)
	require.Contains(t, all[1].data, `"delta":{"content":"Hm."}`)
	require.Contains(t, all[2].data, `"delta":{"tool_calls":[{"index":0,"id":"call_`)
	require.Contains(t, all[2].data, `"type":"function","function":{"name":"weather","arguments":""}}`)
	require.Contains(t, all[4].data, `"delta":{"tool_calls":[{"index":0,"function":{"arguments":"`, "no id, no name, no content")
	require.Greater(t, len(all), 7, "piece by piece")
}

func TestLogprobsOfCalls(t *testing.T) {
	b := newBench(t)
	book := token(t, "本")
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		for i, text := range []string{"<tool_call>", `{"name": "add"}`, "</tool_call>"} {
			send(infer.Chunk{Text: text, Tokens: i + 1, Logprobs: []infer.TokenLogprob{scored(book, -1)}})
		}
		send(infer.Chunk{Tokens: 3, FinishReason: "stop"})
	}
	var got ChatCompletion
	b.send("POST", chatPath, ask(twoTools+`, "logprobs": true`)).into(t, &got)
	require.Len(t, got.Choices[0].Logprobs.Content, 3, "tokens of calls are tokens")
	require.Equal(t, "tool_calls", got.Choices[0].FinishReason)
	r := b.send("POST", chatPath, ask(twoTools+`, "logprobs": true, "stream": true`))
	require.Equal(t, 3, strings.Count(r.body, `"logprob":-1`))
}

// held is what a request's replies are held to: what they may be, in order of the
// texts.
func held(t *testing.T, b *bench, more string, texts map[string]bool) infer.Request {
	t.Helper()
	b.engine.script = say("x")
	r := b.send("POST", chatPath, ask(more))
	require.Equal(t, http.StatusOK, r.status, r.body)
	seen := b.engine.seen()
	last := seen[len(seen)-1]
	for text, want := range texts {
		require.Equal(t, want, follows(t, last.Sampling.Constraint, text), "%q", text)
	}
	return last
}

// follows tells whether a text is whole under a constraint.
func follows(t *testing.T, c infer.Constraint, text string) bool {
	t.Helper()
	require.NotNil(t, c)
	m, err := c.NewMatcher()
	require.NoError(t, err)
	defer m.Close()
	for _, id := range miniature().Encode(text, false) {
		if m.Accept(id) != nil {
			return false
		}
	}
	return m.Stopped() || m.Accept(endOfText) == nil
}

// endOfText is the miniature's token of that kind.
const endOfText = 2

func ending(b *bench) {
	b.gateway.vocabulary = func(m *infer.Model) constrain.Vocabulary {
		return constrain.Vocabulary{Tokenizer: m.Tokenizer, Rows: m.Tokenizer.VocabSize(), EOS: []int32{endOfText}}
	}
}

func TestCallsThatAreAskedForAreHeldToTheirSchemas(t *testing.T) {
	b := newBench(t)
	ending(b)
	call := func(name, arguments string) string {
		return "<tool_call>\n" + `{"name": "` + name + `", "arguments": ` + arguments + "}\n</tool_call>"
	}
	paris := call("weather", `{"city": "Paris"}`)
	held(t, b, twoTools+`, "tool_choice": "required"`, map[string]bool{
		paris: true, call("add", `{}`): true, paris + "\n" + call("add", "{}"): true,
		"It is warm.": false, "Hm. " + paris: false, paris + " Done.": false, "": false,
		call("weather", `{}`): false, call("weather", `{"city": 5}`): false, call("add", `{"a": 1}`): false, call("rm", `{}`): false,
	})
	held(t, b, twoTools+`, "tool_choice": {"type": "function", "function": {"name": "add"}}`, map[string]bool{
		call("add", `{}`): true, paris: false, call("add", `{}`) + "\n" + call("add", `{}`): true,
	})
	held(t, b, twoTools+`, "tool_choice": "required", "parallel_tool_calls": false`, map[string]bool{
		paris: true, paris + "\n" + paris: false,
	})
	held(t, b, twoTools+`, "tool_choice": "required", "response_format": {"type": "json_object"}`, map[string]bool{
		paris: true, "{}": false,
	})
}

func TestStrictToolsAreHeldToTheirSchemasWhereTheModelChooses(t *testing.T) {
	b := newBench(t)
	ending(b)
	strict := strings.Replace(twoTools, `"name": "weather",`, `"name": "weather", "strict": true,`, 1)
	held(t, b, strict, map[string]bool{
		"It is warm.": true, "": true, "a < b <tool": true, oneCall: true, "Hm.\n" + oneCall: true, oneCall + "\n" + oneCall: true,
		strings.Replace(oneCall, "Paris", `a", "b": "c`, 1):                                    false,
		strings.Replace(oneCall, "city", "town", 1):                                            false,
		`<tool_call>` + "\n" + `{"name": "add", "arguments": {"any": [1]}}` + "\n</tool_call>": true,
		"<tool_call> is what I would write":                                                    false,
	})
	require.Nil(t, held(t, b, twoTools, nil).Sampling.Constraint, "nobody asked for anything")
	held(t, b, twoTools+`, "response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 5}}}`, map[string]bool{
		"5": true, oneCall: true, "Hm. " + oneCall: false, "6": false,
	})
}

func TestSchemasThatCannotBeKeptAreRefusedWhereTheyMatter(t *testing.T) {
	b := newBench(t)
	odd := `"tools": [` + tool("f", "") + `, ` + tool("g", `, "strict": %s, "parameters": {"type": "object", "properties": {"a": {"not": {}}}}`) + `]`
	for _, more := range []string{
		strings.Replace(odd, "%s", "false", 1) + `, "tool_choice": "required"`,
		strings.Replace(odd, "%s", "true", 1),
		strings.Replace(strings.Replace(odd, "%s", "null", 1), `"not": {}`, `"type": "float"`, 1) + `, "tool_choice": "required"`,
	} {
		b.send("POST", chatPath, ask(more)).requireError(t, http.StatusBadRequest, "invalid", "tools[1].function.parameters")
	}
	require.Equal(t, http.StatusOK, b.send("POST", chatPath, ask(strings.Replace(odd, "%s", "false", 1))).status)
	require.Equal(t, http.StatusOK, b.send("POST", chatPath, ask(strings.Replace(odd, "%s", "true", 1)+`, "tool_choice": {"type": "function", "function": {"name": "f"}}`)).status)
}

// A model that was taught no form of calls makes none by itself, and one that is
// asked for a call gives it as plain JSON.
func TestModelsWithoutAFormOfCalls(t *testing.T) {
	b := newBench(t)
	ending(b)
	b.gateway.callFormat = func(m *infer.Model) toolcall.Format { return toolcall.For("", m.Tokenizer) }
	const call = `{"name": "weather", "arguments": {"city": "Paris"}}`
	b.engine.script = sayBits(call, 3, "stop")
	require.Equal(t, []said{{call, nil, "stop"}}, sayWhole(t, b, twoTools))
	require.Equal(t, []said{{"null", [][2]string{{"weather", `{"city": "Paris"}`}}, "tool_calls"}}, sayStreamed(t, b, twoTools+`, "tool_choice": "required"`))
	held(t, b, twoTools+`, "tool_choice": "required"`, map[string]bool{call: true, call + "\n" + call: false, "{}": false, "Paris": false})
}

func TestWhatArgumentsAreHeldTo(t *testing.T) {
	for parameters, want := range map[string]string{
		``:   noArguments,
		`{}`: anyArguments,
		`{"type": "object", "properties": {"a": {}}}`: `{"additionalProperties": false, "type": "object", "properties": {"a": {}}}`,
		`{"properties": {}}`:                          `{"type": "object", "additionalProperties": false, "properties": {}}`,
		`{"type": "object"}`:                          `{"type": "object"}`,
		`{"type": "object", "properties": {}, "additionalProperties": {}}`:           `{"type": "object", "properties": {}, "additionalProperties": {}}`,
		`{"type": "object", "properties": {}, "anyOf": [{"properties": {"b": {}}}]}`: `{"type": "object", "properties": {}, "anyOf": [{"properties": {"b": {}}}]}`,
		`{"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}`:                  `{"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}`,
	} {
		got := argumentsSchema(parameters)
		require.Equal(t, want, got)
		require.True(t, json.Valid([]byte(got)))
	}
}
