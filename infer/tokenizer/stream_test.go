package tokenizer

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// byteLevel is a tokenizer.json like Llama 3's: BPE over bytes that are written
// as printable characters, with these tokens after the special ones and the bytes.
func byteLevel(t testing.TB, tokens ...string) object {
	t.Helper()
	file := fallback(t)
	vocab := object{}
	for id, name := range specials {
		vocab[name] = id
	}
	for b := range 256 {
		vocab[string(levelRune(byte(b)))] = len(specials) + b
	}
	for _, token := range tokens {
		vocab[token] = len(vocab)
	}
	file["pre_tokenizer"] = object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
	file["decoder"] = object{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}
	file["model"] = object{"type": "BPE", "vocab": vocab, "merges": []any{}}
	return file
}

// levelRune is how GPT-2 writes a byte: printable ones as themselves, the others
// from U+0100 on in their order.
func levelRune(b byte) rune {
	next := rune(0x100)
	for i := range 256 {
		printable := i >= '!' && i <= '~' || i >= 0xA1 && i <= 0xAC || i >= 0xAE
		switch {
		case i == int(b) && printable:
			return rune(i)
		case i == int(b):
			return next
		case !printable:
			next++
		}
	}
	panic("not a byte")
}

// levelID is the id of a byte's token.
func levelID(b byte) int32 { return int32(len(specials)) + int32(b) }

// level writes text as byteLevel's tokens are written.
func level(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		out.WriteRune(levelRune(b))
	}
	return out.String()
}

// push gives what a stream shows after each token, and at the end.
func push(tok *Tokenizer, ids ...int32) (shown []string, rest string) {
	s := tok.NewStream()
	for _, id := range ids {
		shown = append(shown, s.Push(id))
	}
	return shown, s.Flush()
}

func TestStreamHoldsBackHalfACharacter(t *testing.T) {
	tok := from(t, fallback(t, "a", "答"))
	a := int32(firstByte + 256)
	join := func(parts ...[]int32) (ids []int32) {
		for _, p := range parts {
			ids = append(ids, p...)
		}
		return ids
	}
	for name, c := range map[string]struct {
		ids   []int32
		shown []string
		rest  string
	}{
		"nothing":               {nil, nil, ""},
		"letters":               {[]int32{a, a}, []string{"a", "a"}, ""},
		"one character":         {bytesOf("日"), []string{"", "", "日"}, ""},
		"two in a row":          {bytesOf("日本"), []string{"", "", "日", "", "", "本"}, ""},
		"four bytes":            {bytesOf("😀𠮷"), []string{"", "", "", "😀", "", "", "", "𠮷"}, ""},
		"bytes after a token":   {join([]int32{a + 1}, bytesOf("は")), []string{"答", "", "", "は"}, ""},
		"a token after bytes":   {join(bytesOf("は"), []int32{a + 1}), []string{"", "", "は", "答"}, ""},
		"special tokens around": {join([]int32{1}, bytesOf("は"), []int32{2, a}), []string{"", "", "", "は", "", "a"}, ""},
		"a special one within":  {join(bytesOf("は")[:1], []int32{2}, bytesOf("は")[1:]), []string{"", "", "", "は"}, ""},
		"the end is missing":    {bytesOf("は")[:2], []string{"", ""}, "\uFFFD\uFFFD"},
		"the end is missing after a whole one": {join(bytesOf("は"), bytesOf("い")[:1]),
			[]string{"", "", "は", ""}, "\uFFFD"},
		"the end is missing after a token": {join([]int32{a}, bytesOf("い")[:2]), []string{"a", "", ""}, "\uFFFD\uFFFD"},
		"a letter instead of the end":      {join(bytesOf("は")[:2], []int32{a}), []string{"", "", "\uFFFD\uFFFDa"}, ""},
		"a letter instead of the end after a whole one": {join(bytesOf("は"), bytesOf("い")[:1], []int32{a}),
			[]string{"", "", "は", "", "\uFFFDa"}, ""},
		"NUL":         {[]int32{a, firstByte, a, a}, []string{"a", "\uFFFD", "a", "a"}, ""},
		"NUL at last": {[]int32{a, firstByte}, []string{"a", "\uFFFD"}, ""},
		"real U+FFFD": {bytesOf("\uFFFD\uFFFD"), []string{"", "", "\uFFFD", "", "", "\uFFFD"}, ""},
		"broken for good": {bytesOf("\xff\xe3\xe3は"),
			[]string{"\uFFFD", "", "\uFFFD", "\uFFFD", "", "\uFFFD\uFFFD\uFFFD"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			shown, rest := push(tok, c.ids...)
			require.Equal(t, c.shown, shown)
			require.Equal(t, c.rest, rest)
		})
	}
}

// Tokens of Llama 3 end in the middle of one character and begin in another.
func TestStreamOfTokensAcrossCharacters(t *testing.T) {
	text := strings.Repeat("日本語の問題を解く", 3)
	for _, width := range []int{1, 2, 3, 4, 5, 7} {
		var tokens []string
		for rest := text; rest != ""; {
			n := min(width, len(rest))
			tokens, rest = append(tokens, rest[:n]), rest[n:]
		}
		seen := map[string]int32{}
		var names []string
		var ids []int32
		for _, token := range tokens {
			if len(token) == 1 {
				ids = append(ids, levelID(token[0]))
				continue
			}
			if _, ok := seen[token]; !ok {
				seen[token] = int32(len(specials) + 256 + len(names))
				names = append(names, level(token))
			}
			ids = append(ids, seen[token])
		}
		tok := from(t, byteLevel(t, names...))
		require.Equal(t, text, tok.Decode(ids, true))
		shown, rest := push(tok, ids...)
		require.Equal(t, text, strings.Join(shown, ""), "tokens of %d bytes", width)
		require.Empty(t, rest)
		for _, part := range shown {
			require.NotContains(t, part, "\uFFFD", "tokens of %d bytes", width)
		}
	}
}

