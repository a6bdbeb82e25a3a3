package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
)

// roots are where the tokenizer's endpoints are found.
var roots = []string{"", "/v1"}

// ids writes tokens as JSON.
func ids(t *testing.T, tokens []int32) string {
	t.Helper()
	data, err := json.Marshal(tokens)
	require.NoError(t, err)
	return string(data)
}

func TestTokenize(t *testing.T) {
	plain := func(text string) []int32 { return miniature().Encode(text, false) }
	bos, eos := token(t, "<s>"), token(t, "</s>")
	chat := miniature().Encode("<s>[INST] りんご [/INST]", true)
	for _, c := range []struct {
		name, body string
		want       []int32
	}{
		{"as a completions prompt", `"prompt": "りんご"`, append([]int32{bos}, plain("りんご")...)},
		{"without a beginning", `"prompt": "りんご", "add_special_tokens": false`, plain("りんご")},
		{"the name of a token", `"prompt": "a</s>", "add_special_tokens": false`, append(plain("a"), eos)},
		{"which may be text", `"prompt": "a</s>", "add_special_tokens": false, "parse_special": false`, plain("a</s>")},
		{"nothing", `"prompt": "", "add_special_tokens": false`, []int32{}},
		{"a conversation", `"messages": [{"role": "user", "content": "りんご"}]`, chat},
		{"a conversation, as vLLM's clients ask", `"messages": [{"role": "user", "content": "りんご"}], "add_special_tokens": false, "add_generation_prompt": true`, chat},
		{"null is absent", `"prompt": "りんご", "messages": null, "add_special_tokens": null, "model": null`, append([]int32{bos}, plain("りんご")...)},
	} {
		for _, root := range roots {
			t.Run(c.name+root, func(t *testing.T) {
				b := newBench(t)
				r := b.send("POST", root+"/tokenize", `{`+c.body+`}`)
				require.Equal(t, http.StatusOK, r.status, r.body)
				var got Tokens
				r.into(t, &got)
				require.Equal(t, Tokens{Count: len(c.want), MaxModelLen: 500, Tokens: c.want}, got)
				require.Contains(t, r.body, `"token_strs":null`)

				r = b.send("POST", root+"/tokenize", `{`+c.body+`, "return_token_strs": true}`)
				r.into(t, &got)
				require.Len(t, got.TokenStrs, len(c.want))
				for i, id := range c.want {
					known, ok := miniature().TokenID(got.TokenStrs[i])
					require.True(t, ok)
					require.Equal(t, id, known)
				}
			})
		}
	}
}

func TestDetokenizeIsTheInverse(t *testing.T) {
	b := newBench(t)
	for _, text := range []string{"りんごは3個", "a b", "</s> [INST]", ""} {
		var tokens Tokens
		body, err := json.Marshal(map[string]any{"prompt": text, "add_special_tokens": false})
		require.NoError(t, err)
		b.send("POST", "/tokenize", string(body)).into(t, &tokens)
		for _, root := range roots {
			var got Detokenized
			r := b.send("POST", root+"/detokenize", `{"tokens": `+ids(t, tokens.Tokens)+`}`)
			require.Equal(t, http.StatusOK, r.status, r.body)
			r.into(t, &got)
			require.Equal(t, text, got.Prompt)
		}
	}
}

func TestTokenizerInfo(t *testing.T) {
	b := newBench(t)
	bos, eos := token(t, "<s>"), token(t, "</s>")
	source := miniatureTemplate().Source()
	for _, root := range roots {
		r := b.send("GET", root+"/tokenizer_info", "")
		require.Equal(t, http.StatusOK, r.status, r.body)
		var got TokenizerInfo
		r.into(t, &got)
		require.Equal(t, TokenizerInfo{
			Model: "base", BOSToken: pointer("<s>"), BOSTokenID: &bos, EOSToken: pointer("</s>"), EOSTokenID: &eos,
			ChatTemplate: &source, VocabSize: 640, MaxModelLen: 500,
		}, got)
		require.Contains(t, r.body, `"pad_token":null`)
	}
}

