package test

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzBodies is how many bodies each route gets; MERGEWAY_FUZZ_BODIES changes it.
const fuzzBodies = 300

// Whatever is posted to a running server, it is answered or refused, in a form
// that a client can read, and it is never the server's fault. Bodies are made from
// good ones, by putting what is not expected where something is, so that most of
// them get past the parser. The seed is fixed: a failure can be repeated.
func TestAnyBodyGetsAnAnswerOrARefusal(t *testing.T) {
	s := start(t, options{args: []string{"--max-max-tokens", "64", "--api-keys", "root"}})
	s.key = "root"
	before := s.ask(base, "3+4")
	s.postMutated(fuzzSeeds)
	require.Equal(t, before, s.ask(base, "3+4"))
	log, err := os.ReadFile(s.log)
	require.NoError(t, err)
	require.NotContains(t, string(log), "panic", "a panic was caught")
	require.Zero(t, s.stop())
}

// postMutated posts bodies that are none any more, route by route.
func (s *server) postMutated(all map[string][]string) {
	t := s.t
	t.Helper()
	count := fuzzBodies
	if given := os.Getenv("MERGEWAY_FUZZ_BODIES"); given != "" {
		var err error
		count, err = strconv.Atoi(given)
		require.NoError(t, err)
	}
	for route, seeds := range all {
		t.Run(route, func(t *testing.T) {
			method, path, _ := strings.Cut(route, " ")
			seen := map[int]int{}
			var mu sync.Mutex
			var work sync.WaitGroup
			for worker := range 4 {
				work.Go(func() {
					r := rand.New(rand.NewPCG(uint64(worker), 7))
					for range count / 4 {
						body := mutated(r, seeds[r.IntN(len(seeds))])
						reply, err := s.try(method, path, body)
						mu.Lock()
						seen[reply.status]++
						mu.Unlock()
						if err == nil {
							err = wellFormed(reply)
						}
						if err != nil {
							t.Errorf("%s with %s: %v", route, body, err)
							return
						}
					}
				})
			}
			work.Wait()
			t.Log(seen)
			require.Greater(t, len(seen), 1, "all bodies got the same status: they are no test")
		})
	}
}

// What people send as pictures is no better.
func TestAnyPictureGetsAnAnswerOrARefusal(t *testing.T) {
	s := start(t, options{models: seeingModels(t), args: []string{"--max-max-tokens", "4"}})
	red := painted(t, 30, 20, color.RGBA{255, 0, 0, 255})
	chat := `{"model": "seeing", "max_tokens": 2, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "` + red + `", "detail": "low"}}, {"type": "text", "text": "a"}]}]}`
	s.postMutated(map[string][]string{
		"POST /v1/chat/completions": {chat},
		"POST /tokenize":            {chat},
		"POST /v1/responses":        {`{"model": "seeing", "max_output_tokens": 2, "store": false, "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "` + red + `"}]}]}`},
		"POST /v1/messages":         {`{"model": "seeing", "max_tokens": 2, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "` + red[strings.Index(red, ",")+1:] + `"}}]}]}`},
	})
	log, err := os.ReadFile(s.log)
	require.NoError(t, err)
	require.NotContains(t, string(log), "panic", "a panic was caught")
}

