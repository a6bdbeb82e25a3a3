package tokenizer

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

type object = map[string]any

// The special tokens of the tests, by id.
var specials = []string{"<unk>", "<s>", "</s>", "[INST]", "[/INST]"}

// firstByte is the id of the token of byte 0; those of the others follow.
const firstByte = 5

// fallback is a tokenizer.json like Mistral's: BPE that falls back to bytes.
// It knows the special tokens, the 256 bytes, and these pieces of one character.
func fallback(t testing.TB, pieces ...string) object {
	t.Helper()
	vocab := object{}
	var added []object
	for id, name := range specials {
		vocab[name] = id
		added = append(added, object{"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
	}
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = firstByte + b
	}
	for _, piece := range pieces {
		vocab[piece] = len(vocab)
	}
	return object{
		"version": "1.0", "added_tokens": added, "normalizer": nil, "pre_tokenizer": nil, "post_processor": nil,
		"decoder": object{"type": "ByteFallback"},
		"model":   object{"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": false, "vocab": vocab, "merges": []any{}},
	}
}

func marshal(t testing.TB, file object) []byte {
	t.Helper()
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return data
}

func from(t testing.TB, file object) *Tokenizer {
	t.Helper()
	tok, err := FromBytes(marshal(t, file))
	require.NoError(t, err)
	return tok
}

// bytesOf are the ids of the tokens of these bytes.
func bytesOf(text string) []int32 {
	var ids []int32
	for _, b := range []byte(text) {
		ids = append(ids, firstByte+int32(b))
	}
	return ids
}

func TestEncodeReadsSpecialTokensOnlyWhereAsked(t *testing.T) {
	tok := from(t, fallback(t, "a", "[", "<"))
	a := int32(firstByte + 256)
	for _, c := range []struct {
		text    string
		special []int32
		plain   []int32
	}{
		{"", []int32{}, []int32{}},
		{"a", []int32{a}, []int32{a}},
		{"a</s>a", []int32{a, 2, a}, append(append([]int32{a, a + 2}, bytesOf("/s>")...), a)},
		{"[INST]", []int32{3}, append([]int32{a + 1}, bytesOf("INST]")...)},
		{"<s><s>", []int32{1, 1}, append(append(append([]int32{a + 2}, bytesOf("s>")...), a+2), bytesOf("s>")...)},
		{"日", bytesOf("日"), bytesOf("日")},
	} {
		require.Equal(t, c.special, tok.Encode(c.text, true), "%q", c.text)
		require.Equal(t, c.plain, tok.Encode(c.text, false), "%q", c.text)
		require.Equal(t, c.text, tok.Decode(c.plain, true))
		require.Equal(t, c.text, tok.Decode(c.special, false))
	}
	require.Equal(t, "aa", tok.Decode([]int32{1, a, 3, a, 2}, true), "special tokens leave no trace")
}

func TestEncodeAddsNothingWhateverThePostProcessorSays(t *testing.T) {
	file := fallback(t, "a")
	file["post_processor"] = object{
		"type":           "TemplateProcessing",
		"single":         []object{{"SpecialToken": object{"id": "<s>", "type_id": 0}}, {"Sequence": object{"id": "A", "type_id": 0}}},
		"pair":           []object{{"Sequence": object{"id": "A", "type_id": 0}}, {"Sequence": object{"id": "B", "type_id": 1}}},
		"special_tokens": object{"<s>": object{"id": "<s>", "ids": []int{1}, "tokens": []string{"<s>"}}},
	}
	for _, special := range []bool{true, false} {
		require.Equal(t, []int32{firstByte + 256}, from(t, file).Encode("a", special))
	}
}

func TestEncodeOfNULAndInvalidUTF8(t *testing.T) {
	tok := from(t, fallback(t, "a", "b"))
	a := int32(firstByte + 256)
	for text, want := range map[string]string{
		"a\x00b": "a\uFFFDb", "\x00": "\uFFFD", "a\xffb": "a\uFFFDb", "a\xe3\x81": "a\uFFFD", "\xed\xa0\x80": "\uFFFD",
	} {
		for _, special := range []bool{true, false} {
			require.Equal(t, want, tok.Decode(tok.Encode(text, special), true), "%q", text)
		}
	}
	require.Equal(t, append(append([]int32{a}, bytesOf("\uFFFD")...), a+1), tok.Encode("a\x00b", false), "nothing after NUL is lost")
}

// The native library ends strings at NUL; a model can write one all the same.
func TestDecodeShowsNULAsReplacement(t *testing.T) {
	tok := from(t, fallback(t, "a", "b"))
	a := int32(firstByte + 256)
	require.Equal(t, "a\uFFFDb", tok.Decode([]int32{a, firstByte, a + 1}, true))
	require.Equal(t, "\uFFFD\uFFFD", tok.Decode([]int32{firstByte, firstByte}, true))
	require.Equal(t, "日\uFFFD", tok.Decode(append(bytesOf("日"), firstByte), true))

	bytelevel := from(t, byteLevel(t, "\u0100\u0100", "x\u0100y"))
	first := int32(len(specials) + 256)
	require.Equal(t, "\uFFFDx", bytelevel.Decode([]int32{first, levelID('x')}, true))
	require.Equal(t, "x\uFFFDx", bytelevel.Decode([]int32{levelID('x'), first + 1, levelID('x')}, true))
	require.Equal(t, "\uFFFD", bytelevel.Decode([]int32{levelID(0)}, true))
}

func TestDecodeOfIDsThatAreNoToken(t *testing.T) {
	tok := from(t, fallback(t, "a"))
	require.Equal(t, "", tok.Decode(nil, true))
	require.Equal(t, "a", tok.Decode([]int32{9999, firstByte + 256, -1}, true))
}

func TestLookUp(t *testing.T) {
	tok := from(t, fallback(t, "日"))
	id, ok := tok.TokenID("日")
	require.True(t, ok)
	require.EqualValues(t, firstByte+256, id)
	id, ok = tok.TokenID("</s>")
	require.True(t, ok)
	require.EqualValues(t, 2, id)
	_, ok = tok.TokenID("本")
	require.False(t, ok)
	require.Equal(t, specials, tok.SpecialNames())
	require.True(t, tok.IsSpecial(4))
	require.False(t, tok.IsSpecial(firstByte))
	require.Equal(t, firstByte+257, tok.VocabSize())
	require.Equal(t, "</s>", tok.Name(2))
	_, ok = tok.BOS()
	require.False(t, ok, "tokenizer.json doesn't say")
}

func TestTextNeedsNoRowsForSpecialTokensBeyondTheRest(t *testing.T) {
	file := fallback(t, "日")
	rows := firstByte + 257
	require.Equal(t, rows, from(t, file).TextRows())
	file["added_tokens"] = append(file["added_tokens"].([]object),
		object{"id": rows, "content": "<image>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
	require.Equal(t, rows, from(t, file).TextRows())
	require.Equal(t, rows+1, from(t, file).VocabSize())
	file["added_tokens"].([]object)[len(specials)]["special"] = false
	require.Equal(t, rows+1, from(t, file).TextRows())
}

func TestUnigramVocabulariesAreRead(t *testing.T) {
	tok := from(t, object{"version": "1.0", "added_tokens": []any{}, "model": object{
		"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": []any{[]any{"<unk>", 0.0}, []any{"ab", -1.0}, []any{"a", -2.0}},
	}})
	require.Equal(t, []int32{1, 2}, tok.Encode("aba", false))
	id, ok := tok.TokenID("ab")
	require.True(t, ok)
	require.EqualValues(t, 1, id)
}

func TestLoadReadsWhatBeginsEndsAndFillsUpASequence(t *testing.T) {
	for name, c := range map[string]struct {
		files         map[string]string
		bos, eos, pad int32 // -1: none
		code          fault.Code
	}{
		"no other file":    {nil, -1, -1, -1, ""},
		"names":            {map[string]string{"tokenizer_config.json": `{"bos_token":"<s>","eos_token":"</s>"}`}, 1, 2, -1, ""},
		"objects":          {map[string]string{"tokenizer_config.json": `{"bos_token":{"content":"<s>"},"eos_token":{"content":"</s>","special":true}}`}, 1, 2, -1, ""},
		"with padding":     {map[string]string{"tokenizer_config.json": `{"pad_token":{"content":"<unk>"},"eos_token":"</s>"}`}, -1, 2, 0, ""},
		"null":             {map[string]string{"tokenizer_config.json": `{"bos_token":null,"eos_token":"</s>"}`}, -1, 2, -1, ""},
		"the older file":   {map[string]string{"special_tokens_map.json": `{"bos_token":"<s>","eos_token":"</s>"}`}, 1, 2, -1, ""},
		"the newer wins":   {map[string]string{"special_tokens_map.json": `{"bos_token":"<unk>"}`, "tokenizer_config.json": `{"bos_token":"<s>"}`}, 1, -1, -1, ""},
		"a token not here": {map[string]string{"tokenizer_config.json": `{"bos_token":"<|begin|>"}`}, -1, -1, -1, ""},
		"a number":         {map[string]string{"tokenizer_config.json": `{"bos_token":1}`}, 0, 0, 0, fault.Damaged},
		"cut off":          {map[string]string{"special_tokens_map.json": `{"bos_token":`}, 0, 0, 0, fault.Damaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), marshal(t, fallback(t)), 0o600))
			for file, text := range c.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			tok, err := Load(dir)
			require.Equal(t, c.code, fault.CodeOf(err), "%v", err)
			if err != nil {
				return
			}
			for _, role := range []struct {
				of   func() (int32, bool)
				want int32
			}{{tok.BOS, c.bos}, {tok.EOS, c.eos}, {tok.Pad, c.pad}} {
				id, ok := role.of()
				require.Equal(t, role.want >= 0, ok)
				if ok {
					require.Equal(t, role.want, id)
				}
			}
		})
	}
	_, err := Load(t.TempDir())
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
	require.ErrorContains(t, err, "tokenizer.json")
}

