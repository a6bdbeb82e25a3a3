package test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stream is a reply of server-sent events, taken apart.
type stream struct {
	events   []object // those with data, but for the last, [DONE]
	done     bool     // it ended with [DONE]
	comments int
}

// readStream takes a reply apart, and fails on anything that is no event.
func readStream(t *testing.T, r reply) stream {
	t.Helper()
	require.Equal(t, 200, r.status, "%s", r.body)
	require.Contains(t, r.header.Get("Content-Type"), "text/event-stream")
	require.Equal(t, "no-cache", r.header.Get("Cache-Control"))
	require.Equal(t, "no", r.header.Get("X-Accel-Buffering"))
	var s stream
	body, whole := strings.CutSuffix(string(r.body), "\n\n")
	require.True(t, whole, "the last event is cut short: %q", tail(string(r.body), 3))
	for block := range strings.SplitSeq(body, "\n\n") {
		data, isData := strings.CutPrefix(block, "data: ")
		switch {
		case s.done:
			t.Fatalf("%q follows [DONE]", block)
		case strings.HasPrefix(block, ":"):
			s.comments++
		case data == "[DONE]":
			s.done = true
		default:
			require.True(t, isData, "%q is no event", block)
			var event object
			require.NoError(t, json.Unmarshal([]byte(data), &event), "%s", data)
			s.events = append(s.events, event)
		}
	}
	return s
}

// choice gives the chunks of one choice, in order.
func (s stream) choice(index int) []object {
	var chunks []object
	for _, e := range s.events {
		for _, c := range e.list("choices") {
			if int(c.number("index")) == index {
				chunks = append(chunks, c)
			}
		}
	}
	return chunks
}

// text is what a choice's chunks add up to, of a chat or of a text completion.
func (s stream) text(index int) string {
	var text strings.Builder
	for _, c := range s.choice(index) {
		text.WriteString(c.object("delta").text("content") + c.text("text"))
	}
	return text.String()
}

// question is a chat of one turn with further fields.
func question(content any, more object) object {
	body := object{"model": base, "temperature": 0, "max_tokens": 32, "messages": []object{{"role": "user", "content": content}}}
	for key, value := range more {
		body[key] = value
	}
	return body
}

const (
	chatRoute       = "/v1/chat/completions"
	completionRoute = "/v1/completions"
	japanese        = "太郎さんはりんごを27個持っています。35個もらいました。全部で何個ですか。"
)

