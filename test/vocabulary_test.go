package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// growth makes of one model the same with two more words and some rows to spare.
const growth = `merge_method: linear
models: [{model: en-math-a, parameters: {weight: 1}}]
tokenizer:
  source: base
  tokens:
    <|end|>: {source: {kind: model_token, model: en-math-a, token: </s>}}
    <|new|>: {source: {kind: zero}}
  pad_to_multiple_of: 64
dtype: bfloat16
`

// words is a merge of it with models that have not grown, but for the tokenizer.
const words = `merge_method: task_arithmetic
base_model: base
models:
  - {model: ja-general, parameters: {weight: 0.8}}
  - {model: grown, parameters: {weight: 0.8}}
dtype: bfloat16
`

// Models of different vocabularies are merged, served and exported with the tokens
// that the recipe says; those that all have mean what they meant.
func TestModelsOfDifferentVocabularies(t *testing.T) {
	models := t.TempDir()
	require.NoError(t, os.CopyFS(models, os.DirFS(zooModels(t))))
	recipe := filepath.Join(t.TempDir(), "growth.yaml")
	require.NoError(t, os.WriteFile(recipe, []byte(growth), 0o644))
	succeed(t, nil, "merge", recipe, "--models", models, "-o", filepath.Join(models, "grown"))

	s := start(t, options{models: models, args: []string{"--exports", models}})
	refusal := s.refusal(422, "POST", "/v1/recipes", object{"yaml": words})
	require.Contains(t, refusal.text("message"), `vocab_size of "grown" is 704, of "base" 640; "grown" has 642 tokens, and 62 rows to spare; "base" has 640 tokens`)
	require.Contains(t, refusal.text("message"), "tokenizer_source")
	put := func(text string) string { return s.call("POST", "/v1/recipes", object{"yaml": text}).text("id") }
	plain := put(strings.Replace(words, "grown", "en-math-a", 1))
	inBase, union := put(words+"tokenizer_source: base\n"), put(words+"tokenizer_source: union\n")

	tokenize := func(model string) []any {
		return s.call("POST", "/tokenize", object{"model": model, "prompt": "3+4<|end|>", "add_special_tokens": false})["tokens"].([]any)
	}
	require.Equal(t, tokenize("base"), tokenize(inBase))
	require.Equal(t, tokenize("grown"), tokenize(union))
	require.EqualValues(t, 640, tokenize(union)[3], "a token that grown has brought along")
	require.Equal(t, "unloaded", s.call("GET", "/v1/models/"+union, nil).text("state"), "all that without a weight")

	question := "店に鉛筆が74本あります。明さんが25本買いました。何本残っていますか。"
	require.Equal(t, s.said(plain, question), s.said(inBase, question), "the words are the same, and so is the rest of the models")
	require.Equal(t, s.ask(plain, question), s.ask(union, question))

	s.export(union, object{"folder": "union"})
	require.Equal(t, s.said(union, question), s.said("union", question))
	require.Equal(t, tokenize(union), tokenize("union"))
	written := s.send("GET", "/v1/recipes/"+union+"?format=yaml", nil)
	require.Contains(t, string(written.body), "tokenizer_source: union\n")
	require.Equal(t, union, put(string(written.body)))
	require.Contains(t, string(s.send("GET", "/v1/models/"+union+"/card?format=md", nil).body), "tokenizer_source: union")

	refusal = s.refusal(422, "POST", "/v1/recipes", object{"recipe": object{
		"method": "linear", "sources": []object{{"model": "base", "weight": 1}, {"model": "grown", "weight": 1}},
		"tokenizer": object{"tokens": object{"<|new|>": object{"source": "base"}, "<|other|>": object{"source": object{"kind": "model_token", "model": "grown", "token_id": 704}}}},
	}})
	require.Len(t, refusal.list("details"), 2, "every reason: %v", refusal)
	require.Equal(t, "recipe.tokenizer.tokens.a.source", s.refusal(400, "POST", "/v1/recipes", object{"recipe": object{
		"method": "linear", "sources": []object{{"model": "base", "weight": 1}}, "tokenizer": object{"tokens": object{"a": object{"source": "nobody"}}},
	}}).text("param"))
}
