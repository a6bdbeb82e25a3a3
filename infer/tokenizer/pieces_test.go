package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPiecesAreWhatTokensAdd(t *testing.T) {
	words := fallback(t, "▁a", "a", "▁", "日", "é", "\uFFFD")
	words["decoder"] = object{"type": "Sequence", "decoders": []object{
		{"type": "Replace", "pattern": object{"String": "▁"}, "content": " "},
		{"type": "ByteFallback"}, {"type": "Fuse"},
		{"type": "Strip", "content": " ", "start": 1, "stop": 0},
	}}
	ends := fallback(t, "a", "b</w>", "</w>")
	ends["decoder"] = object{"type": "BPEDecoder", "suffix": "</w>"}
	first := int32(firstByte + 256)
	for name, c := range map[string]struct {
		file object
		want map[int32]Piece
	}{
		"byte fallback": {words, map[int32]Piece{
			0: {}, 1: {}, 2: {}, 3: {}, 4: {}, // special
			firstByte:        {}, // NUL
			firstByte + 'a':  {"a", true},
			firstByte + ' ':  {" ", false}, // the first space is dropped
			firstByte + 0xE3: {"\xE3", true},
			first:            {" a", false}, first + 1: {"a", true}, first + 2: {" ", false}, first + 3: {"日", true}, first + 4: {"é", true},
			first + 5: {"\uFFFD", true},
		}},
		"byte level": {byteLevel(t, level(" a"), level("本\xE8"), level(" \xE8"), level("日本")), map[int32]Piece{
			2: {}, levelID(0): {}, levelID('a'): {"a", true}, levelID(' '): {" ", true}, levelID(0x81): {"\x81", true},
			first: {" a", true}, first + 1: {"本\xE8", true}, first + 2: {" \xE8", true}, first + 3: {"日本", true},
		}},
		"a decoder that looks around": {ends, map[int32]Piece{first: {"a", true}, first + 1: {}, first + 2: {}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := from(t, c.file).Pieces()
			for id, want := range c.want {
				require.Equal(t, want, got[id], "%d", id)
			}
		})
	}
}

func TestWithoutAPlainTokenThereAreNoPieces(t *testing.T) {
	file := unigram(t, "日")
	require.Empty(t, from(t, file).Pieces())
}

// Pieces in a row are the text, if it is one.
func TestPiecesMakeTheText(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for name, tok := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			pieces := tok.Pieces()
			for range 300 {
				want := text(random)
				var got strings.Builder
				for i, id := range tok.Encode(want, false) {
					require.NotEmpty(t, pieces[id].Bytes)
					require.True(t, i > 0 || pieces[id].Anywhere)
					got.WriteString(pieces[id].Bytes)
				}
				require.Equal(t, want, got.String())
			}
		})
	}
}

func BenchmarkPieces(b *testing.B) {
	tok := base(b)
	for b.Loop() {
		tok.findPieces()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tok.VocabSize()), "ns/token")
}
