package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/constrain"
)

const responsesPath = "/v1/responses"

// respond is a request body for a response, with further fields.
func respond(input, more string) string {
	if more != "" {
		more = ", " + more
	}
	return `{"model": "base", "input": ` + input + more + `}`
}

// response posts a body that must get a response.
func (b *bench) response(body string) Response {
	b.t.Helper()
	r := b.send("POST", responsesPath, body)
	require.Equal(b.t, http.StatusOK, r.status, r.body)
	var got Response
	r.into(b.t, &got)
	return got
}

// texts are the texts of a response's messages.
func (r Response) texts() (all []string) {
	for _, item := range r.Output {
		for _, p := range item.Content {
			all = append(all, *p.Text)
		}
	}
	return all
}

func TestAResponseHasEveryFieldOfOpenAIs(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", responsesPath, respond(`"hi"`, ""))
	require.Equal(t, http.StatusOK, r.status, r.body)
	var fields map[string]any
	r.into(t, &fields)
	id, created := fields["id"].(string), fields["created_at"]
	token, found := strings.CutPrefix(id, "resp_")
	require.True(t, found, id)
	require.InDelta(t, created, fields["completed_at"], 60)
	require.Greater(t, created, 1.7e9)
	for _, varying := range []string{"id", "created_at", "completed_at"} {
		delete(fields, varying)
	}
	require.Equal(t, map[string]any{
		"object": "response", "status": "completed", "background": false, "error": nil, "incomplete_details": nil,
		"instructions": nil, "max_output_tokens": nil, "max_tool_calls": nil, "metadata": map[string]any{}, "model": "base",
		"output": []any{map[string]any{
			"id": "msg_" + token + "_2", "type": "message", "status": "completed", "role": "assistant",
			"content": []any{map[string]any{"type": "output_text", "text": "Hello, world", "annotations": []any{}, "logprobs": []any{}}},
		}},
		"parallel_tool_calls": true, "previous_response_id": nil, "reasoning": map[string]any{"effort": nil, "summary": nil},
		"service_tier": "default", "store": true, "temperature": 1.0, "text": map[string]any{"format": map[string]any{"type": "text"}},
		"tool_choice": "auto", "tools": []any{}, "top_logprobs": 0.0, "top_p": 1.0, "truncation": "disabled",
		"usage": map[string]any{
			"input_tokens": 3.0, "input_tokens_details": map[string]any{"cached_tokens": 0.0, "cache_write_tokens": 0.0},
			"output_tokens": 4.0, "output_tokens_details": map[string]any{"reasoning_tokens": 0.0}, "total_tokens": 7.0,
		},
	}, fields)
}

func TestAResponseRepeatsWhatWasAskedFor(t *testing.T) {
	format := `{"type":"json_schema","name":"n","description":"d","schema":{"type":"object","properties":{"b":{},"a":{}}},"strict":true}`
	b := newBench(t, func(o *Options) { o.Grammars = &fakeGrammars{} })
	r := b.send("POST", responsesPath, respond(`"hi"`, `"instructions": "be brief", "max_output_tokens": 9, "temperature": 0.5, "top_p": 0.25,
		"metadata": {"a": "", "b": "個"}, "store": false, "truncation": "auto", "parallel_tool_calls": false, "tool_choice": "none", "user": "u",
		"text": {"format": `+format+`, "verbosity": "medium"}, "safety_identifier": "s", "stream": false`))
	require.Equal(t, http.StatusOK, r.status, r.body)
	for _, part := range []string{
		`"instructions":"be brief"`, `"max_output_tokens":9`, `"temperature":0.5`, `"top_p":0.25`, `"metadata":{"a":"","b":"個"}`, `"store":false`,
		`"truncation":"auto"`, `"parallel_tool_calls":false`, `"tool_choice":"none"`, `"text":{"format":` + format + `}`,
	} {
		require.Contains(t, r.body, part)
	}
}