func TestApplyTemplate(t *testing.T) {
	b := newBench(t)
	const body = `{"messages": [{"role": "user", "content": [{"type": "text", "text": "a</s>"}]}]`
	for _, root := range roots {
		r := b.send("POST", root+"/apply-template", body+`, "add_generation_prompt": false}`)
		require.Equal(t, http.StatusOK, r.status, r.body)
		var got AppliedTemplate
		r.into(t, &got)
		var tokens Tokens
		b.send("POST", root+"/tokenize", body+`}`).into(t, &tokens)
		require.Equal(t, AppliedTemplate{Prompt: "<s>[INST] a</s> [/INST]", Count: tokens.Count}, got)
		require.NotContains(t, tokens.Tokens, token(t, "</s>"), "what users write is text")
	}
	e := b.send("POST", "/apply-template", `{"messages": [{"role": "assistant", "content": "a"}]}`).requireError(t, 400, "invalid", "messages")
	require.Contains(t, e.Message, "alternate")
}

// Whose tokenizer it is: the body's before the query's before the default.
func TestTheModelOfATokenizerRequest(t *testing.T) {
	for _, c := range []struct {
		name, configured, body, query, want string
	}{
		{"nothing is said", "", "", "", "base"},
		{"the default", "best", "", "", "best"},
		{"the query", "best", "", "org/model", "org/model"},
		{"the body", "best", "base", "org/model", "base"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.DefaultModel = c.configured })
			path := func(route string) string { return route + "?model=" + c.query }
			if c.body == "" {
				var info TokenizerInfo
				b.send("GET", path("/tokenizer_info"), "").into(t, &info)
				require.Equal(t, c.want, info.Model)
			}
			b.catalog.entries = []catalog.Entry{{ID: c.want}} // any other would be missing
			for _, request := range []struct{ route, fields string }{
				{"/tokenize", `"prompt": "a"`}, {"/detokenize", `"tokens": [5]`}, {"/apply-template", `"messages": [{"role": "user", "content": "a"}]`},
			} {
				r := b.send("POST", path(request.route), `{"model": "`+c.body+`", `+request.fields+`}`)
				require.Equal(t, http.StatusOK, r.status, r.body)
			}
		})
	}
}

func TestAModelThatCantBeGuessedHasToBeNamed(t *testing.T) {
	b := newBench(t)
	b.catalog.differ = true
	for _, r := range []reply{
		b.send("GET", "/tokenizer_info", ""), b.send("POST", "/v1/tokenize", `{"prompt": "a"}`),
		b.send("POST", "/detokenize", `{"tokens": []}`), b.send("POST", "/apply-template", `{"messages": [{"role": "user", "content": "a"}]}`),
	} {
		e := r.requireError(t, 400, "invalid", "model")
		require.Contains(t, e.Message, "--default-model")
		require.Contains(t, e.Message, "org/model")
	}
	require.Equal(t, http.StatusOK, b.send("POST", "/tokenize?model=base", `{"prompt": "a"}`).status)
}

