package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryByteIsReadFromItsToken(t *testing.T) {
	for b := range 256 {
		got, ok := levelBytes(string(levelRune(byte(b))))
		require.True(t, ok)
		require.Equal(t, string([]byte{byte(b)}), got)
	}
	for _, token := range []string{"日", " ", "\u00AD", "\u0144", "a▁"} {
		_, ok := levelBytes(token)
		require.False(t, ok, "%q", token)
	}
}

func TestUnfinishedIsWhatCanStillBecomeACharacter(t *testing.T) {
	ends := level("\x82日\xE6")
	tok := from(t, byteLevel(t, ends))
	across := int32(len(specials) + 256)
	for name, c := range map[string]struct {
		ids    []int32
		tokens int
		within bool
	}{
		"nothing":                     {nil, 0, false},
		"a letter":                    {bytesOf("a"), 0, false},
		"a character":                 {bytesOf("は"), 0, false},
		"half of one":                 {bytesOf("aは\xE3\x81"), 2, false},
		"three quarters":              {bytesOf("\xF0\x9F\x98"), 3, false},
		"no beginning":                {bytesOf("\x81"), 0, false},
		"continuations only":          {bytesOf("\x81\x81\x81\x81\x81"), 0, false},
		"a byte of no character":      {bytesOf("\xFF"), 0, false},
		"what can't go on":            {bytesOf("\xE0\x80"), 0, false},
		"a surrogate":                 {bytesOf("\xED\xA0"), 0, false},
		"beginnings only":             {bytesOf("\xE3\xE3\xE3"), 1, false},
		"a token across characters":   {append(bytesOf("\xE3\x81"), across), 1, true},
		"its character's second byte": {[]int32{across, levelID(0x9C)}, 2, true},
		"its character's end":         {[]int32{across, levelID(0x9C), levelID(0xAC)}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			tokens, within := tok.unfinished(c.ids)
			require.Equal(t, c.tokens, tokens)
			require.Equal(t, c.within, within)
		})
	}
}

// "é" is a byte where tokens are bytes, and a letter elsewhere.
func TestPartsAreOnlyOfVocabulariesOfBytes(t *testing.T) {
	tok := from(t, fallback(t, "é", "日"))
	require.Len(t, tok.partial, 128, "the bytes beyond ASCII")
	file := fallback(t)
	file["decoder"] = object{"type": "Fuse"}
	require.Empty(t, from(t, file).partial, "a decoder that writes the names of bytes")
}
