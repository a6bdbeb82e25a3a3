package test

import (
	"bytes"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// What clients send, in every form that they send it in.
func TestRequestsMayHaveEveryFormThatClientsSend(t *testing.T) {
	models := t.TempDir()
	copyModel(t, models, base, base)
	copyModel(t, models, base, "org/nested")
	system := copyModel(t, models, base, "with-system")
	setTemplate(t, system, "{% for m in messages %}{{ '[INST] ' + m['role'] + ': ' + m['content'] + ' [/INST]' }}{% endfor %}")
	s := start(t, options{models: models})
	tokens := func(path string, body object) int {
		t.Helper()
		return int(s.call("POST", path, body).object("usage").number("prompt_tokens"))
	}

	t.Run("contents", func(t *testing.T) {
		want := s.ask(base, "3+4")
		parts := []object{{"type": "text", "text": "3"}, {"type": "text", "text": "+4"}}
		got := s.call("POST", chatRoute, question(parts, nil)).list("choices")[0].object("message")
		require.Equal(t, want, got.text("content"))
		require.Equal(t, "assistant", got.text("role"))
		image := []object{{"type": "image_url", "image_url": object{"url": "data:image/png;base64,iVBORw0KGgo="}}}
		refusal := s.refusal(400, "POST", chatRoute, question(image, nil))
		require.Equal(t, "messages[0].content[0]", refusal.text("param"), "a picture for a model that reads text is not dropped in silence")
		s.refusal(400, "POST", chatRoute, question(nil, nil))
	})

	t.Run("roles", func(t *testing.T) {
		chat := func(model string, roles ...string) object {
			var messages []object
			for _, role := range roles {
				messages = append(messages, object{"role": role, "content": "x"})
			}
			return object{"model": model, "max_tokens": 1, "temperature": 0, "messages": messages}
		}
		require.Equal(t, tokens(chatRoute, chat("with-system", "system", "user")), tokens(chatRoute, chat("with-system", "developer", "user")))
		s.call("POST", chatRoute, chat(base, "user", "assistant", "user"))
		refusal := s.refusal(400, "POST", chatRoute, chat(base, "user", "user"))
		require.Contains(t, refusal.text("message"), "must alternate", "the template's own words")
		require.Equal(t, "messages", refusal.text("param"))
	})

	t.Run("control tokens in a user's text are text", func(t *testing.T) {
		plain := tokens(chatRoute, question("3", nil))
		for _, name := range []string{"</s>", "[INST]", "<s>", "[/INST]"} {
			require.Greater(t, tokens(chatRoute, question("3"+name, nil)), plain+1, name)
		}
	})

	t.Run("lengths", func(t *testing.T) {
		for _, key := range []string{"max_tokens", "max_completion_tokens"} {
			got := s.call("POST", chatRoute, question(japanese, object{"max_tokens": nil, key: 3, "ignore_eos": true}))
			require.EqualValues(t, 3, got.object("usage").number("completion_tokens"), key)
			require.Equal(t, "length", got.list("choices")[0].text("finish_reason"))
		}
		upToTheContext := s.call("POST", chatRoute, question("3", object{"max_tokens": nil, "ignore_eos": true})).object("usage")
		require.EqualValues(t, 512, upToTheContext.number("total_tokens"))
		refusal := s.refusal(400, "POST", chatRoute, question(strings.Repeat("7 ", 1000), nil))
		require.Equal(t, "context_length_exceeded", refusal.text("code"))
		require.Contains(t, refusal.text("message"), "512")
		require.Regexp(t, `\d{4}`, refusal.text("message"), "the prompt's length")
	})

	t.Run("prompts", func(t *testing.T) {
		complete := func(prompt any, more object) []object {
			t.Helper()
			body := object{"model": base, "prompt": prompt, "max_tokens": 4, "temperature": 0}
			for key, value := range more {
				body[key] = value
			}
			return s.call("POST", completionRoute, body).list("choices")
		}
		one, two := complete("3+4=", nil)[0].text("text"), complete("9-2=", nil)[0].text("text")
		both := complete([]string{"3+4=", "9-2="}, object{"n": 2, "temperature": 0})
		require.Len(t, both, 4)
		for i, want := range []string{one, one, two, two} { // prompt by prompt
			require.Equal(t, want, both[i].text("text"))
			require.EqualValues(t, i, both[i].number("index"))
		}
		echoed := complete("3+4=", object{"echo": true, "logprobs": 2, "max_tokens": 1})[0]
		require.True(t, strings.HasPrefix(echoed.text("text"), "3+4="), "%q", echoed.text("text"))
		logprobs := echoed.object("logprobs")
		n := len(logprobs["tokens"].([]any))
		for _, key := range []string{"token_logprobs", "top_logprobs", "text_offset"} {
			require.Len(t, logprobs[key], n, key)
		}
		require.Nil(t, logprobs["token_logprobs"].([]any)[0], "nothing comes before the first token")
		require.Nil(t, logprobs["top_logprobs"].([]any)[0])
		scored := complete([]int{5, 6, 7}, object{"echo": true, "logprobs": 1, "max_tokens": 0})[0]
		require.Len(t, scored.object("logprobs")["tokens"], 3, "ids are taken as they are: no beginning of sequence is put before them")
		require.Equal(t, [2]string{complete([]int{5, 6, 7}, nil)[0].text("text"), complete([]int{8}, nil)[0].text("text")},
			[2]string{complete([][]int{{5, 6, 7}, {8}}, nil)[0].text("text"), complete([][]int{{5, 6, 7}, {8}}, nil)[1].text("text")})
	})

	t.Run("log probabilities of a chat", func(t *testing.T) {
		got := s.call("POST", chatRoute, question(japanese, object{"logprobs": true, "top_logprobs": 20})).list("choices")[0]
		var text []byte
		for _, token := range got.object("logprobs").list("content") {
			for _, b := range token["bytes"].([]any) {
				text = append(text, byte(b.(float64)))
			}
			top := token.list("top_logprobs")
			require.Len(t, top, 20)
			require.Equal(t, token.text("token"), top[0].text("token"), "greedy takes the most probable")
			require.Equal(t, token["logprob"], top[0]["logprob"])
			require.False(t, token.number("logprob") > 0 || math.IsInf(token.number("logprob"), 0))
		}
		require.True(t, bytes.HasPrefix(text, []byte(got.object("message").text("content"))), "%q", text)
	})

	t.Run("seeds", func(t *testing.T) {
		body := question(japanese, object{"temperature": 1, "seed": 99})
		alone := s.call("POST", chatRoute, body).list("choices")[0].object("message").text("content")
		different := 0
		var work sync.WaitGroup
		var mu sync.Mutex
		for i := range 24 {
			work.Go(func() {
				mine := question(japanese, object{"temperature": 1, "seed": 99 + i%3})
				got, err := s.try("POST", chatRoute, mine)
				mu.Lock()
				defer mu.Unlock()
				if err != nil || got.status != http.StatusOK {
					t.Errorf("%v %s", err, got.body)
					return
				}
				text := got.object(t).list("choices")[0].object("message").text("content")
				if i%3 == 0 && text != alone {
					t.Errorf("in a batch seed 99 gives %q, alone %q", text, alone)
				} else if text != alone {
					different++
				}
			})
		}
		work.Wait()
		require.Positive(t, different, "other seeds give other replies")
	})

	t.Run("fields", func(t *testing.T) {
		s.call("POST", chatRoute, question("3+4", object{"user": "me", "metadata": object{"a": "b"}, "service_tier": "auto", "store": false, "no_such_field": []int{1}}))
		for param, value := range map[string]any{
			"temperature": -0.1, "top_p": 1.5, "n": 0, "max_tokens": 1e9, "presence_penalty": 3, "stop": 7, "logit_bias": object{"x": 1},
			"top_logprobs": 21, "seed": "a", "stream": "yes", "response_format": object{"type": "xml"}, "min_p": 2, "top_k": -2, "repetition_penalty": 0,
		} {
			refusal := s.refusal(400, "POST", chatRoute, question("3+4", object{param: value}))
			require.Contains(t, refusal.text("param"), param)
		}
		nan := `{"model": "base", "temperature": NaN, "messages": [{"role": "user", "content": "x"}]}`
		require.Equal(t, "temperature", s.refusal(400, "POST", chatRoute, nan).text("param"))
		require.Equal(t, "messages", s.refusal(400, "POST", chatRoute, object{"model": base, "messages": []object{}}).text("param"))
	})

	t.Run("formats", func(t *testing.T) {
		schema := object{"type": "object", "properties": object{"sum": object{"type": "integer"}, "unit": object{"enum": []string{"個", "本"}}}, "required": []string{"sum", "unit"}, "additionalProperties": false}
		format := object{"type": "json_schema", "json_schema": object{"name": "answer", "schema": schema, "strict": true}}
		for _, temperature := range []float64{0, 2} {
			got := s.call("POST", chatRoute, question(japanese, object{"response_format": format, "temperature": temperature, "seed": 3, "max_tokens": 200})).list("choices")[0]
			if got.text("finish_reason") != "stop" {
				continue // a number that never ends
			}
			require.Regexp(t, `^\{\s*"sum"\s*:\s*-?\d+\s*,\s*"unit"\s*:\s*"(個|本)"\s*\}$`, got.object("message").text("content"))
		}
		deep := any(object{"type": "integer"})
		for range 200 {
			deep = object{"type": "array", "items": deep}
		}
		for name, schema := range map[string]any{"unknown keyword": object{"type": "array", "uniqueItems": true}, "too deep": deep, "no schema": 7} {
			bad := object{"type": "json_schema", "json_schema": object{"name": "a", "schema": schema}}
			require.Contains(t, s.refusal(400, "POST", chatRoute, question("x", object{"response_format": bad})).text("param"), "response_format", name)
		}
	})

	t.Run("models", func(t *testing.T) {
		one := s.call("GET", "/v1/models/org/nested", nil)
		require.Equal(t, "org/nested", one.text("id"))
		require.Equal(t, "model", one.text("object"))
		require.Equal(t, one["created"], s.call("GET", "/v1/models/org%2Fnested", nil)["created"])
		ids := map[string]bool{}
		for _, m := range s.call("GET", "/v1/models", nil).list("data") {
			ids[m.text("id")] = true
			if m.text("id") == "org/nested" {
				require.Equal(t, one["created"], m["created"])
			}
		}
		require.Equal(t, map[string]bool{base: true, "org/nested": true, "with-system": true}, ids)
		require.Equal(t, s.ask(base, "3+4"), s.ask("org/nested", "3+4"))
	})

	t.Run("what is cached", func(t *testing.T) {
		long := strings.Repeat(japanese, 5)
		s.call("POST", chatRoute, question(long, nil))
		usage := s.call("POST", chatRoute, question(long, nil)).object("usage")
		cached := usage.object("prompt_tokens_details").number("cached_tokens")
		require.Positive(t, cached)
		require.Less(t, cached, usage.number("prompt_tokens"))
		require.Equal(t, usage.number("prompt_tokens")+usage.number("completion_tokens"), usage.number("total_tokens"))
	})
}

// Every refusal is OpenAI's envelope, and tells when to come again where that helps.
func TestRefusalsHaveTheEnvelopeAndTheHeaders(t *testing.T) {
	s := start(t, options{args: []string{"--api-keys", "good", "--max-in-flight", "1", "--max-send-buffer", "65536", "--max-body-bytes", "100000"}})
	as := func(key, method, path, body string) (int, http.Header, object) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		require.NoError(t, err)
		if body != "" {
			request.Header.Set("Content-Type", "application/json")
		}
		if key != "" {
			request.Header.Set("Authorization", "Bearer "+key)
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		var text bytes.Buffer
		_, err = text.ReadFrom(response.Body)
		require.NoError(t, err)
		return response.StatusCode, response.Header, reply{body: text.Bytes()}.object(t).object("error")
	}
	for _, c := range []struct {
		key, method, path, body string
		status                  int
		code                    string
	}{
		{"", "GET", "/v1/models", "", 401, "invalid_api_key"},
		{"bad", "POST", chatRoute, "{}", 401, "invalid_api_key"},
		{"good", "GET", "/v2/models", "", 404, "route_not_found"},
		{"good", "PATCH", "/v1/models", "", 405, "method_not_allowed"},
		{"good", "GET", "/v1/models/nobody", "", 404, "model_not_found"},
		{"good", "POST", chatRoute, `{"model": "nobody", "messages": [{"role": "user", "content": "x"}]}`, 404, "model_not_found"},
		{"good", "POST", chatRoute, `{"model": "` + strings.Repeat("x", 200_000) + `"}`, 413, "too_large"},
		{"good", "POST", chatRoute, `{"model": `, 400, "invalid"},
	} {
		status, header, e := as(c.key, c.method, c.path, c.body)
		require.Equal(t, c.status, status, "%s %s: %v", c.method, c.path, e)
		require.Equal(t, c.code, e.text("code"))
		for _, key := range []string{"message", "type"} {
			require.NotEmpty(t, e.text(key), "%s %s: %s", c.method, c.path, key)
		}
		require.Contains(t, e, "param")
		require.Contains(t, header.Get("Content-Type"), "application/json")
		require.NotEmpty(t, header.Get("X-Request-Id"))
	}

	// One long generation that nobody reads takes the only place.
	crowd := newCrowd(t, s)
	crowd.add(strings.Replace(longReply, "Host:", "Authorization: Bearer good\r\nHost:", 1), nil)
	s.wait("the only place to be taken", requestTime, func() bool {
		return s.as("good").gauges("streams")["streams"] == 1
	})
	status, header, refused := as("good", "POST", chatRoute, `{"model": "base", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}`)
	require.Equal(t, http.StatusTooManyRequests, status)
	require.NotEmpty(t, header.Get("Retry-After"))
	require.NotEmpty(t, refused.text("message"))
	require.NotEmpty(t, refused.text("code"))
}
