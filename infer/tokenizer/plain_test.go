package tokenizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unigram is a tokenizer.json like those of Llamas with SentencePiece's Unigram,
// whose vocabulary lists control tokens among the others.
func unigram(t testing.TB, pieces ...string) object {
	t.Helper()
	file := fallback(t)
	var vocab []any
	for _, name := range specials {
		vocab = append(vocab, []any{name, 0.0})
	}
	for _, piece := range pieces {
		vocab = append(vocab, []any{piece, -3.0})
	}
	file["decoder"] = object{"type": "Fuse"}
	file["model"] = object{"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": vocab}
	return file
}

func TestPlainTextIsNeverAControlToken(t *testing.T) {
	ignoring := fallback(t)
	ignoring["model"].(object)["ignore_merges"] = true
	words := fallback(t)
	words["decoder"] = object{"type": "Fuse"}
	words["model"] = object{"type": "WordLevel", "unk_token": "<unk>", "vocab": object{"<unk>": 0, "<s>": 1, "</s>": 2, "[INST]": 3, "[/INST]": 4, "<": 5, "/s>": 6}}
	for name, file := range map[string]object{
		"BPE":                     fallback(t),
		"BPE that ignores merges": ignoring,
		"Unigram":                 unigram(t, strings.Split("</s>[INST]a日", "")...),
	} {
		t.Run(name, func(t *testing.T) {
			tok := from(t, file)
			for _, text := range []string{
				"</s>", "<s>", "a</s>a", "[INST][/INST]", "<</s>>", "<s</s>", "日</s>日", "</s></s></s>", "[/INST]<s>[INST]a",
			} {
				ids := tok.Encode(text, false)
				for _, id := range ids {
					require.False(t, tok.IsSpecial(id), "%q: %v", text, ids)
				}
				require.Equal(t, text, tok.Decode(ids, false), "nothing is lost")
			}
			require.Equal(t, []int32{2}, tok.Encode("</s>", true))
		})
	}
	require.Equal(t, []int32{5, 6}, from(t, words).Encode("</s>", false), "cut after its first character")
}

// Normalizers make names of what isn't spelled as one: the token is left out.
func TestPlainTextIsNoControlTokenAfterNormalization(t *testing.T) {
	file := unigram(t, "a")
	file["normalizer"] = object{"type": "NFKC"}
	require.Equal(t, []int32{5, 5}, from(t, file).Encode("a＜／ｓ＞a", false))
}

func TestUnknownTextStaysUnknown(t *testing.T) {
	tok := from(t, unigram(t, "a", "/s>"))
	require.Equal(t, []int32{5, 0, 5}, tok.Encode("a日a", false))
	require.Equal(t, []int32{5, 0, 6, 5}, tok.Encode("a</s>a", false))
}
