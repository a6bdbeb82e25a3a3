package merge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// worded is a recipe of two sources with a tokenizer.
func worded(t *Tokenizer) Recipe {
	r := NewRecipe(TaskArithmetic)
	r.Base = "b"
	r.Sources = []Source{{Model: "x", Weight: Numbers(1)}, {Model: "y", Weight: Numbers(0.5)}}
	r.Tokenizer = t
	return r
}

func pointer[T any](v T) *T { return &v }

// richTokenizer is a tokenizer with everything that can be said.
func richTokenizer() *Tokenizer {
	return &Tokenizer{
		Source: "x", PadToMultipleOf: 64,
		Tokens: map[string]TokenRow{
			"<|im_start|>": {Source: &RowSource{Model: "y"}, Force: true},
			"<&>: \"ü\"\n": {Source: &RowSource{Kind: RowZero}},
			"yes":          {Source: &RowSource{Kind: RowOfToken, Model: "b", Token: "</s>"}},
			"1":            {Source: &RowSource{Kind: RowOfToken, Model: "b", TokenID: pointer(0)}},
			"<new>":        {},
		},
	}
}

func TestATokenizerHasOneCanonicalForm(t *testing.T) {
	for name, c := range map[string]struct {
		same []*Tokenizer
		want string
	}{
		"union":   {[]*Tokenizer{{}, {Source: "union"}, {Source: "union", Tokens: map[string]TokenRow{}, PadToMultipleOf: 1}}, `{"source":"union"}`},
		"base":    {[]*Tokenizer{{Source: "base"}, {Source: "b"}}, `{"source":"base"}`},
		"another": {[]*Tokenizer{{Source: "x", PadToMultipleOf: 8}}, `{"source":"x","pad_to_multiple_of":8}`},
		"rich": {[]*Tokenizer{richTokenizer()}, `{"source":"x","tokens":{"1":{"source":{"kind":"model_token","model":"b","token_id":0}},` +
			`"<&>: \"ü\"\n":{"source":{"kind":"zero"}},"<new>":{},"<|im_start|>":{"source":"y","force":true},` +
			`"yes":{"source":{"kind":"model_token","model":"b","token":"</s>"}}},"pad_to_multiple_of":64}`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, tokenizer := range c.same {
				r := worded(tokenizer)
				body, err := r.Canonical()
				require.NoError(t, err)
				require.Contains(t, string(body), `"tokenizer":`+c.want+`}`)
				again, err := ParseRecipe(body)
				require.NoError(t, err)
				twice, err := again.Canonical()
				require.NoError(t, err)
				require.Equal(t, string(body), string(twice))
				var decoded Recipe // as trials of a search are
				require.NoError(t, json.Unmarshal(body, &decoded))
				require.Equal(t, again, decoded)

				text, err := r.YAML("", planned)
				require.NoError(t, err)
				d, err := ParseYAML(text)
				require.NoError(t, err, string(text))
				fromYAML, err := d.Recipe.Canonical()
				require.NoError(t, err)
				require.Equal(t, string(body), string(fromYAML), string(text))
			}
		})
	}
	body, err := worded(nil).Canonical()
	require.NoError(t, err)
	require.NotContains(t, string(body), "tokenizer", "recipes without one are what they were")
}

func TestATokenizerIsPartOfTheDigest(t *testing.T) {
	digests := map[string]string{"b": "1", "x": "2", "y": "3"}
	seen := map[string]bool{}
	for _, tokenizer := range []*Tokenizer{nil, {Source: "union"}, {Source: "base"}, {Source: "x"}, {Source: "x", PadToMultipleOf: 2}, richTokenizer()} {
		digest, err := worded(tokenizer).Digest(digests)
		require.NoError(t, err)
		require.False(t, seen[digest])
		seen[digest] = true
	}
}