// wellFormed wants success, or an envelope, OpenAI's or Anthropic's, with a status
// that blames the client. A stream may not break either.
func wellFormed(r reply) error {
	if r.status < 300 {
		if strings.Contains(string(r.body), `data: {"error"`) || strings.Contains(string(r.body), "event: error") {
			return fmt.Errorf("a stream that broke: %s", r.body)
		}
		return nil
	}
	var refusal struct {
		Error struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal(r.body, &refusal); err != nil {
		return fmt.Errorf("status %d with %s: %w", r.status, r.body, err)
	}
	if e := refusal.Error; r.status < 400 || r.status >= 500 || e.Message == "" || e.Type == "" || e.Code == "" {
		return fmt.Errorf("status %d: %s", r.status, r.body)
	}
	return nil
}

// fuzzSeeds are good bodies, by route.
var fuzzSeeds = map[string][]string{
	"POST /v1/chat/completions": {
		`{"model": "base", "messages": [{"role": "user", "content": "3+4"}], "max_tokens": 4, "temperature": 0.5, "top_p": 0.9, "seed": 1}`,
		`{"model": "base", "messages": [{"role": "system", "content": "数"}, {"role": "user", "content": [{"type": "text", "text": "3"}]}], "max_tokens": 3, "stream": true, "stream_options": {"include_usage": true}}`,
		`{"model": "base", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "n": 2, "stop": ["7"], "logit_bias": {"5": 1}, "logprobs": true, "top_logprobs": 2, "min_p": 0.1, "top_k": 5}`,
		`{"model": "base", "messages": [{"role": "user", "content": "x"}], "max_tokens": 20, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}}}}`,
		`{"model": "base", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "guided_regex": "[0-9]{1,3}", "frequency_penalty": 0.1, "presence_penalty": 0.1, "repetition_penalty": 1.1}`,
		`{"model": "base", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "use_beam_search": true, "n": 2, "temperature": 0, "length_penalty": 0.5}`,
		`{"model": "base", "messages": [{"role": "user", "content": "x"}], "max_tokens": 4, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "tool_choice": "auto"}`,
	},
	"POST /v1/completions": {
		`{"model": "base", "prompt": "3+4=", "max_tokens": 4, "temperature": 0}`,
		`{"model": "base", "prompt": ["3", [5, 6]], "max_tokens": 2, "echo": true, "logprobs": 2}`,
		`{"model": "base", "prompt": [5, 6, 7], "max_tokens": 3, "best_of": 2, "n": 1, "stream": false, "typical_p": 0.5, "min_tokens": 1, "stop_token_ids": [2]}`,
	},
	"POST /v1/messages": {
		`{"model": "base", "max_tokens": 4, "messages": [{"role": "user", "content": "3+4"}], "temperature": 0.5, "top_p": 0.9, "top_k": 5, "stop_sequences": ["7"]}`,
		`{"model": "base", "max_tokens": 3, "system": [{"type": "text", "text": "数"}], "messages": [{"role": "user", "content": [{"type": "text", "text": "3"}]}, {"role": "assistant", "content": "4"}], "stream": true}`,
		`{"model": "base", "max_tokens": 20, "messages": [{"role": "user", "content": "x"}], "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}}}}`,
		`{"model": "base", "max_tokens": 4, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"b": 1}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "2"}]}], "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}}`,
	},
	"POST /v1/messages/count_tokens": {
		`{"model": "base", "system": "数", "messages": [{"role": "user", "content": [{"type": "text", "text": "3"}]}]}`,
	},
	"POST /v1/embeddings": {
		`{"model": "base", "input": ["3+4", [5, 6], "太郎"], "encoding_format": "base64", "dimensions": 8, "pooling": "last", "normalize": false}`,
		`{"model": "base", "input": [5, 6, 7], "encoding_format": "float", "user": "me"}`,
	},
	"POST /tokenize": {
		`{"model": "base", "prompt": "3</s>太郎", "add_special_tokens": false, "parse_special": true, "return_token_strs": true}`,
		`{"messages": [{"role": "user", "content": "x"}], "add_generation_prompt": false}`,
	},
	"POST /v1/detokenize":  {`{"model": "base", "tokens": [1, 5, 261, 639]}`},
	"POST /apply-template": {`{"model": "base", "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "add_generation_prompt": true}`},
	"POST /v1/responses": {
		`{"model": "base", "input": "3+4", "max_output_tokens": 4, "temperature": 0.5, "instructions": "数", "metadata": {"a": "b"}, "store": true}`,
		`{"model": "base", "input": [{"role": "user", "content": "3"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4"}]}, {"role": "user", "content": [{"type": "input_text", "text": "5"}]}], "max_output_tokens": 3, "stream": true}`,
		`{"model": "base", "input": "3", "max_output_tokens": 20, "truncation": "auto", "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}}}}`,
		`{"model": "base", "input": "3", "max_output_tokens": 3, "include": ["message.output_text.logprobs"], "top_logprobs": 2, "previous_response_id": null, "store": false, "stream": true}`,
		`{"model": "base", "input": [{"role": "user", "content": "3"}, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": "4"}, {"type": "item_reference", "id": "msg_A_1"}], "max_output_tokens": 3}`,
		`{"model": "base", "input": "3", "max_output_tokens": 3, "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}], "tool_choice": "auto", "parallel_tool_calls": false}`,
	},
	"POST /v1/recipes": {
		`{"name": "x", "recipe": {"method": "linear", "sources": [{"model": "base", "weight": [0.5]}, {"model": "ja-general", "weight": [0.5]}], "dtype": "bfloat16"}}`,
		`{"method": "dare_ties", "base_model": "base", "sources": [{"model": "en-math-a", "weight": [0.5], "density": [0.5]}], "seed": 3, "normalize": true, "lambda": 0.5, "rescale": "density"}`,
	},
	"PUT /v1/aliases/best":           {`{"target": "base"}`, `{"target": "ja-general", "if_target": "base"}`},
	"POST /v1/aliases/best/rollback": {`{}`, `{"steps": 1}`, `{"to": "base", "if_target": "ja-general"}`},
	"POST /v1/keys": {
		`{"name": "ci", "scopes": ["inference", "search"], "expires_at": "2999-01-01T00:00:00Z", "limits": {"requests_per_minute": 5, "tokens_per_minute": 100, "concurrent_requests": 2}}`,
	},
}

// hostile are values that somebody will send one day.
var hostile = []string{
	`null`, `true`, `0`, `-1`, `1`, `2`, `-0.0`, `1e9`, `1e308`, `9223372036854775808`, `0.1`, `0.5`, `3`, `""`, `"a"`, `"\u0000"`, `"\ud800"`,
	`"</s>"`, `"[INST]"`, `"../../etc/passwd"`, `"base"`, `"ja-general"`, `"best"`, `[]`, `{}`, `[null]`, `[[]]`, `[[[[[[[[1]]]]]]]]`, `{"a": {"a": {"a": {}}}}`,
	`[1, 2, 3]`, `["a", "a"]`, `[-1]`, `[99999999]`, `"auto"`, `"none"`, `{"type": "text"}`, `{"type": "json_object"}`, `{"$ref": "#"}`, `"(a+)+$"`,
	`"` + strings.Repeat("数", 3000) + `"`, `[` + strings.Repeat(`1,`, 3000) + `1]`, `{"type":"object","properties":{"a":{"$ref":"#/properties/a"}}}`,
}

// brokenJSON are values that no parser should take.
var brokenJSON = []string{`NaN`, `1e999`, `'a'`, `"` + "\xff" + `"`, `,`, strings.Repeat(`[`, 20000), `"`, `01`, `{"a"}`}

// mutated makes one or two changes to a body: a value that becomes another, a
// field that goes, appears twice or gets another's value, bytes that change.
func mutated(r *rand.Rand, body string) string {
	for range 1 + r.IntN(2) {
		if r.IntN(20) == 0 {
			body = damaged(r, body)
			continue
		}
		spans := valueSpans(body)
		if len(spans) < 2 {
			return body
		}
		at := spans[1+r.IntN(len(spans)-1)] // not the whole
		value := hostile[r.IntN(len(hostile))]
		switch r.IntN(12) {
		case 0:
			value = brokenJSON[r.IntN(len(brokenJSON))]
		case 1, 2, 3:
			other := spans[r.IntN(len(spans))]
			value = body[other[0]:other[1]]
		}
		body = body[:at[0]] + value + body[at[1]:]
	}
	return body
}

// damaged changes a few bytes.
func damaged(r *rand.Rand, body string) string {
	if body == "" {
		return body
	}
	at := r.IntN(len(body))
	switch r.IntN(3) {
	case 0:
		return body[:at]
	case 1:
		return body[:at] + string(rune(r.IntN(0x3000))) + body[at+1:]
	}
	return body[:at] + body[at+1:]
}

// valueSpans finds where the values of a JSON text are, from the outside in.
func valueSpans(body string) [][2]int {
	var spans [][2]int
	var walk func(from int, raw json.RawMessage)
	walk = func(from int, raw json.RawMessage) {
		spans = append(spans, [2]int{from, from + len(raw)})
		var children []json.RawMessage
		switch raw[0] {
		case '{':
			var fields map[string]json.RawMessage
			if json.Unmarshal(raw, &fields) != nil {
				return
			}
			for _, v := range fields {
				children = append(children, v)
			}
			slices.SortFunc(children, func(a, b json.RawMessage) int { return strings.Compare(string(a), string(b)) }) // maps have no order, and the seed is to decide alone
		case '[':
			if json.Unmarshal(raw, &children) != nil {
				return
			}
		}
		for _, child := range children {
			if at := strings.Index(string(raw), string(child)); at >= 0 && len(child) > 0 {
				walk(from+at, child)
			}
		}
	}
	if json.Valid([]byte(body)) {
		trimmed := strings.TrimSpace(body)
		walk(strings.Index(body, trimmed), json.RawMessage(trimmed))
	}
	return spans
}
