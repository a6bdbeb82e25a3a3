package tokenizer

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokenBytesAreWhatATokenStandsFor(t *testing.T) {
	spaced := fallback(t, "▁", "▁▁", "▁the", "é", "本", "Ġ", "Ã©", "\u0100")
	spaced["decoder"] = object{"type": "Sequence", "decoders": []object{
		{"type": "Replace", "pattern": object{"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
	levels := []string{level(" the"), level("é"), level("日"), level("\xE6\x97"), level(" \xE3"), level("a\x00b")}
	for name, c := range map[string]struct {
		file object
		want map[string]string // of a token's name
	}{
		"byte fallback, ▁ for spaces": {spaced, map[string]string{
			"▁": " ", "▁▁": "  ", "▁the": " the", "é": "é", "本": "本", "Ġ": "Ġ", "Ã©": "Ã©", "\u0100": "\u0100",
			"<0x20>": " ", "<0x41>": "A", "<0x00>": "\x00", "<0x0A>": "\n", "<0xE3>": "\xE3", "<0xFF>": "\xFF", "</s>": "</s>",
		}},
		"byte level": {byteLevel(t, levels...), map[string]string{
			level(" the"): " the", level("é"): "é", level("日"): "日", level("\xE6\x97"): "\xE6\x97", level(" \xE3"): " \xE3",
			level("\x00"): "\x00", level("a\x00b"): "a\x00b", level(" "): " ", level("A"): "A", level("\xE3"): "\xE3", "[INST]": "[INST]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tok := from(t, c.file)
			for token, want := range c.want {
				id, ok := tok.TokenID(token)
				require.True(t, ok, token)
				require.Equal(t, want, string(tok.TokenBytes(id)), "%q", token)
				require.Equal(t, token, tok.Token(id))
			}
			require.Empty(t, tok.TokenBytes(-1))
			require.Empty(t, tok.TokenBytes(1<<30))
			require.Empty(t, tok.Token(-1))
		})
	}
}

func TestTheBytesOfTheTokensOfATextAreTheTexts(t *testing.T) {
	tok, random := base(t), rand.New(rand.NewPCG(7, 8))
	for range 300 {
		want := text(random)
		var got bytes.Buffer
		for _, id := range tok.Encode(want, false) {
			got.Write(tok.TokenBytes(id))
		}
		require.Equal(t, want, strings.TrimPrefix(got.String(), prefixOf(tok)))
	}
}

// prefixOf is what a tokenizer writes before any text: a space, for some.
func prefixOf(tok *Tokenizer) string {
	ids := tok.Encode("0", false)
	return strings.TrimSuffix(string(tok.TokenBytes(ids[0])), "0")
}
