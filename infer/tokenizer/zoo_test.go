package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// base is the tokenizer of the shipped miniature models.
func base(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Load("../../zoo/models/base")
	require.NoError(t, err)
	return tok
}

func TestTheShippedTokenizerKnowsItsSpecialTokens(t *testing.T) {
	tok := base(t)
	bos, ok := tok.BOS()
	require.True(t, ok)
	require.Equal(t, "<s>", tok.Name(bos))
	eos, ok := tok.EOS()
	require.True(t, ok)
	require.Equal(t, "</s>", tok.Name(eos))
	require.ElementsMatch(t, []string{"<unk>", "<s>", "</s>", "[INST]", "[/INST]"}, tok.SpecialNames())
	for _, name := range tok.SpecialNames() {
		id, ok := tok.TokenID(name)
		require.True(t, ok)
		require.Equal(t, []int32{id}, tok.Encode(name, true), name)
		plain := tok.Encode(name, false)
		require.NotContains(t, plain, id, name)
		require.Equal(t, name, tok.Decode(plain, true))
	}
}

// text is random text: pieces of languages that the vocabulary has, that it
// spells in bytes, and that it can't know.
func text(random *rand.Rand) string {
	pieces := []string{
		"リンゴが3個", "合計は", "答え", "日", "本", "鬱", "𠮷", "😀", "👩\u200d👧", "é", "\u0301", "Tom has 12 apples", " ", "  ", "\n", "0",
		"\uFFFD", "\uFFFD\uFFFD\uFFFD", "</s>", "[INST]", "<0xE3>", "▁", "\u2028", "\x01", "ＡＢ", "مرحبا",
	}
	var out strings.Builder
	for range random.IntN(20) {
		out.WriteString(pieces[random.IntN(len(pieces))])
	}
	return out.String()
}

func TestTextIsTheSameAfterEncodingAndDecoding(t *testing.T) {
	tok, random := base(t), rand.New(rand.NewPCG(1, 2))
	for range 500 {
		want := text(random)
		require.Equal(t, want, tok.Decode(tok.Encode(want, false), true))
	}
}

// kinds are tokenizers of each way to hold Japanese.
func kinds(t *testing.T) map[string]*Tokenizer {
	t.Helper()
	return map[string]*Tokenizer{
		"the shipped models'": base(t), "byte fallback": from(t, fallback(t, "本", "a", "\uFFFD")),
		"byte level": from(t, byteLevel(t, level("日本"), level("\xac日"), level("😀")[:3])),
	}
}

func TestStreamedPiecesAreTheWholeText(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for name, tok := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			for range 500 {
				want := text(random)
				shown, rest := push(tok, tok.Encode(want, false)...)
				require.Equal(t, want, strings.Join(shown, ""))
				require.Empty(t, rest)
				if strings.Contains(want, "\uFFFD") {
					continue
				}
				for _, piece := range shown {
					require.True(t, utf8.ValidString(piece))
					require.NotContains(t, piece, "\uFFFD", "%q", want)
				}
			}
		})
	}
}

// Cut anywhere, a text is shown up to its last whole character, and Flush shows
// that something is missing.
func TestFlushShowsWhatACutTextLacks(t *testing.T) {
	tok := base(t)
	ids := tok.Encode("鬱😀は3𠮷個", false)
	for n := range ids {
		shown, rest := push(tok, ids[:n]...)
		joined := strings.Join(shown, "")
		require.True(t, strings.HasPrefix("鬱😀は3𠮷個", joined), "%d: %q", n, joined)
		require.Empty(t, strings.Trim(rest, "\uFFFD"), "%d: %q", n, rest)
		require.Equal(t, tok.Decode(ids[:n], true) == joined, rest == "", "%d tokens", n)
	}
}

// Whatever ids a model gives, a stream shows valid text, and at most the bytes
// of one character wait.
func TestStreamOfRandomTokensNeverWaitsForLong(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for name, tok := range map[string]*Tokenizer{"fallback": base(t), "byte level": from(t, byteLevel(t, level("\x82\xe3"), level("\xe3\x81")))} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				s, ids := tok.NewStream(), []int32{}
				var shown strings.Builder
				for range random.IntN(60) {
					id := random.Int32N(int32(min(tok.VocabSize(), 300)))
					ids = append(ids, id)
					shown.WriteString(s.Push(id))
				}
				rest := s.Flush()
				require.LessOrEqual(t, utf8.RuneCountInString(rest), utf8.UTFMax-1, "%v", ids)
				require.True(t, utf8.ValidString(shown.String()+rest))
				if name == "byte level" { // where half a character breaks no other
					require.Equal(t, tok.Decode(ids, true), shown.String()+rest, "%v", ids)
				}
			}
		})
	}
}

func FuzzEncodeAndStream(f *testing.F) {
	for _, seed := range []string{"", "日本語", "</s>[INST]", "a\x00b", "\xff\xe3\x81", "\uFFFD\uFFFD\uFFFD😀", "<0x00><0xE3>", " \n\t"} {
		f.Add(seed)
	}
	tok := base(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids := tok.Encode(text, false)
		for _, id := range ids {
			require.False(t, tok.IsSpecial(id), "%v", ids)
		}
		want := strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
		require.Equal(t, want, tok.Decode(ids, true))
		shown, rest := push(tok, ids...)
		require.Equal(t, want, strings.Join(shown, "")+rest)
		require.Empty(t, rest)
		for _, id := range tok.Encode(text, true) {
			require.Less(t, int(id), tok.VocabSize())
		}
	})
}
