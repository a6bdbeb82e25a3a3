package toolcall

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/tokenizer"
)

func TestTheTemplateShowsTheFormat(t *testing.T) {
	for template, want := range map[string]Format{
		`{{ '<tool_call>\n{"name": "' + call.name }}`:                         hermes,
		`{{ "[AVAILABLE_TOOLS]" }}{{ "[TOOL_CALLS] [" }}`:                     mistral,
		`{{ "<|python_tag|>" + call.name }}`:                                  llama,
		`{{ "Environment: ipython" }}{{ '{"name": "x", "parameters": {}}' }}`: llama,
		`{{ "[TOOL_CALLS]" + call.name + "[ARGS]" + call.arguments }}`:        plain,
		`{{ '<tool_call>\n<function=' + call.name + '>' }}`:                   plain,
		`{{ '<tool_call>' + call.name + '<arg_key>' }}`:                       plain,
		`{% for m in messages %}[INST] {{ m.content }} [/INST]{% endfor %}`:   plain,
		`{% if m.role == "ipython" %}{{ m.content }}{% endif %}`:              plain,
		``: plain,
	} {
		got := detect(template)
		require.Equal(t, want, got, template)
		require.Equal(t, want.open != "", got.Known())
	}
}

func TestMarksThatAreTokensAreFound(t *testing.T) {
	tok, err := tokenizer.FromBytes([]byte(`{"added_tokens": [
		{"id": 0, "content": "[TOOL_CALLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
		{"id": 1, "content": "<tool_call>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false},
		{"id": 2, "content": "</tool_call>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
		"model": {"type": "BPE", "vocab": {"[TOOL_CALLS]": 0, "<tool_call>": 1, "</tool_call>": 2, "a": 3}, "merges": []}}`))
	require.NoError(t, err)
	require.Equal(t, []int32{0}, For("[TOOL_CALLS]", tok).Named())
	require.Equal(t, []int32{2}, For("<tool_call>", tok).Named(), "the other one is text to everybody")
	require.Equal(t, map[string]int32{"</tool_call>": 2}, For("<tool_call>", tok).Form().Tokens)
	require.Empty(t, For("", tok).Named())
	require.Nil(t, hermes.form.Tokens, "models do not share what was found")
}