func TestATokenizerIsReadStrictly(t *testing.T) {
	many := make([]string, MaxTokenRows+1)
	for i := range many {
		many[i] = fmt.Sprintf(`"t%d": {}`, i)
	}
	for text, param := range map[string]string{
		`7`:                                              "tokenizer",
		`null`:                                           "tokenizer",
		`{"sauce": "base"}`:                              "tokenizer.sauce",
		`{"source": 1}`:                                  "tokenizer.source",
		`{"source": null}`:                               "tokenizer.source",
		`{"source": "z"}`:                                "tokenizer.source",
		`{"pad_to_multiple_of": 0}`:                      "tokenizer.pad_to_multiple_of",
		`{"pad_to_multiple_of": -1}`:                     "tokenizer.pad_to_multiple_of",
		`{"pad_to_multiple_of": 1.5}`:                    "tokenizer.pad_to_multiple_of",
		`{"pad_to_multiple_of": 65537}`:                  "tokenizer.pad_to_multiple_of",
		`{"tokens": []}`:                                 "tokenizer.tokens",
		`{"tokens": {"": {}}}`:                           "tokenizer.tokens",
		`{"tokens": {"a\u0000": {}}}`:                    "tokenizer.tokens",
		`{"tokens": {"a": {}, "a": {}}}`:                 "tokenizer.tokens.a",
		`{"tokens": {"a": 1}}`:                           "tokenizer.tokens.a",
		`{"tokens": {"a": {"from": "x"}}}`:               "tokenizer.tokens.a.from",
		`{"tokens": {"a": {"force": 1}}}`:                "tokenizer.tokens.a.force",
		`{"tokens": {"a": {"force": true}}}`:             "tokenizer.tokens.a.force",
		`{"tokens": {"a": {"source": "z"}}}`:             "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": ""}}}`:              "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": null}}}`:            "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": {}}}}`:              "tokenizer.tokens.a.source.kind",
		`{"tokens": {"a": {"source": {"kind": ""}}}}`:    "tokenizer.tokens.a.source.kind",
		`{"tokens": {"a": {"source": {"kind": "one"}}}}`: "tokenizer.tokens.a.source.kind",
		`{"tokens": {"a": {"source": {"kind": "zero", "model": "x"}}}}`:                                     "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "x"}}}}`:                              "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "x", "token": "b", "token_id": 1}}}}`: "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "z", "token": "b"}}}}`:                "tokenizer.tokens.a.source",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "x", "token_id": -1}}}}`:              "tokenizer.tokens.a.source.token_id",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "x", "token_id": 4194304}}}}`:         "tokenizer.tokens.a.source.token_id",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "x", "token_id": "1"}}}}`:             "tokenizer.tokens.a.source.token_id",
		`{"tokens": {"a": {"source": {"kind": "model_token", "model": "x", "tokn": "1"}}}}`:                 "tokenizer.tokens.a.source.tokn",
		`{"tokens": {"` + strings.Repeat("a", MaxName+1) + `": {}}}`:                                        "tokenizer.tokens",
		`{"tokens": {` + strings.Join(many, ", ") + `}}`:                                                    "tokenizer.tokens",
	} {
		_, err := ParseRecipe(fmt.Appendf(nil, `{"method": "linear", "sources": [{"model": "x", "weight": 1}], "tokenizer": %s}`, text))
		requireRefused(t, err, param)
	}
	r, err := ParseRecipe(fmt.Appendf(nil, `{"method": "linear", "sources": [{"model": "x", "weight": 1}], "tokenizer": {"tokens": {%s}}}`, strings.Join(many[1:], ",")))
	require.NoError(t, err)
	require.Len(t, r.Tokenizer.Tokens, MaxTokenRows)
	r.Tokenizer.Tokens["one more"] = TokenRow{}
	requireRefused(t, r.Validate(), "tokenizer.tokens")
	d := walk()
	d.Tokenizer = &Tokenizer{}
	requireRefused(t, d.Validate(), "tokenizer")
}

