package zoo

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/tokenizer"
)

// zooTokenizer is the tokenizer of the cast, read by the library that serves it.
func zooTokenizer(t testing.TB) (*tokenizer.Tokenizer, vocabulary) {
	t.Helper()
	v := castVocabulary()
	data, err := v.tokenizerJSON()
	require.NoError(t, err)
	tok, err := tokenizer.FromBytes(data)
	require.NoError(t, err)
	return tok, v
}

func TestAnyTextSurvivesTheTokenizer(t *testing.T) {
	tok, _ := zooTokenizer(t)
	texts := []string{
		"", " ", "  two  spaces ", "51+29=80なので、答えは80個です。", "🦊 emoji, ñ, Ω, 漢字",
		"a\tb\nc", "<0x41> </s> [INST] <unk>", "ﾊﾝｶｸ ＺＥＮＫＡＫＵ １２３", "\u200d\u0301",
	}
	r := newRand(5, "test")
	for range 300 {
		var text []rune
		for range r.IntN(12) {
			if c := rune(r.IntN(0x10FFFF) + 1); utf8.ValidRune(c) {
				text = append(text, c)
			}
		}
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		require.Equal(t, text, tok.Decode(tok.Encode(text, false), false))
	}
}

func TestEveryDigitIsAToken(t *testing.T) {
	tok, _ := zooTokenizer(t)
	for _, text := range []string{"1234567890", "りんごを51個", "it is 51", "7+8=15"} {
		for _, id := range tok.Encode(text, false) {
			piece := tok.Decode([]int32{id}, false)
			if digits.MatchString(piece) {
				require.Len(t, piece, 1, "%q in %q", piece, text)
			}
		}
	}
}

func TestControlTokensHaveTheirIDs(t *testing.T) {
	tok, v := zooTokenizer(t)
	for want, name := range controlTokens {
		id, ok := tok.TokenID(name)
		require.True(t, ok, name)
		require.EqualValues(t, want, id, name)
		require.Equal(t, []int32{id}, tok.Encode(name, true))
		require.Greater(t, len(tok.Encode(name, false)), 1, "text that spells a control token stays text")
	}
	require.Equal(t, len(v.tokens), tok.VocabSize())
}

func TestVocabularyIsReproducible(t *testing.T) {
	require.Equal(t, castVocabulary(), castVocabulary())
}