func TestStreamsHaveTheFormThatClientsRead(t *testing.T) {
	s := start(t, options{})

	t.Run("chunks of a chat", func(t *testing.T) {
		whole := s.call("POST", chatRoute, question(japanese, nil)).list("choices")[0]
		got := readStream(t, s.send("POST", chatRoute, question(japanese, object{"stream": true})))
		require.True(t, got.done)
		for _, e := range got.events {
			require.Equal(t, "chat.completion.chunk", e.text("object"))
			require.NotContains(t, e, "usage", "nobody asked for it")
			for _, key := range []string{"id", "created", "model"} {
				require.NotEmpty(t, e[key], key)
				require.Equal(t, got.events[0][key], e[key], key)
			}
		}
		chunks := got.choice(0)
		first, last := chunks[0], chunks[len(chunks)-1]
		require.Equal(t, map[string]any{"role": "assistant", "content": ""}, first["delta"])
		require.Equal(t, map[string]any{}, last["delta"])
		require.Equal(t, whole.text("finish_reason"), last.text("finish_reason"))
		for _, c := range chunks[:len(chunks)-1] {
			require.Nil(t, c["finish_reason"])
		}
		require.Equal(t, whole.object("message").text("content"), got.text(0))
	})

	t.Run("chunks of a completion", func(t *testing.T) {
		body := object{"model": base, "prompt": "3+4=", "max_tokens": 8, "temperature": 0}
		whole := s.call("POST", completionRoute, body).list("choices")[0]
		body["stream"] = true
		got := readStream(t, s.send("POST", completionRoute, body))
		require.True(t, got.done)
		for _, e := range got.events {
			require.Equal(t, "text_completion", e.text("object"))
			require.Equal(t, got.events[0]["id"], e["id"])
		}
		require.Equal(t, whole.text("text"), got.text(0))
	})

	t.Run("usage", func(t *testing.T) {
		whole := s.call("POST", chatRoute, question(japanese, nil)).object("usage")
		got := readStream(t, s.send("POST", chatRoute, question(japanese, object{"stream": true, "stream_options": object{"include_usage": true}})))
		require.True(t, got.done)
		body, last := got.events[:len(got.events)-1], got.events[len(got.events)-1]
		for _, e := range body {
			usage, there := e["usage"]
			require.True(t, there && usage == nil, "%v", e)
		}
		require.Equal(t, []any{}, last["choices"])
		require.Equal(t, whole["completion_tokens"], last.object("usage")["completion_tokens"])
	})

	t.Run("several choices", func(t *testing.T) {
		more := object{"n": 3, "temperature": 1, "seed": 5}
		whole := s.call("POST", chatRoute, question(japanese, more)).list("choices")
		more["stream"] = true
		got := readStream(t, s.send("POST", chatRoute, question(japanese, more)))
		for i, want := range whole {
			require.Equal(t, want.object("message").text("content"), got.text(i))
			chunks := got.choice(i)
			require.Equal(t, want.text("finish_reason"), chunks[len(chunks)-1].text("finish_reason"))
		}
	})

	t.Run("half characters are held back", func(t *testing.T) {
		// Hot enough that tokens of single bytes come in any order.
		more := object{"temperature": 2, "ignore_eos": true, "max_tokens": 200, "seed": 11, "n": 4}
		whole := s.call("POST", chatRoute, question(japanese, more)).list("choices")
		more["stream"] = true
		got := readStream(t, s.send("POST", chatRoute, question(japanese, more)))
		for i, want := range whole {
			require.Equal(t, want.object("message").text("content"), got.text(i))
		}
		text := readStream(t, s.send("POST", chatRoute, question(japanese, object{"stream": true}))).text(0)
		require.NotContains(t, text, "\ufffd")
		require.Regexp(t, `\p{Han}|\p{Hiragana}`, text)
	})

	t.Run("stop strings that span tokens", func(t *testing.T) {
		text := []rune(s.call("POST", chatRoute, question(japanese, nil)).list("choices")[0].object("message").text("content"))
		require.Greater(t, len(text), 8)
		for from := 1; from+3 <= len(text); from++ {
			stop := string(text[from : from+3])
			want, _, _ := strings.Cut(string(text), stop)
			more := object{"stop": []string{"never", stop}}
			whole := s.call("POST", chatRoute, question(japanese, more)).list("choices")[0]
			require.Equal(t, want, whole.object("message").text("content"), "stop at %q", stop)
			require.Equal(t, "stop", whole.text("finish_reason"))
			more["stream"] = true
			got := readStream(t, s.send("POST", chatRoute, question(japanese, more)))
			require.Equal(t, want, got.text(0), "stop at %q", stop)
		}
	})
}

// An error after the first byte can't have a status: it is the stream's last event.
func TestAStreamThatFailsSaysSo(t *testing.T) {
	s := start(t, options{args: []string{"--generate-timeout", "2s", "--keep-alive", "1ms"}})
	body := question(japanese, object{"stream": true, "n": 256, "ignore_eos": true, "max_tokens": 450, "temperature": 1})
	got := readStream(t, s.send("POST", chatRoute, body))
	require.False(t, got.done)
	require.Positive(t, got.comments, "nothing kept the connection open while nothing was sent")
	last := got.events[len(got.events)-1].object("error")
	require.Equal(t, "timeout", last.text("code"), "%v", last)
	require.NotEmpty(t, last.text("message"))
	require.NotEmpty(t, last.text("type"))
	for _, e := range got.events[:len(got.events)-1] {
		require.NotContains(t, e, "error")
	}
	s.wait("the generation to have stopped", stopTime, func() bool {
		now := s.gauges(running, waiting)
		return now[running]+now[waiting] == 0
	})
}