func TestATokenizerInYAML(t *testing.T) {
	const head = "merge_method: linear\nmodels: [{model: x, parameters: {weight: 1}}, {model: y, parameters: {weight: 1}}]\n"
	for name, c := range map[string]struct {
		text string
		want *Tokenizer
	}{
		"none":                   {"", nil},
		"null":                   {"tokenizer_source:\ntokenizer: ~\n", nil},
		"a word":                 {"tokenizer_source: union\n", &Tokenizer{Source: "union"}},
		"a model":                {"tokenizer_source: y\n", &Tokenizer{Source: "y"}},
		"a block":                {"tokenizer: {source: base, pad_to_multiple_of: 8}\n", &Tokenizer{Source: "base", PadToMultipleOf: 8}},
		"mergekit's own default": {"tokenizer: {}\n", &Tokenizer{Source: "union"}},
		"as mergekit's docs have it": {`tokenizer:
  source: union
  tokens:
    <|im_start|>:
      source: "y"
    <|im_end|>:
      source:
        kind: model_token
        model: "y"
        token_id: 7
      force: yes
    "[PAD]":
      source: {kind: zero}
`, &Tokenizer{Source: "union", Tokens: map[string]TokenRow{
			"<|im_start|>": {Source: &RowSource{Model: "y"}},
			"<|im_end|>":   {Source: &RowSource{Kind: RowOfToken, Model: "y", TokenID: pointer(7)}, Force: true},
			"[PAD]":        {Source: &RowSource{Kind: RowZero}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := ParseYAML([]byte(head + c.text))
			require.NoError(t, err)
			require.Equal(t, c.want, d.Recipe.Tokenizer)
		})
	}
	for name, c := range map[string]struct{ text, param, says string }{
		"both":             {"tokenizer_source: union\ntokenizer: {}\n", "tokenizer", "line 4: tokenizer: give either"},
		"an unknown key":   {"tokenizer: {sauce: base}\n", "tokenizer.sauce", "unknown key"},
		"a list":           {"tokenizer: [base]\n", "tokenizer", "must be a map"},
		"a number":         {"tokenizer_source: 1\n", "tokenizer_source", "must be text"},
		"another model":    {"tokenizer: {source: z}\n", "tokenizer.source", "unknown tokenizer source"},
		"no multiple":      {"tokenizer: {pad_to_multiple_of: 0}\n", "tokenizer.pad_to_multiple_of", "from 1 to 65536"},
		"a list of tokens": {"tokenizer: {tokens: [a]}\n", "tokenizer.tokens", "must be a map"},
		"a bare token":     {"tokenizer: {tokens: {a: }}\n", "tokenizer.tokens.a", "must be a map"},
		"no kind":          {"tokenizer: {tokens: {a: {source: {model: x}}}}\n", "tokenizer.tokens.a.source", "the kind is missing"},
		"another kind":     {"tokenizer: {tokens: {a: {source: {kind: one}}}}\n", "tokenizer.tokens.a.source.kind", "zero or model_token"},
		"no such model":    {"tokenizer:\n  tokens: {a: {source: z}}\n", "tokenizer.tokens", "line 4: tokenizer.tokens: \"z\" is none of the recipe's models"},
		"an id too large":  {"tokenizer: {tokens: {a: {source: {kind: model_token, model: x, token_id: 99999999999}}}}\n", "tokenizer.tokens", "no id of a token"},
		"force alone":      {"tokenizer: {tokens: {a: {force: true}}}\n", "tokenizer.tokens", "force needs a source"},
		"a word for force": {"tokenizer: {tokens: {a: {force: maybe}}}\n", "tokenizer.tokens.a.force", "true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseYAML([]byte(head + c.text))
			require.Error(t, err)
			assert.Equal(t, fault.Invalid, fault.CodeOf(err))
			assert.Equal(t, c.param, param(err), err.Error())
			assert.Contains(t, err.Error(), c.says)
		})
	}
}