func TestTokenizerRequestsAreRefused(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.Messages = 1; o.Limits.NameBytes = 10 })
	const user = `{"role": "user", "content": "a"}`
	for _, c := range []struct {
		path, body  string
		status      int
		code, param string
	}{
		{"/tokenize", `{}`, 400, "invalid", "prompt"},
		{"/tokenize", `{"content": "a"}`, 400, "invalid", "prompt"},
		{"/tokenize", `{"prompt": "a", "messages": [` + user + `]}`, 400, "invalid", "prompt"},
		{"/tokenize", `{"prompt": ["a"]}`, 400, "invalid", "prompt"},
		{"/tokenize", `{"prompt": "a", "model": "gpt-5"}`, 404, "model_not_found", "model"},
		{"/tokenize?model=gpt-5", `{"prompt": "a"}`, 404, "model_not_found", "model"},
		{"/tokenize", `{"prompt": "a", "model": "01234567890"}`, 400, "invalid", "model"},
		{"/tokenize", `{"prompt": "a", "add_special_tokens": 1}`, 400, "invalid", "add_special_tokens"},
		{"/tokenize", `{"messages": []}`, 400, "invalid", "messages"},
		{"/tokenize", `{"messages": [` + user + `, ` + user + `]}`, 400, "invalid", "messages"},
		{"/tokenize", `{"messages": [{"role": "wizard"}]}`, 400, "invalid", "messages[0].role"},
		{"/tokenize", `{"messages": [` + user + `], "add_special_tokens": true}`, 400, "invalid", "add_special_tokens"},
		{"/tokenize", `{"messages": [` + user + `], "parse_special": true}`, 400, "invalid", "parse_special"},
		{"/tokenize", `{"messages": [` + user + `], "chat_template": "{{ 1 }}"}`, 400, "unsupported_parameter", "chat_template"},
		{"/tokenize", `{"prompt": "a", "with_pieces": true}`, 400, "unsupported_parameter", "with_pieces"},
		{"/detokenize", `{}`, 400, "invalid", "tokens"},
		{"/detokenize", `{"tokens": [1, 640]}`, 400, "invalid", "tokens[1]"},
		{"/detokenize", `{"tokens": [-1]}`, 400, "invalid", "tokens[0]"},
		{"/detokenize", `{"tokens": [null]}`, 400, "invalid", "tokens[0]"},
		{"/detokenize", `{"tokens": [1.5]}`, 400, "invalid", "tokens"},
		{"/detokenize", `{"tokens": [99999999999999999999]}`, 400, "invalid", "tokens"},
		{"/detokenize", `{"tokens": "a"}`, 400, "invalid", "tokens"},
		{"/apply-template", `{}`, 400, "invalid", "messages"},
		{"/apply-template", `{"messages": [` + user + `], "tools": [{}]}`, 400, "unsupported_parameter", "tools[0].type"},
	} {
		for _, root := range roots {
			t.Run(root+c.path+c.body, func(t *testing.T) {
				b.send("POST", root+c.path, c.body).requireError(t, c.status, c.code, c.param)
			})
		}
	}
	b.send("GET", "/tokenize", "").requireError(t, 405, "method_not_allowed", "")
}

func TestTokenizersAreForWhoHasAKey(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"k"} })
	for _, root := range roots {
		b.send("GET", root+"/tokenizer_info", "").requireError(t, 401, "invalid_api_key", "")
		for _, path := range []string{"/tokenize", "/detokenize", "/apply-template"} {
			b.send("POST", root+path, `{}`).requireError(t, 401, "invalid_api_key", "")
		}
		require.Equal(t, 200, b.send("GET", root+"/tokenizer_info", "", header("Authorization", "Bearer k")).status)
	}
}

func TestTokenizerRequestsAreLimited(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.InFlight = 1; o.Limits.BodyBytes = 1000 })
	b.send("POST", "/tokenize", `{"prompt": "`+strings.Repeat("a", 1000)+`"}`).requireError(t, 413, "too_large", "")
	entered, release := make(chan struct{}), make(chan struct{})
	b.catalog.words = func() error { close(entered); <-release; return fault.New(fault.NotFound, "") }
	done := make(chan reply)
	go func() { done <- b.send("POST", "/tokenize", `{"prompt": "a", "model": "base"}`) }()
	<-entered
	b.send("GET", "/v1/tokenizer_info", "").requireError(t, 429, "busy", "")
	require.Equal(t, 200, b.send("POST", chatPath, ask("")).status, "generations have places of their own")
	close(release)
	(<-done).requireError(t, 404, "model_not_found", "model")
}
