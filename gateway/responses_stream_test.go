package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

// responseEvents reads a streamed response: each event has its type for a name,
// and they are numbered from 0.
func responseEvents(t *testing.T, body string) (types []string, all []ResponseEvent) {
	t.Helper()
	for _, e := range events(t, body) {
		if e.comment != "" {
			continue
		}
		var event ResponseEvent
		require.NoError(t, json.Unmarshal([]byte(e.data), &event), e.data)
		require.Equal(t, e.event, event.Type)
		require.Equal(t, len(all), event.SequenceNumber)
		types, all = append(types, event.Type), append(all, event)
	}
	return types, all
}

func TestAStreamedResponseHasOpenAIsEvents(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", responsesPath, respond(`"hi"`, `"stream": true, "metadata": {"a": "b"}`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
	require.NotContains(t, r.body, "[DONE]")
	types, all := responseEvents(t, r.body)
	require.Equal(t, []string{
		"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
		"response.output_text.delta", "response.output_text.delta", "response.output_text.delta",
		"response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
	}, types)
	first, last := all[0].Response, all[len(all)-1].Response
	require.Equal(t, "in_progress", first.Status)
	require.Empty(t, first.Output)
	require.Nil(t, first.Usage)
	require.Equal(t, "completed", last.Status)
	require.Equal(t, []string{"Hello, world"}, last.texts())
	require.Equal(t, &ResponseUsage{InputTokens: 3, OutputTokens: 4, TotalTokens: 7}, last.Usage)
	item := last.Output[0]
	text := ""
	for _, e := range all[2 : len(all)-1] {
		require.Zero(t, *e.OutputIndex)
		switch e.Type {
		case "response.output_item.added":
			require.Equal(t, item.ID, e.Item.ID)
			require.Contains(t, r.body, `"status":"in_progress","role":"assistant","content":[]}`)
		case "response.output_item.done":
			require.Equal(t, item, *e.Item)
		default:
			require.Equal(t, item.ID, e.ItemID)
			require.Zero(t, *e.ContentIndex)
			if e.Delta != nil {
				text += *e.Delta
			}
		}
	}
	require.Equal(t, "Hello, world", text)

	// It ends as the same response in one piece does, and is stored.
	whole := b.response(respond(`"hi"`, `"metadata": {"a": "b"}`))
	stored := b.send("GET", responsesPath+"/"+last.ID, "")
	require.JSONEq(t, stored.body, events(t, r.body)[len(all)-1].data[len(`{"type":"response.completed","sequence_number":10,"response":`):len(events(t, r.body)[len(all)-1].data)-1])
	whole.ID, whole.Output[0].ID, whole.CreatedAt, whole.CompletedAt = last.ID, item.ID, last.CreatedAt, last.CompletedAt
	require.Equal(t, whole, *last)
}

func TestAStreamedResponseThatEndsEarlyIsIncomplete(t *testing.T) {
	b := newBench(t)
	b.engine.script = sayPrompt
	types, all := responseEvents(t, b.send("POST", responsesPath, respond(`"hi"`, `"stream": true`)).body)
	require.Equal(t, "response.incomplete", types[len(types)-1])
	require.Equal(t, "incomplete", all[len(all)-2].Item.Status)
	require.Equal(t, &IncompleteDetails{Reason: "max_output_tokens"}, all[len(all)-1].Response.IncompleteDetails)
}

func TestAStreamedResponseOfNothingIsAnEmptyMessage(t *testing.T) {
	b := newBench(t)
	b.engine.script = say()
	types, all := responseEvents(t, b.send("POST", responsesPath, respond(`"hi"`, `"stream": true`)).body)
	require.Equal(t, []string{
		"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
		"response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
	}, types)
	require.Equal(t, []string{""}, all[7].Response.texts())
}

