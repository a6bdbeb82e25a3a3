package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/store"
)

// FuzzChatRequest posts anything at all: it is answered, or refused with the
// envelope, and never our own fault.
func FuzzChatRequest(f *testing.F) {
	for _, seed := range []string{
		ask(""), ask(`"stream": true, "stream_options": {"include_usage": true}`), ask(`"n": 2, "stop": ["a"], "temperature": 0`),
		`{"model": "base", "messages": [{"role": "system", "content": [{"type": "text", "text": "個"}]}]}`,
		ask(`"logprobs": true, "top_logprobs": 3, "logit_bias": {"5": 1}, "stop_token_ids": [2], "top_k": -1`), ask(`"logit_bias": {"05": 1e999}`),
		`{"model": "best", "messages": [{"role": "assistant", "content": null, "tool_calls": [{}]}]}`,
		ask(twoTools), ask(twoTools + `, "tool_choice": "required", "stream": true`), ask(twoTools + `, "tool_choice": {"type": "function", "function": {"name": "add"}}, "n": 2`),
		ask(`"tools": [` + tool("f", `, "strict": true, "parameters": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"enum": [1, "個"]}}}`) + `], "parallel_tool_calls": false, "response_format": {"type": "json_object"}`),
		ask(`"tools": [null, {}], "tool_choice": {}`), turns(userTurn, callTurn, toolTurn), turns(callTurn, toolTurn, `{"role": "tool", "tool_call_id": 5}`),
		`{"model": "gpt-5", "messages": [null]}`, ask(`"temperature": NaN`), ask(`"max_tokens": 1e400`),
		show(imagePart(red)+","+textPart, `"stream": true`), show(`{"type": "image_url", "image_url": "`+red+`", "detail": 5}, {"type": "image_url", "image_url": {"url": "https://pictures.example/red.png", "detail": "low"}}`, ""),
		show(`{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo"}}, {"type": "image_url", "image_url": [null]}, {"type": "image"}`, ""),
		`{"model": "base", "model": 1}`, `{"MODEL": "base"}`, `{`, `[]`, `null`, ``, "{\"model\": \"\xff\"}", `{"model": "\ud800"}`, ask(``) + ask(``),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzGeneration(t, chatPath, body) })
}

// FuzzCompletionRequest is the same for text completions.
func FuzzCompletionRequest(f *testing.F) {
	for _, seed := range []string{
		complete(`"a"`, ""), complete(`["a", [5]]`, `"stream": true, "n": 2, "best_of": 2`), complete(`[5, 6]`, `"echo": true, "logprobs": 2, "max_tokens": 0`),
		complete(`"a"`, `"best_of": 3, "logprobs": 20, "logit_bias": {"5": 1}`), complete(`"a"`, `"logit_bias": {"05": 1e999}, "logprobs": true`),
		complete(`[null]`, ""), complete(`[[9999999999]]`, `"suffix": "b"`), `{"prompt": {}}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzGeneration(t, completionsPath, body) })
}

// FuzzEmbeddingRequest is the same for embeddings.
func FuzzEmbeddingRequest(f *testing.F) {
	for _, seed := range []string{
		inputs(`"a"`, ""), inputs(`["a", [5]]`, `"encoding_format": "base64", "dimensions": 2`), inputs(`[5, 6]`, `"pooling": "last", "normalize": false`),
		inputs(`[[9999999999]]`, ""), inputs(`[null]`, `"dimensions": 1e999`), inputs(`""`, `"pooling": "cls"`), `{"input": {}}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzGeneration(t, embeddingsPath, body) })
}