func TestAResponseIsIncompleteWhereTokensRanOut(t *testing.T) {
	b := newBench(t)
	b.engine.script = sayPrompt
	got := b.response(respond(`"hi"`, ""))
	require.Equal(t, "incomplete", got.Status)
	require.Equal(t, &IncompleteDetails{Reason: "max_output_tokens"}, got.IncompleteDetails)
	require.Equal(t, "incomplete", got.Output[0].Status)
	require.Nil(t, got.CompletedAt)
	require.Contains(t, b.kept.all(), got.ID, "it can be gone on from")
}

func TestAReplyOfNothingIsAnEmptyMessage(t *testing.T) {
	b := newBench(t)
	b.engine.script = say()
	require.Equal(t, []string{""}, b.response(respond(`"hi"`, "")).texts())
}

func TestResponsesPassSamplingToTheEngine(t *testing.T) {
	seed := uint64(7)
	for fields, want := range map[string]infer.Sampling{
		``: {Temperature: 1, TopP: 1},
		`"temperature": 0, "top_p": 0.5, "max_output_tokens": 6`:                                           {TopP: 0.5, MaxTokens: 6},
		`"temperature": null, "top_p": null, "max_output_tokens": null, "top_logprobs": 0`:                 {Temperature: 1, TopP: 1},
		`"seed": 7, "top_k": 3, "stop": ["a"], "n": 1, "stream_options": null`:                             {Temperature: 1, TopP: 1, Seed: &seed, TopK: 3, Stop: []string{"a"}},
		`"include": ["message.output_text.logprobs"]`:                                                      {Temperature: 1, TopP: 1, Logprobs: true},
		`"include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "top_logprobs": 20`:   {Temperature: 1, TopP: 1, Logprobs: true, TopLogprobs: 20},
		`"stream": true, "stream_options": {"include_obfuscation": false}, "service_tier": "auto"`:         {Temperature: 1, TopP: 1},
		`"reasoning": {"effort": "none", "summary": null}, "include": [], "tools": [], "text": {}`:         {Temperature: 1, TopP: 1},
		`"reasoning": null, "include": null, "tools": null, "text": null, "tool_choice": null, "user": ""`: {Temperature: 1, TopP: 1},
		`"background": false, "context_management": [], "conversation": null, "metadata": null`:            {Temperature: 1, TopP: 1},
		`"prompt_cache_key": "k", "max_tool_calls": 3, "something_new": {"deep": [null]}`:                  {Temperature: 1, TopP: 1},
	} {
		t.Run(fields, func(t *testing.T) {
			b := newBench(t)
			r := b.send("POST", responsesPath, respond(`"hi"`, fields))
			require.Equal(t, http.StatusOK, r.status, r.body)
			require.Equal(t, want, b.engine.seen()[0].Sampling)
		})
	}
}

func TestResponsesGiveLogprobs(t *testing.T) {
	b := newBench(t)
	b.engine.script = sayScored(t)
	got := b.response(respond(`"hi"`, `"include": ["message.output_text.logprobs"], "top_logprobs": 2`))
	logprobs := got.Output[0].Content[0].Logprobs
	require.Len(t, logprobs, 3, "the token that ended the reply is no text")
	require.Equal(t, "本", logprobs[0].Token)
	require.Len(t, logprobs[0].TopLogprobs, 2)
	require.Equal(t, 2, got.TopLogprobs)
	require.Equal(t, 2, got.Usage.InputTokensDetails.CachedTokens)

	again := b.send("GET", responsesPath+"/"+got.ID, "")
	require.Contains(t, again.body, `"logprobs":[]`, "they are told once")

	for _, stream := range []string{"false", "true"} {
		b := newBench(t, func(o *Options) { o.Limits.ReplyLogprobs = 3 })
		b.engine.script = sayScored(t)
		r := b.send("POST", responsesPath, respond(`"hi"`, `"include": ["message.output_text.logprobs"], "stream": `+stream))
		if stream == "false" {
			r.requireError(t, 400, "invalid", "include")
		}
		require.Contains(t, r.body, `the reply has more than 3 log probabilities: ask for fewer alternatives or tokens","`)
	}
}

// fakeGrammars notes what is to be compiled.
type fakeGrammars struct {
	spec   constrain.Spec
	refuse bool
}

func (f *fakeGrammars) Compile(_ constrain.Vocabulary, s constrain.Spec) (*constrain.Grammar, error) {
	f.spec = s
	if f.refuse {
		return nil, fault.Bad(s.Param, "%s has a schema that can't be kept", s.Param)
	}
	return &constrain.Grammar{}, nil
}

