package gateway

import (
	"bufio"
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

// chunks reads a chat stream: its chunks, and whether it ended with [DONE].
func chunks(t *testing.T, body string) (out []ChatChunk, done bool) {
	t.Helper()
	for _, e := range events(t, body) {
		require.False(t, done, "something follows [DONE]")
		if e.comment != "" {
			continue
		}
		if e.data == "[DONE]" {
			done = true
			continue
		}
		var c ChatChunk
		require.NoError(t, json.Unmarshal([]byte(e.data), &c))
		out = append(out, c)
	}
	return out, done
}

func TestStreamIsRoleTextFinishDone(t *testing.T) {
	r := newBench(t).send("POST", chatPath, ask(`"stream": true`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	require.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
	require.Equal(t, "no-cache", r.header.Get("Cache-Control"))
	require.Equal(t, "no", r.header.Get("X-Accel-Buffering"))
	require.NotContains(t, r.body, "usage")

	got, done := chunks(t, r.body)
	require.True(t, done)
	require.Len(t, got, 5)
	for _, c := range got {
		require.Regexp(t, "^chatcmpl-", c.ID)
		require.Equal(t, [4]any{got[0].ID, got[0].Created, "base", "chat.completion.chunk"}, [4]any{c.ID, c.Created, c.Model, c.Object})
		require.Len(t, c.Choices, 1)
	}
	all := events(t, r.body)
	require.Contains(t, all[0].data, `"delta":{"role":"assistant","content":""}`)
	require.Contains(t, all[0].data, `"finish_reason":null`)
	require.Contains(t, all[1].data, `"delta":{"content":"Hello"}`)
	require.Contains(t, all[4].data, `"delta":{}`)
	require.Contains(t, all[4].data, `"finish_reason":"stop"`)
	for _, c := range got[:4] {
		require.Nil(t, c.Choices[0].FinishReason)
	}
}

func TestStreamWithUsage(t *testing.T) {
	r := newBench(t).send("POST", chatPath, ask(`"stream": true, "stream_options": {"include_usage": true}`))
	got, done := chunks(t, r.body)
	require.True(t, done)
	require.Len(t, got, 6)
	all := events(t, r.body)
	for i := range 5 {
		require.Contains(t, all[i].data, `"usage":null`)
	}
	require.Contains(t, all[5].data, `"choices":[]`)
	var usage Usage
	require.NoError(t, json.Unmarshal(got[5].Usage, &usage))
	require.Equal(t, Usage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 7}, usage)
}

func TestTextBesideAFinishReasonIsNotLost(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Tokens: 1}) // a token that is held back
		send(infer.Chunk{Text: "個 <b>&", Tokens: 2, FinishReason: "length"})
	}
	r := b.send("POST", chatPath, ask(`"stream": true`))
	got, done := chunks(t, r.body)
	require.True(t, done)
	require.Len(t, got, 3, "the role, the text, the finish")
	require.Equal(t, "個 <b>&", *got[1].Choices[0].Delta.Content)
	require.Contains(t, r.body, "個 <b>&", "text is sent as it is, not escaped")
	require.Equal(t, "length", *got[2].Choices[0].FinishReason)
}

func TestStreamedChoicesInterleave(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", chatPath, ask(`"stream": true, "n": 3`))
	got, done := chunks(t, r.body)
	require.True(t, done)
	texts, roles, ends := map[int]string{}, map[int]int{}, map[int]int{}
	for _, c := range got {
		choice := c.Choices[0]
		require.Zero(t, ends[choice.Index], "choice %d goes on after its end", choice.Index)
		if choice.Delta.Role != "" {
			roles[choice.Index]++
		}
		require.Equal(t, 1, roles[choice.Index], "the role comes first, and once")
		if choice.Delta.Content != nil {
			texts[choice.Index] += *choice.Delta.Content
		}
		if choice.FinishReason != nil {
			ends[choice.Index]++
		}
	}
	for i := range 3 {
		require.Equal(t, "Hello, world", texts[i])
		require.Equal(t, 1, ends[i])
	}
}

