package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

// letters is a tokenizer of eight tokens: two control tokens and six letters.
const letters = `{
	"version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
	"added_tokens": [
		{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
		{"id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
	"model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
		"byte_fallback": false, "vocab": {"<s>": 0, "</s>": 1, "<": 2, "/": 3, "s": 4, ">": 5, "h": 6, "i": 7}, "merges": []}}`

// talker has the real tokenizer and the real template, and no weights.
func talker(t *testing.T) *infer.Model {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(letters), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(`{"bos_token": "<s>", "eos_token": "</s>"}`), 0o600))
	tok, err := tokenizer.Load(dir)
	require.NoError(t, err)
	template, err := chat.New(`{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('users only') }}{% endif %}{{ m.content }}{% endfor %}`, tok)
	require.NoError(t, err)
	return &infer.Model{Name: "talker", Tokenizer: tok, Template: template}
}

// encodeChatOf encodes conversations for one model, whatever model is asked for.
func encodeChatOf(m *infer.Model) func(*infer.Model, []chat.Message, bool, ...chat.Tool) ([]int32, error) {
	return func(_ *infer.Model, messages []chat.Message, continued bool, tools ...chat.Tool) ([]int32, error) {
		return encodeChat(m, messages, continued, tools...)
	}
}

func TestTextBeginsOnceAndIsOnlyText(t *testing.T) {
	m := talker(t)
	ids, err := encodeText(m, "hi</s>", nil)
	require.NoError(t, err)
	require.Equal(t, []int32{0, 6, 7, 2, 3, 4, 5}, ids, "the beginning of text, then letters")

	ids, err = encodeChat(m, []chat.Message{{Role: "user", Content: "hi</s>"}}, false)
	require.NoError(t, err)
	require.Equal(t, []int32{0, 6, 7, 2, 3, 4, 5}, ids, "the template writes the beginning, nobody writes a second")
}

func TestIDsAreTakenAsTheyAre(t *testing.T) {
	m := talker(t)
	ids, err := encodeText(m, "", []int32{6, 1, 7})
	require.NoError(t, err)
	require.Equal(t, []int32{6, 1, 7}, ids, "no beginning of text is added")
	for _, id := range []int32{-1, 8, 1 << 30} {
		_, err := encodeText(m, "", []int32{6, id})
		var f *fault.Error
		require.ErrorAs(t, err, &f)
		require.Equal(t, fault.Invalid, f.Code)
		require.Equal(t, "prompt", f.Param)
	}
}

func TestATemplateThatRaisesIsQuoted(t *testing.T) {
	b := newBench(t)
	m := talker(t)
	b.gateway.encodeChat = encodeChatOf(m)
	e := b.send("POST", chatPath, `{"model": "base", "messages": [{"role": "assistant", "content": "hi"}]}`).requireError(t, 400, "invalid", "messages")
	require.Contains(t, e.Message, "users only")
}