func TestBrokenTokenizersAreDamaged(t *testing.T) {
	whole := marshal(t, fallback(t, "a"))
	with := func(key string, value any) []byte {
		file := fallback(t, "a")
		file[key] = value
		return marshal(t, file)
	}
	withModel := func(key string, value any) []byte {
		file := fallback(t, "a")
		model := maps.Clone(file["model"].(object))
		model[key] = value
		file["model"] = model
		return marshal(t, file)
	}
	for name, data := range map[string][]byte{
		"nothing":                           {},
		"an empty object":                   []byte(`{}`),
		"a list":                            []byte(`[]`),
		"null":                              []byte(`null`),
		"half of it":                        whole[:len(whole)/2],
		"all but the end":                   whole[:len(whole)-1],
		"more than one":                     append(whole, whole...),
		"not UTF-8":                         []byte("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\xff\":0},\"merges\":[]}}"),
		"no model":                          with("model", nil),
		"no vocabulary":                     withModel("vocab", nil),
		"vocabulary of text":                withModel("vocab", "abc"),
		"an id that is text":                withModel("vocab", object{"a": "0"}),
		"an id below zero":                  withModel("vocab", object{"a": -1}),
		"an id beyond 32 bits":              withModel("vocab", object{"a": 1 << 40}),
		"an empty pair":                     []byte(`{"model":{"type":"Unigram","vocab":[[]]}}`),
		"a merge of what isn't there":       withModel("merges", []string{"a zz"}),
		"a merge of one":                    withModel("merges", []string{"a"}),
		"an unknown kind of model":          withModel("type", "Markov"),
		"an unknown kind with NUL":          withModel("type", "BPE\x00"),
		"a merge with NUL":                  withModel("merges", []string{"\x00 \x00"}),
		"an unknown decoder":                with("decoder", object{"type": "Rot13"}),
		"an unknown decoder with NUL":       with("decoder", object{"type": "\x00"}),
		"an unknown pre-tokenizer":          with("pre_tokenizer", object{"type": "x\x00y"}),
		"a pattern that isn't one":          with("pre_tokenizer", object{"type": "Split", "pattern": object{"Regex": "(\x00"}, "behavior": "Isolated", "invert": false}),
		"an added token without id":         with("added_tokens", []object{{"content": "x"}}),
		"an added token with an id of text": with("added_tokens", []object{{"id": "1\x00", "content": "x"}}),
		"a version of the future":           with("version", "2.0\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromBytes(data)
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%v", err)
			require.True(t, strings.Contains(err.Error(), "tokenizer.json"), err.Error())
		})
	}
}