func TestAnErrorAfterTheFirstByteIsAnEvent(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
		send(infer.Chunk{Err: fault.New(fault.OutOfMemory, "the cache is full")})
	}
	r := b.send("POST", chatPath, ask(`"stream": true`))
	require.Equal(t, http.StatusOK, r.status)
	all := events(t, r.body)
	var e ErrorReply
	require.NoError(t, json.Unmarshal([]byte(all[len(all)-1].data), &e))
	require.Equal(t, "out_of_memory", e.Error.Code)
	require.Equal(t, "the cache is full", e.Error.Message)
	require.NotContains(t, r.body, "[DONE]")
}

func TestKeepAliveWhileTheModelIsMade(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeepAlive = 5 * time.Millisecond })
	release := make(chan struct{})
	b.catalog.acquire = func(context.Context, string) error { <-release; return nil }
	lines := b.open(t, chatPath, ask(`"stream": true`))
	require.Equal(t, ": keep-alive", <-lines)
	close(release)
	var rest []string
	for line := range lines {
		rest = append(rest, line)
	}
	require.Contains(t, strings.Join(rest, "\n"), "data: [DONE]")
}

func TestKeepAliveDuringALongPromptThenAnError(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeepAlive = 5 * time.Millisecond })
	release := make(chan struct{})
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		<-release
		send(infer.Chunk{Err: fault.New(fault.Internal, "boom")})
	}
	lines := b.open(t, chatPath, ask(`"stream": true`))
	require.Equal(t, ": keep-alive", <-lines)
	close(release)
	var rest []string
	for line := range lines {
		rest = append(rest, line)
	}
	text := strings.Join(rest, "\n")
	require.Contains(t, text, `data: {"error":{`)
	require.NotContains(t, text, "[DONE]")
	require.NotContains(t, text, "boom")
}

func TestEachEventIsFlushed(t *testing.T) {
	b := newBench(t)
	step := make(chan struct{})
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		for _, w := range []string{"one", "two"} {
			send(infer.Chunk{Text: w, Tokens: 1})
			<-step // the next word is said when this one has been read
		}
		send(infer.Chunk{FinishReason: "stop"})
	}
	lines := b.open(t, chatPath, ask(`"stream": true`))
	for line := range lines {
		if strings.Contains(line, `"content":"one"`) || strings.Contains(line, `"content":"two"`) {
			step <- struct{}{}
		}
	}
}

func TestAClientThatLeavesStopsItsGeneration(t *testing.T) {
	for _, stream := range []string{"true", "false"} {
		t.Run("stream "+stream, func(t *testing.T) {
			b := newBench(t)
			started := make(chan struct{}, 2)
			b.engine.script = func(ctx context.Context, _ infer.Request, send func(infer.Chunk) bool) {
				started <- struct{}{}
				for send(infer.Chunk{Text: "on and ", Tokens: 1}) {
				}
			}
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, "POST", b.URL+chatPath, strings.NewReader(ask(`"n": 2, "stream": `+stream)))
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/json")
			go func() {
				if resp, err := b.Client().Do(r); err == nil {
					_, _ = bufio.NewReader(resp.Body).ReadString(0)
					resp.Body.Close()
				}
			}()
			<-started
			<-started
			leave()
			require.Eventually(t, func() bool { return b.engine.streams() == 0 && b.gateway.abandoned.Load() == 1 }, 5*time.Second, time.Millisecond, "%d streams, %d abandoned", b.engine.streams(), b.gateway.abandoned.Load())
		})
	}
}

// open posts a body and gives the reply's lines as they come, without blanks.
func (b *bench) open(t *testing.T, path, body string, change ...func(*http.Request)) <-chan string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", b.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	resp, err := b.Client().Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer resp.Body.Close()
		for s := bufio.NewScanner(resp.Body); s.Scan(); {
			if s.Text() == "" {
				continue
			}
			select {
			case lines <- s.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	return lines
}
