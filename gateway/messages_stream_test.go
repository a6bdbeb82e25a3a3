package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// messageEvents reads a stream of Anthropic's: its events, or those of one type.
func messageEvents(t *testing.T, body string, only ...string) (out []map[string]any) {
	t.Helper()
	for _, e := range events(t, body) {
		if e.comment != "" {
			continue
		}
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(e.data), &event), e.data)
		require.Equal(t, e.event, event["type"], "an event's name is its type")
		if len(only) == 0 || only[0] == e.event {
			out = append(out, event)
		}
	}
	return out
}

func TestStreamedMessage(t *testing.T) {
	r := newBench(t).send("POST", messagesPath, converse(`"stream": true`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
	got := messageEvents(t, r.body)
	begun := got[0]["message"].(map[string]any)
	require.Regexp(t, "^msg_", begun["id"])
	delete(begun, "id")
	usage := func(output float64) map[string]any {
		return map[string]any{"input_tokens": 3., "output_tokens": output, "cache_read_input_tokens": 0., "cache_creation_input_tokens": 0.}
	}
	text := func(text string) map[string]any {
		return map[string]any{"type": "content_block_delta", "index": 0., "delta": map[string]any{"type": "text_delta", "text": text}}
	}
	require.Equal(t, []map[string]any{
		{"type": "message_start", "message": map[string]any{
			"type": "message", "role": "assistant", "model": "base", "content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": usage(1),
		}},
		{"type": "ping"},
		{"type": "content_block_start", "index": 0., "content_block": map[string]any{"type": "text", "text": ""}},
		text("Hello"), text(", "), text("world"),
		{"type": "content_block_stop", "index": 0.},
		{"type": "message_delta", "delta": map[string]any{"stop_reason": "end_turn", "stop_sequence": nil}, "usage": usage(4)},
		{"type": "message_stop"},
	}, got)
}

func TestStreamedMessageWithoutWordsHasNoBlocks(t *testing.T) {
	b := newBench(t)
	b.engine.script = say()
	var types []any
	for _, e := range messageEvents(t, b.send("POST", messagesPath, converse(`"stream": true`)).body) {
		types = append(types, e["type"])
	}
	require.Equal(t, []any{"message_start", "ping", "message_delta", "message_stop"}, types)
}

// Text and calls are blocks of their own; a call's input comes piece by piece.
func TestStreamedCallsAreBlocks(t *testing.T) {
	b := newBench(t)
	w := httptest.NewRecorder()
	c, _ := gin.CreateTestContext(w)
	s := b.gateway.newEventStream(c)
	defer s.close()
	call := func(index int, id, name, arguments string) ToolCallDelta {
		return ToolCallDelta{Index: index, ID: id, Function: FunctionCallDelta{Name: name, Arguments: arguments}}
	}
	gen := &generation{prompts: [][]int32{{1, 2}}, n: 1, tokens: []int{7}, cached: []int{0}}
	writer := messageWriter{message: Message{Content: []MessageBlock{}}, most: 100}
	require.NoError(t, writer.begin(s, gen))
	for _, p := range []piece{
		{Chunk: infer.Chunk{Text: "Let me see."}},
		{calls: []ToolCallDelta{call(0, "a", "weather", "")}},
		{calls: []ToolCallDelta{call(0, "", "", `{"at":`), call(0, "", "", `"Kyoto"}`)}},
		{calls: []ToolCallDelta{call(1, "b", "now", "{}")}},
		{Chunk: infer.Chunk{FinishReason: finishCalls}},
	} {
		require.NoError(t, writer.piece(s, p))
	}
	require.NoError(t, writer.end(s, gen))

	var got []string
	for _, e := range messageEvents(t, w.Body.String()) {
		delete(e, "type")
		delete(e, "usage")
		got = append(got, compacted(t, e))
	}
	require.Equal(t, []string{
		`{}`, // ping
		`{"content_block":{"text":"","type":"text"},"index":0}`,
		`{"delta":{"text":"Let me see.","type":"text_delta"},"index":0}`,
		`{"index":0}`,
		`{"content_block":{"id":"a","input":{},"name":"weather","type":"tool_use"},"index":1}`,
		`{"delta":{"partial_json":"{\"at\":","type":"input_json_delta"},"index":1}`,
		`{"delta":{"partial_json":"\"Kyoto\"}","type":"input_json_delta"},"index":1}`,
		`{"index":1}`,
		`{"content_block":{"id":"b","input":{},"name":"now","type":"tool_use"},"index":2}`,
		`{"delta":{"partial_json":"{}","type":"input_json_delta"},"index":2}`,
		`{"index":2}`,
		`{"delta":{"stop_reason":"tool_use","stop_sequence":null}}`,
		`{}`, // message_stop
	}, got[1:])
}

func TestAnErrorInAStreamedMessageIsAnEvent(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
		send(infer.Chunk{Err: fault.New(fault.OutOfMemory, "the cache is full")})
	}
	r := b.send("POST", messagesPath, converse(`"stream": true`))
	all := messageEvents(t, r.body)
	last := all[len(all)-1]
	require.Equal(t, "error", last["type"])
	require.Equal(t, r.header.Get("Request-Id"), last["request_id"])
	e := last["error"].(map[string]any)
	require.Equal(t, "overloaded_error", e["type"])
	require.Equal(t, "the cache is full", e["message"])
	require.False(t, strings.Contains(r.body, "message_stop") || strings.Contains(r.body, "[DONE]"))
}