// However broken the tokens are, what is shown is what they decode to, and a
// stream never waits for ever.
func TestStreamOfBrokenBytesGoesOn(t *testing.T) {
	for name, tok := range map[string]*Tokenizer{"byte fallback": from(t, fallback(t)), "byte level": from(t, byteLevel(t))} {
		t.Run(name, func(t *testing.T) {
			ids := bytesOf(strings.Repeat("\xff", 20))
			require.EqualValues(t, firstByte, levelID(0), "both tokenizers have their bytes at the same ids")
			shown, rest := push(tok, ids...)
			require.Equal(t, strings.Repeat("\uFFFD", 20), strings.Join(shown, "")+rest)
			require.NotEmpty(t, strings.Join(shown, ""))

			shown, rest = push(tok, append(ids, bytesOf("a日")...)...)
			require.True(t, utf8.ValidString(strings.Join(shown, "")+rest))
		})
	}
}

func TestStreamKeepsTheSpacesOfWords(t *testing.T) {
	file := fallback(t, "▁a", "▁b")
	file["decoder"] = object{"type": "Sequence", "decoders": []object{
		{"type": "Replace", "pattern": object{"String": "▁"}, "content": " "},
		{"type": "ByteFallback"}, {"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
	tok := from(t, file)
	a := int32(firstByte + 256)
	shown, rest := push(tok, 1, a, a+1, firstByte+0xE3, firstByte+0x81, firstByte+0x82, a, 2, a+1)
	require.Equal(t, []string{"", "a", " b", "", "", "あ", " a", "", " b"}, shown)
	require.Empty(t, rest)
}

func TestFlushShowsNothingTwice(t *testing.T) {
	tok := from(t, fallback(t))
	s := tok.NewStream()
	require.Empty(t, s.Flush())
	require.Empty(t, s.Push(bytesOf("は")[0]))
	require.Equal(t, "\uFFFD", s.Flush())
	require.Empty(t, s.Flush())
}

// What SentencePiece-like decoders drop at the start of a text stays where a
// reply goes on from its prompt.
func TestAStreamAfterOtherTokensKeepsItsSpace(t *testing.T) {
	file := fallback(t, "▁The", "▁cat", "▁sat", "答")
	file["decoder"] = object{"type": "Sequence", "decoders": []any{
		object{"type": "Replace", "pattern": object{"String": "▁"}, "content": " "},
		object{"type": "ByteFallback"}, object{"type": "Fuse"},
		object{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
	tok := from(t, file)
	word := func(i int) int32 { return int32(firstByte + 256 + i) }
	alone := tok.NewStream()
	require.Equal(t, "sat", alone.Push(word(2)))
	after := tok.NewStreamAfter([]int32{word(0), word(1)})
	require.Equal(t, " sat", after.Push(word(2)))
	require.Equal(t, "答", after.Push(word(3)))
	require.Empty(t, after.Flush())
}

// Some replies are to show special tokens: those that mark what follows.
func TestNamedTokensAreShown(t *testing.T) {
	pieces := []string{"▁a", "▁b"}
	sentences := fallback(t, pieces...)
	sentences["decoder"] = object{"type": "Sequence", "decoders": []any{
		object{"type": "Replace", "pattern": object{"String": "▁"}, "content": " "},
		object{"type": "ByteFallback"}, object{"type": "Fuse"},
		object{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
	const mark, other = 3, 4
	for name, c := range map[string]struct {
		file object
		a    int32
		ids  func(a int32) []int32
		want []string
	}{
		"after text":         {sentences, firstByte + 256, func(a int32) []int32 { return []int32{a, mark, a + 1, other, a} }, []string{"a", "[INST]", " b", "", " a"}},
		"first":              {sentences, firstByte + 256, func(a int32) []int32 { return []int32{other, mark, a, mark, mark} }, []string{"", "[INST]", " a", "[INST]", "[INST]"}},
		"within a character": {sentences, 0, func(int32) []int32 { return append(bytesOf("日")[:2], mark) }, []string{"", "", "\uFFFD\uFFFD[INST]"}},
		"bytes":              {byteLevel(t, level(" a"), level(" b")), levelID(0) + 256, func(a int32) []int32 { return []int32{a, mark, a + 1, other} }, []string{" a", "[INST]", " b", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s := from(t, c.file).NewStream(mark)
			var shown []string
			for _, id := range c.ids(c.a) {
				shown = append(shown, s.Push(id))
			}
			require.Equal(t, c.want, shown)
			require.Empty(t, s.Flush())
		})
	}
	tok := from(t, sentences)
	s := tok.NewStreamAfter([]int32{1, firstByte + 256}, mark)
	require.Equal(t, "[INST]", s.Push(mark))
	require.Equal(t, " b", s.Push(firstByte+257))
}