func TestTextFormatHoldsTheReply(t *testing.T) {
	for format, want := range map[string]constrain.Spec{
		`{"type": "text"}`:        {},
		`{"type": "json_object"}`: {Kind: constrain.JSONObject, Param: "response_format"},
		`{"type": "json_schema", "name": "n", "strict": false, "schema": {"type":"integer"}}`: {Kind: constrain.JSONSchema, Text: `{"type":"integer"}`, Param: "response_format"},
	} {
		grammars := &fakeGrammars{}
		b := newBench(t, func(o *Options) { o.Grammars = grammars })
		b.response(respond(`"hi"`, `"text": {"format": `+format+`}`))
		require.Equal(t, want, grammars.spec)
		require.Equal(t, want.Param != "", b.engine.seen()[0].Sampling.Constraint != nil)
	}
	b := newBench(t, func(o *Options) { o.Grammars = &fakeGrammars{refuse: true} })
	e := b.send("POST", responsesPath, respond(`"hi"`, `"text": {"format": {"type": "json_object"}}`)).requireError(t, 400, "invalid", "text.format")
	require.Equal(t, "text.format has a schema that can't be kept", e.Message)
}

func TestResponsesRefuseByName(t *testing.T) {
	long := strings.Repeat("x", 600)
	var many []string
	for i := range 17 {
		many = append(many, fmt.Sprintf(`"%d": ""`, i))
	}
	cases := []struct{ fields, code, param string }{
		{`"temperature": 3`, "invalid", "temperature"},
		{`"max_output_tokens": 0`, "invalid", "max_output_tokens"},
		{`"max_output_tokens": "1"`, "invalid", "max_output_tokens"},
		{`"min_tokens": -1`, "invalid", "min_tokens"},
		{`"top_logprobs": 21, "include": ["message.output_text.logprobs"]`, "invalid", "top_logprobs"},
		{`"top_logprobs": 1`, "invalid", "top_logprobs"},
		{`"include": ["message.output_text.logprobs", "all"]`, "invalid", "include[1]"},
		{`"include": "all"`, "invalid", "include"},
		{`"n": 2`, "invalid", "n"},
		{`"truncation": "middle"`, "invalid", "truncation"},
		{`"stream_options": {}`, "invalid", "stream_options"},
		{`"metadata": {` + strings.Join(many, ", ") + `}`, "invalid", "metadata"},
		{`"metadata": {"` + long + `": "a"}`, "invalid", "metadata"},
		{`"metadata": {"": "a"}`, "invalid", "metadata"},
		{`"metadata": {"a": "` + long + `"}`, "invalid", "metadata.a"},
		{`"metadata": {"a": null}`, "invalid", "metadata.a"},
		{`"metadata": {"a": 1}`, "invalid", "metadata"},
		{`"text": {"format": {"type": "yaml"}}`, "invalid", "text.format.type"},
		{`"text": {"format": {}}`, "invalid", "text.format.type"},
		{`"text": {"format": {"type": "json_schema", "name": "n"}}`, "invalid", "text.format.schema"},
		{`"text": {"format": 1}`, "invalid", "text.format"},
		{`"text": {"verbosity": "low"}`, "unsupported_parameter", "text.verbosity"},
		{`"tools": [{"type": "web_search"}]`, "unsupported_parameter", "tools[0].type"},
		{`"tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "g"}]`, "unsupported_parameter", "tools[1].type"},
		{`"tools": [null]`, "unsupported_parameter", "tools[0].type"},
		{`"tool_choice": {"type": "file_search"}`, "unsupported_parameter", "tool_choice.type"},
		{`"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}`, "unsupported_parameter", "tool_choice.type"},
		{`"tool_choice": 1`, "invalid", "tool_choice"},
		{`"tool_choice": {"type": "function"}`, "invalid", "tool_choice.name"},
		{`"background": true`, "unsupported_parameter", "background"},
		{`"conversation": "conv_1"`, "unsupported_parameter", "conversation"},
		{`"prompt": {"id": "p"}`, "unsupported_parameter", "prompt"},
		{`"moderation": {"model": "m"}`, "unsupported_parameter", "moderation"},
		{`"context_management": [{"type": "compaction"}]`, "unsupported_parameter", "context_management"},
		{`"reasoning": {"effort": "high"}`, "unsupported_parameter", "reasoning"},
		{`"reasoning": {"summary": "auto"}`, "unsupported_parameter", "reasoning"},
		{`"reasoning": true`, "unsupported_parameter", "reasoning"},
		{`"messages": [{"role": "user", "content": "hi"}]`, "unsupported_parameter", "messages"},
		{`"max_tokens": 5`, "unsupported_parameter", "max_tokens"},
		{`"response_format": {"type": "json_object"}`, "unsupported_parameter", "response_format"},
		{`"logprobs": true`, "unsupported_parameter", "logprobs"},
		{`"guided_json": {}`, "unsupported_parameter", "guided_json"},
		{`"skip_special_tokens": false`, "unsupported_parameter", "skip_special_tokens"},
		{`"model": ""`, "invalid", "model"},
		{`"model": "gpt-5"`, "model_not_found", "model"},
	}
	b := newBench(t)
	for _, c := range cases {
		for _, stream := range []string{"false", "true"} {
			t.Run(c.fields[:min(len(c.fields), 80)]+", stream "+stream, func(t *testing.T) {
				if c.param == "stream_options" && stream == "true" {
					return
				}
				status := 400
				if c.code == "model_not_found" {
					status = 404
				}
				b.send("POST", responsesPath, respond(`"hi"`, `"stream": `+stream+`, `+c.fields)).requireError(t, status, c.code, c.param)
			})
		}
	}
	require.Empty(t, b.kept.all())
}