// FuzzTokenizerRequest is the same for what asks the tokenizer: each body is
// posted to all that take one.
func FuzzTokenizerRequest(f *testing.F) {
	for _, seed := range []string{
		`{"prompt": "個</s>", "add_special_tokens": false, "return_token_strs": true}`, `{"prompt": "a", "parse_special": false, "model": "org/model"}`,
		`{"messages": [{"role": "user", "content": "a"}], "add_generation_prompt": false}`, `{"messages": [{"role": "tool"}], "tools": []}`,
		`{"tokens": [1, 2, 639], "model": "best"}`, `{"tokens": [-1, null, 1e99]}`, `{"prompt": "\u0000\ud800"}`, `{"prompt": "a", "model": "gpt-5"}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/tokenize", "/v1/detokenize", "/apply-template"} {
			fuzzGeneration(t, path, body)
		}
	})
}

// FuzzMessageRequest is the same for Anthropic's messages.
func FuzzMessageRequest(f *testing.F) {
	for _, seed := range []string{
		converse(""), converse(`"stream": true, "stop_sequences": ["l"], "temperature": 0, "top_k": 1, "system": [{"type": "text", "text": "個"}]`),
		converse(`"tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "tool", "name": "f"}`),
		converse(`"output_config": {"format": {"type": "json_schema", "schema": {"type": "integer"}}}`), converse(`"thinking": {"type": "enabled"}`),
		`{"model": "base", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image"}]}]}, {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]}]}`,
		`{"model": "base", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}`,
		converseWith(`[` + imageBlock(red) + `, {"type": "text", "text": "what?"}, ` + urlBlock + `]`), converseWith(`[{"type": "image", "source": {"type": "base64", "data": null}}, {"type": "image", "source": [5]}]`),
		`{"model": "gpt-5", "max_tokens": 1e9, "messages": [null]}`, `{"max_tokens": null, "messages": [{}]}`, `{"system": {}}`, `[]`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzGeneration(t, messagesPath, body) })
}

// FuzzResponseRequest is the same for responses, which can go on from each other.
func FuzzResponseRequest(f *testing.F) {
	for _, seed := range []string{
		respond(`"a"`, ""), respond(`"a"`, `"stream": true, "instructions": "b", "metadata": {"c": "d"}, "include": ["message.output_text.logprobs"], "top_logprobs": 2`),
		respond(`[{"role": "user", "content": "a"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "個"}]}]`, `"truncation": "auto"`),
		respond(`[{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]}]`, ""),
		respond(`[{"type": "item_reference", "id": "msg_STORED_1"}, {"id": "msg_STORED_2"}]`, `"previous_response_id": "resp_STORED", "store": false`),
		respond(`[{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}, null]`, `"text": {"format": {"type": "json_schema", "schema": {"type": "integer"}}, "verbosity": null}`),
		respond(`"a"`, `"tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}, {"type": "web_search"}], "tool_choice": {"type": "function", "name": "f"}`),
		respond(showing(inputImage(red, `, "detail": "low"`)+`, {"type": "input_text", "text": "個"}`), `"truncation": "auto"`), respond(showing(inputImage("data:,", `, "detail": 5`)), ""),
		respond(`"a"`, `"reasoning": {"effort": "none"}, "n": 1, "use_beam_search": true, "temperature": 0`), respond(`[[], 1, {"type": {}}]`, ""), `{"input": {}}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) { fuzzGeneration(t, responsesPath, body) })
}

func fuzzGeneration(t *testing.T, path string, body []byte) {
	b := newBench(t, func(o *Options) { o.Grammars = &fakeGrammars{} })
	b.kept.kept["resp_STORED"] = store.Response{ID: "resp_STORED", Body: []byte(`{"response": {"output": [{"id": "msg_STORED_2", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]}]},
		"input": [{"id": "msg_STORED_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}]}`)}
	if bytes.Contains(body, []byte("image")) {
		b.withEyes()
	}
	b.engine.beams = func(_ infer.Request, o infer.BeamOptions) []infer.Result { return make([]infer.Result, o.Keep) }
	b.catalog.entries = b.catalog.entries[:2] // without the one that is broken
	b.gateway.encodeChat = func(_ *infer.Model, messages []chat.Message, _ bool, _ ...chat.Tool) ([]int32, error) {
		var ids []int32
		for _, m := range messages {
			ids = append(ids, int32(len(m.Role)))
			for _, p := range m.Parts {
				if p.Picture {
					ids = append(ids, idImage)
				}
			}
		}
		return ids, nil // without the words that break the fake template
	}
	b.engine.script = sayScored(t)
	if strings.Contains(string(body), "tool") {
		b.engine.script = sayBits(twoCalls, 9, "stop")
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1"+path, bytes.NewReader(body))
	r.RemoteAddr = "127.0.0.1:5000"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.gateway.Handler().ServeHTTP(w, r)
	if w.Code == http.StatusOK {
		require.NotContains(t, w.Body.String(), `{"error"`, "a stream that broke")
		require.NotContains(t, w.Body.String(), "event: error", "a stream that broke")
		return
	}
	require.True(t, w.Code >= 400 && w.Code < 500, "%d %s", w.Code, w.Body)
	var e ErrorReply
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e), w.Body)
	require.NotEmpty(t, e.Error.Message)
	require.NotEmpty(t, e.Error.Code)
	require.NotEmpty(t, e.Error.Type)
}
