package chat

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/tokenizer"
)

// The control tokens of the tests, by id.
var control = []string{
	"<unk>", "<s>", "</s>", "[INST]", "[/INST]",
	"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>", "<image>",
}

const (
	idBOS, idEOS, idAsk, idAnswer = 1, 2, 3, 4
	idTurn, idTurnEnd             = 9, 10
)

// folder makes a model's folder with a tokenizer of bytes and these other files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	return folderWith(t, nil, files)
}

// control256 is a token that is added, but no special one.
const control256 = 268

// folderWith is folder with a normalizer, which special tokens go through as well,
// and perhaps with what comes after the tokens are found.
func folderWith(t testing.TB, normalizer any, files map[string]string, after ...any) string {
	t.Helper()
	vocab := map[string]any{}
	var added []any
	for id, name := range control {
		vocab[name] = id
		added = append(added, map[string]any{"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": normalizer != nil, "special": true})
	}
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = len(vocab)
	}
	added = append(added, map[string]any{"id": len(vocab), "content": "<picture>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false})
	file := map[string]any{
		"version": "1.0", "added_tokens": added, "normalizer": normalizer, "decoder": map[string]any{"type": "ByteFallback"},
		"model": map[string]any{"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "vocab": vocab, "merges": []any{}},
	}
	if len(after) > 0 {
		file["post_processor"] = after[0]
	}
	data, err := json.Marshal(file)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("tokenizer.json", string(data))
	write("tokenizer_config.json", `{"bos_token":"<s>","eos_token":"</s>"}`)
	for name, text := range files {
		write(name, text)
	}
	return dir
}

func tokens(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load(folder(t, nil))
	require.NoError(t, err)
	return tok
}

func template(t testing.TB, source string) *Template {
	t.Helper()
	compiled, err := New(source, tokens(t))
	require.NoError(t, err)
	return compiled
}

// controls are the ids of control tokens among ids, in their order.
func controls(ids []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(ids), func(id int32) bool { return int(id) >= len(control) })
}

// mistral is the template of Mistral 7B Instruct v0.1: no system role.
const mistral = `{{ bos_token }}{% for message in messages %}` +
	`{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}` +
	`{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}` +
	`{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}` +
	`{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token + ' ' }}` +
	`{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}`

// llama3 is the template of Llama 3 Instruct: trimmed contents, a loop with set.
const llama3 = `{% set loop_messages = messages %}{% for message in loop_messages %}` +
	`{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>` + "\n\n" + `'+ message['content'] | trim + '<|eot_id|>' %}` +
	`{% if loop.index0 == 0 %}{% set content = '<|begin_of_text|>' + content %}{% endif %}{{ content }}{% endfor %}` +
	`{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>` + "\n\n" + `' }}{% endif %}`

// chatml is ChatML with a default system message, over several lines.
const chatml = `{% if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\nYou help.<|im_end|>\n' }}
{%- endif %}
{% for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
{%- endfor %}
{% if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}`