func TestStreamedLogprobsAddUp(t *testing.T) {
	b := newBench(t)
	b.engine.script = sayScored(t)
	_, all := responseEvents(t, b.send("POST", responsesPath, respond(`"hi"`, `"stream": true, "include": ["message.output_text.logprobs"], "top_logprobs": 2`)).body)
	var streamed []ChatTokenLogprob
	for _, e := range all {
		switch e.Type {
		case "response.output_text.delta":
			require.NotEmpty(t, *e.Delta, "tokens of half a character come with the other half")
			streamed = append(streamed, e.Logprobs...)
		case "response.output_text.done":
			require.Equal(t, streamed, e.Logprobs)
		}
	}
	require.Len(t, streamed, 3)
	require.Equal(t, streamed, all[len(all)-1].Response.Output[0].Content[0].Logprobs)
}

func TestHalfACharacterAtTheEndHasItsLogprobs(t *testing.T) {
	b := newBench(t)
	half := token(t, "<0xC3>")
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Tokens: 1, Logprobs: []infer.TokenLogprob{scored(half, -1)}})
		send(infer.Chunk{Tokens: 1, FinishReason: "length"})
	}
	fields := `"include": ["message.output_text.logprobs"]`
	whole := b.response(respond(`"hi"`, fields))
	_, all := responseEvents(t, b.send("POST", responsesPath, respond(`"hi"`, `"stream": true, `+fields)).body)
	for _, r := range []Response{whole, *all[len(all)-1].Response} {
		require.Equal(t, []string{""}, r.texts())
		require.Len(t, r.Output[0].Content[0].Logprobs, 1)
	}
}

func TestAnErrorAfterTheFirstByteFailsTheResponse(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
		send(infer.Chunk{Err: fault.New(fault.OutOfMemory, "the cache is full")})
	}
	r := b.send("POST", responsesPath, respond(`"hi"`, `"stream": true`))
	require.Equal(t, http.StatusOK, r.status)
	types, all := responseEvents(t, r.body)
	require.Equal(t, []string{"response.output_text.delta", "error", "response.failed"}, types[len(types)-3:])
	require.Contains(t, r.body, `"code":"out_of_memory","message":"the cache is full","param":null}`)
	failed := all[len(all)-1].Response
	require.Equal(t, "failed", failed.Status)
	require.Equal(t, &ResponseError{Code: "server_error", Message: "the cache is full"}, failed.Error)
	require.False(t, failed.Store)
	require.Equal(t, all[0].Response.ID, failed.ID)
	b.send("GET", responsesPath+"/"+failed.ID, "").requireError(t, 404, "not_found", "")
}

func TestAnErrorWhileTheClientIsKeptWaitingFailsTheResponse(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeepAlive = 5 * time.Millisecond })
	release := make(chan struct{})
	b.catalog.acquire = func(context.Context, string) error { <-release; return fault.New(fault.Busy, "too many models") }
	lines := b.open(t, responsesPath, respond(`"hi"`, `"stream": true`))
	require.Equal(t, ": keep-alive", <-lines)
	close(release)
	var names []string
	for line := range lines {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			names = append(names, name)
		}
		if strings.Contains(line, "response.failed\"") {
			require.Contains(t, line, `"error":{"code":"rate_limit_exceeded","message":"too many models"}`)
		}
	}
	require.Equal(t, []string{"response.created", "response.in_progress", "error", "response.failed"}, names)
}

func TestAResponseThatCantBeStoredIsNotComplete(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		b := newBench(t)
		b.kept.fail = fault.New(fault.Unavailable, "Redis at secret:6379 is out of reach")
		r := b.send("POST", responsesPath, respond(`"hi"`, `"stream": `+stream))
		require.NotContains(t, r.body, "secret")
		if stream == "false" {
			e := r.requireError(t, 503, "unavailable", "")
			require.Contains(t, e.Message, `"store": false`)
		} else {
			types, all := responseEvents(t, r.body)
			require.Equal(t, []string{"response.output_item.done", "error", "response.failed"}, types[len(types)-3:])
			require.Equal(t, []string{"Hello, world"}, all[len(all)-1].Response.texts(), "what was said is not taken back")
			require.Nil(t, all[len(all)-1].Response.CompletedAt)
		}
		r = b.send("POST", responsesPath, respond(`"hi"`, `"store": false, "stream": `+stream))
		require.Equal(t, http.StatusOK, r.status, r.body)
		require.NotContains(t, r.body, "failed")
	}
}
