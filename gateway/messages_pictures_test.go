package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/chat"
)

// converseWith is a message in which the user says and shows something, in blocks.
func converseWith(content string) string {
	return `{"model": "base", "max_tokens": 100, "messages": [{"role": "user", "content": ` + content + `}]}`
}

// imageBlock is a picture as Anthropic's clients send it.
func imageBlock(uri string) string {
	_, data, _ := strings.Cut(uri, ";base64,")
	return `{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "` + data + `"}}`
}

const urlBlock = `{"type": "image", "source": {"type": "url", "url": "https://pictures.example/red.png"}}`

func TestMessagesShowPictures(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []int32
	}{
		"base64":       {converseWith(`[` + imageBlock(red) + `, {"type": "text", "text": "what?"}]`), shownPrompt("user: #what?")},
		"an address":   {converseWith(`[{"type": "text", "text": "what?"}, ` + urlBlock + `]`), shownPrompt("user: what?#")},
		"stop between": {converseWith(`[{"type": "text", "text": "a"}, ` + imageBlock(red) + `, ` + imageBlock(blue) + `, {"type": "text", "text": "b"}, {"type": "text", "text": "c"}]`), shownPrompt("user: a##bc")},
		"two turns of one": {`{"model": "base", "max_tokens": 9, "messages": [{"role": "user", "content": [` + urlBlock + `, {"type": "text", "text": "a"}]}, {"role": "user", "content": "b"}, {"role": "user", "content": [` + urlBlock + `]}]}`,
			shownPrompt("user: #a\n\nb#")},
		"a tool's result": {`{"model": "base", "max_tokens": 9, "messages": [{"role": "user", "content": "look"},
			{"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {}}]},
			{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "here"}, ` + imageBlock(red) + `]}, {"type": "text", "text": "well?"}]}]}`,
			shownPrompt("user: look", "assistant: ", "tool: here#", "user: well?")},
	} {
		b := newBench(t)
		b.withEyes()
		r := b.send("POST", messagesPath, c.body)
		require.Equal(t, http.StatusOK, r.status, "%s: %s", name, r.body)
		asked := b.engine.seen()[0]
		require.Equal(t, c.want, asked.Prompt, name)
		require.NotEmpty(t, asked.Pictures, name)
		require.Contains(t, r.body, `"input_tokens":`+itoa(len(c.want)), name)
		var counted MessageTokenCount
		b.send("POST", messagesPath+"/count_tokens", c.body).into(t, &counted)
	}
}

func TestCountedMessagesShowPictures(t *testing.T) {
	b := newBench(t)
	b.withEyes()
	var with, without MessageTokenCount
	b.send("POST", messagesPath+"/count_tokens", converseWith(`[`+imageBlock(red)+`, {"type": "text", "text": "what?"}]`)).into(t, &with)
	b.send("POST", messagesPath+"/count_tokens", converseWith(`"what?"`)).into(t, &without)
	require.Equal(t, without.InputTokens+20, with.InputTokens)
	require.Equal(t, []chat.Part{{Picture: true}, {Text: "what?"}}, b.told[0].messages[0].Parts)
}

func TestImageBlocksAreRefusedByTheirPlace(t *testing.T) {
	source := func(fields string) string {
		return converseWith(`[{"type": "text", "text": "a"}, {"type": "image"` + fields + `}]`)
	}
	at := "messages[0].content[1].source"
	for name, c := range map[string]struct{ body, param, code string }{
		"no source":      {source(""), at, "invalid"},
		"a string":       {source(`, "source": "x"`), at, "invalid"},
		"no type":        {source(`, "source": {}`), at + ".type", "invalid"},
		"a file":         {source(`, "source": {"type": "file", "file_id": "f"}`), at + ".type", "unsupported_parameter"},
		"no data":        {source(`, "source": {"type": "base64", "media_type": "image/png"}`), at + ".data", "invalid"},
		"empty data":     {source(`, "source": {"type": "base64", "media_type": "image/png", "data": ""}`), at + ".data", "invalid"},
		"no base64":      {source(`, "source": {"type": "base64", "media_type": "image/png", "data": "!"}`), at + ".data", "invalid"},
		"no picture":     {source(`, "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}`), at + ".data", "invalid"},
		"no url":         {source(`, "source": {"type": "url"}`), at + ".url", "invalid"},
		"an unknown url": {source(`, "source": {"type": "url", "url": "https://elsewhere.example/"}`), at + ".url", "invalid"},
		"of a tool": {converseWith(`[{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {"type": "url"}}]}]`),
			"messages[0].content[0].content[0].source.url", "invalid"},
		"an assistant's": {`{"model": "base", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": [` + urlBlock + `]}]}`,
			"messages[1].content[0].type", "invalid"},
	} {
		b := newBench(t)
		b.withEyes()
		e := b.send("POST", messagesPath, c.body).requireMessageError(t, http.StatusBadRequest, "invalid_request_error", c.param)
		require.Equal(t, c.code, e.Code, name)
		require.Empty(t, b.engine.seen(), name)
	}
}