func TestFieldsOfAChatHaveAnotherNameInAResponse(t *testing.T) {
	e := newBench(t).send("POST", responsesPath, respond(`"hi"`, `"max_tokens": 5`)).requireError(t, 400, "unsupported_parameter", "max_tokens")
	require.Contains(t, e.Message, "max_output_tokens")
	e = newBench(t).send("POST", responsesPath, respond(`"hi"`, `"min_tokens": 5, "max_output_tokens": 0`)).requireError(t, 400, "invalid", "max_output_tokens")
	require.NotContains(t, e.Message, "completion")
}

func TestFailuresOfAResponseHaveTheirStatus(t *testing.T) {
	for _, c := range []struct {
		name          string
		acquire       error
		refuse        error
		status        int
		code, param   string
		input, fields string
	}{
		{name: "a long prompt", refuse: fault.Wrap(infer.ErrContextLength, fault.Invalid, "9000 tokens, 8192 fit"), status: 400, code: "context_length_exceeded", param: "input"},
		{name: "a template that raises", input: `"raise"`, status: 400, code: "invalid", param: "input"},
		{name: "a full queue", refuse: fault.New(fault.Busy, "no"), status: 429, code: "busy"},
		{name: "no memory", acquire: fault.New(fault.OutOfMemory, "no"), status: 503, code: "out_of_memory"},
		{name: "our own fault", refuse: fmt.Errorf("secret"), status: 500, code: "internal"},
	} {
		for _, stream := range []string{"false", "true"} {
			t.Run(c.name+", stream "+stream, func(t *testing.T) {
				b := newBench(t)
				b.catalog.acquire = func(context.Context, string) error { return c.acquire }
				b.engine.refuse = c.refuse
				if c.input == "" {
					c.input = `"hi"`
				}
				b.send("POST", responsesPath, respond(c.input, `"stream": `+stream)).requireError(t, c.status, c.code, c.param)
				require.Empty(t, b.kept.all())
			})
		}
	}
}

func TestAnErrorInTheMiddleOfAWholeResponseIsAnError(t *testing.T) {
	b := newBench(t)
	b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
		send(infer.Chunk{Text: "Hel", Tokens: 1})
		send(infer.Chunk{Err: fault.New(fault.OutOfMemory, "the cache is full")})
	}
	b.send("POST", responsesPath, respond(`"hi"`, "")).requireError(t, 503, "out_of_memory", "")
	require.Empty(t, b.kept.all())
}
