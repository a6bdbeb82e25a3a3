package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestChatRefusesByName(t *testing.T) {
	many := `["` + strings.Repeat(`x","`, 40) + `x"]`
	cases := []struct {
		name, body  string
		param, code string
	}{
		{"no model", `{"messages": [{"role": "user", "content": "hi"}]}`, "model", "invalid"},
		{"a model that is no string", `{"model": 3, "messages": []}`, "model", "invalid"},
		{"a long model", `{"model": "` + strings.Repeat("x", 300) + `", "messages": []}`, "model", "invalid"},
		{"no messages", `{"model": "base"}`, "messages", "invalid"},
		{"empty messages", `{"model": "base", "messages": []}`, "messages", "invalid"},
		{"messages that are no list", `{"model": "base", "messages": "hi"}`, "messages", "invalid"},
		{"an unknown role", `{"model": "base", "messages": [{"role": "robot", "content": "hi"}]}`, "messages[0].role", "invalid"},
		{"a function's turn", `{"model": "base", "messages": [{"role": "function", "content": "hi"}]}`, "messages[0].role", "unsupported_parameter"},
		{"null content", `{"model": "base", "messages": [{"role": "user", "content": null}]}`, "messages[0].content", "invalid"},
		{"missing content", `{"model": "base", "messages": [{"role": "user"}]}`, "messages[0].content", "invalid"},
		{"content that is a number", `{"model": "base", "messages": [{"role": "user", "content": 5}]}`, "messages[0].content", "invalid"},
		{"an empty list of parts", `{"model": "base", "messages": [{"role": "user", "content": []}]}`, "messages[0].content", "invalid"},
		{"a part that is no object", `{"model": "base", "messages": [{"role": "user", "content": ["hi"]}]}`, "messages[0].content", "invalid"},
		{"a part without text", `{"model": "base", "messages": [{"role": "user", "content": [{"type": "text"}]}]}`, "messages[0].content[0].text", "invalid"},
		{"an image", `{"model": "base", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}]}`, "messages[0].content[1]", "invalid"},
		{"an unknown part", `{"model": "base", "messages": [{"role": "user", "content": [{"type": "smell"}]}]}`, "messages[0].content[0].type", "invalid"},
		{"a template that raises", `{"model": "base", "messages": [{"role": "user", "content": "raise"}]}`, "messages", "invalid"},

		{"NaN", ask(`"temperature": NaN`), "temperature", "invalid"},
		{"a cold temperature", ask(`"temperature": -0.1`), "temperature", "invalid"},
		{"a hot temperature", ask(`"temperature": 2.1`), "temperature", "invalid"},
		{"1e9", ask(`"temperature": 1e9`), "temperature", "invalid"},
		{"1e999", ask(`"temperature": 1e999`), "temperature", "invalid"},
		{"a temperature in quotes", ask(`"temperature": "1"`), "temperature", "invalid"},
		{"top_p 0", ask(`"top_p": 0`), "top_p", "invalid"},
		{"top_p above 1", ask(`"top_p": 1.5`), "top_p", "invalid"},
		{"n 0", ask(`"n": 0`), "n", "invalid"},
		{"n 1e9", ask(`"n": 1000000000`), "n", "invalid"},
		{"n half", ask(`"n": 0.5`), "n", "invalid"},
		{"max_tokens 0", ask(`"max_tokens": 0`), "max_tokens", "invalid"},
		{"max_tokens -1", ask(`"max_tokens": -1`), "max_tokens", "invalid"},
		{"max_tokens 1e9", ask(`"max_tokens": 1e9`), "max_tokens", "invalid"},
		{"max_completion_tokens 1000000000", ask(`"max_completion_tokens": 1000000000`), "max_completion_tokens", "invalid"},
		{"a seed beyond 64 bits", ask(`"seed": 99999999999999999999`), "seed", "invalid"},
		{"an empty stop", ask(`"stop": ""`), "stop[0]", "invalid"},
		{"too many stops", ask(`"stop": ` + many), "stop", "invalid"},
		{"a stop that is a number", ask(`"stop": 3`), "stop", "invalid"},
		{"a null among the stops", ask(`"stop": ["a", null]`), "stop[1]", "invalid"},
		{"stream_options without stream", ask(`"stream_options": {"include_usage": true}`), "stream_options", "invalid"},
		{"a stream that is a string", ask(`"stream": "yes"`), "stream", "invalid"},

		{"functions", ask(`"functions": [{"name": "f"}]`), "functions", "unsupported_parameter"},
		{"a function call", ask(`"function_call": {"name": "f"}`), "function_call", "unsupported_parameter"},
		{"best_of", ask(`"best_of": 2`), "best_of", "unsupported_parameter"},
		{"skip_special_tokens", ask(`"skip_special_tokens": false`), "skip_special_tokens", "unsupported_parameter"},
		{"audio", ask(`"modalities": ["text", "audio"]`), "modalities", "unsupported_parameter"},
		{"echo", ask(`"echo": true`), "echo", "unsupported_parameter"},
		{"prompt_logprobs", ask(`"prompt_logprobs": 1`), "prompt_logprobs", "unsupported_parameter"},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.send("POST", chatPath, c.body).requireError(t, http.StatusBadRequest, c.code, c.param)
		})
	}
	require.Empty(t, b.engine.seen(), "nothing of this reached the engine")
}

func TestBrokenJSONIsPlaced(t *testing.T) {
	cases := []struct{ body, says string }{
		{"", "empty"},
		{"   ", "empty"},
		{"[]", "not a JSON object"},
		{`"text"`, "not a JSON object"},
		{"{\n  \"model\": \"base\",\n  \"messages\": oops}", "line 3, column 15"},
		{`{"model": "base"`, "column 17"},
		{`{"model": "base"} {}`, "follows the JSON object at line 1"},
		{"{\"model\": \"\xff\"}", "UTF-8"},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.body, func(t *testing.T) {
			r := b.send("POST", chatPath, c.body, func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") })
			require.Equal(t, http.StatusBadRequest, r.status, r.body)
			var e ErrorReply
			r.into(t, &e)
			require.Contains(t, e.Error.Message, c.says)
		})
	}
}
