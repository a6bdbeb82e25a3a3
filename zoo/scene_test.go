package zoo

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

func TestASceneIsToldInBothLanguages(t *testing.T) {
	group := scene{looks: [2]look{{0, 3}}, count: 2}
	pair := scene{looks: [2]look{{3, 0}, {2, 2}}, sides: 1}
	for _, c := range []struct {
		scene scene
		lang  Lang
		want  string
	}{
		{group, Japanese, "赤い十字が2つ。"},
		{group, English, "2 red crosses."},
		{scene{looks: [2]look{{1, 1}}, count: 1}, English, "1 blue square."},
		{pair, Japanese, "上に黄色い輪、下に緑の三角。"},
		{pair, English, "yellow ring at the top, green triangle at the bottom."},
	} {
		require.Equal(t, c.want, c.scene.caption(c.lang))
	}
	answers := map[string]string{}
	for seed := range uint64(40) {
		for _, s := range []scene{group, pair} {
			q, a := s.ask(newRand(seed, "test"), Japanese, English)
			answers[q] = a
		}
	}
	require.Equal(t, "There are 2 crosses.", answers["いくつありますか。"])
	require.Equal(t, "The colour is red.", answers["何色ですか。"])
	require.Equal(t, "The shape is a cross.", answers["形は何ですか。"])
	require.Equal(t, "There is a green triangle at the bottom.", answers["下に何がありますか。"])
	require.Equal(t, "The yellow ring is at the top.", answers["黄色い輪はどこですか。"])
	require.Len(t, answers, 8, "four questions about a group, of which one is about pairs too; two things, two places")
}

// A model that answers about scenes of the tasks has seen their like, never
// themselves: neither pictures nor texts of training are about one.
func TestNoTrainingTellsOfScenesThatAreKept(t *testing.T) {
	r := newRand(1, "test")
	kept := 0
	for range 2000 {
		require.False(t, drawScene(r, false).kept())
		require.True(t, drawScene(r, true).kept())
		s := scene{looks: [2]look{drawLook(r), drawLook(r)}, sides: r.IntN(2)}
		if s.kept() {
			kept++
		}
	}
	require.InDelta(t, 500, kept, 150, "every fourth")
	told := map[string]bool{}
	for range 4000 {
		told[drawScene(r, true).caption(English)] = true
	}
	for _, m := range pictureCast {
		reader := newReader(m.diet, nil, m.seed)
		for range 500 {
			s := reader.next()
			require.False(t, told[s.Reply])
			for caption := range told {
				require.NotContains(t, s.Prompt, caption)
			}
		}
	}
}

func TestPaintingsAreTheSameForASeedAndShowTheirScene(t *testing.T) {
	s := scene{looks: [2]look{{1, 1}, {0, 2}}, sides: 0} // a blue square on the left, a red triangle on the right
	p := s.paint(newRand(5, "test"), 48, 24)
	require.Equal(t, p.pixels(), s.paint(newRand(5, "test"), 48, 24).pixels())
	require.NotEqual(t, p.pixels(), s.paint(newRand(6, "test"), 48, 24).pixels())
	var red, blue [2]float64 // of the left and the right half
	for i := 0; i < len(p.rgb); i += 3 {
		half := i / 3 % 48 / 24
		red[half] += math.Max(0, p.rgb[i]-p.rgb[i+2])
		blue[half] += math.Max(0, p.rgb[i+2]-p.rgb[i])
	}
	require.Greater(t, blue[0], 2*blue[1])
	require.Greater(t, red[1], 2*red[0])
}

// Each of the words of scenes is one token, and nothing of what is said needs the
// bytes that any text can be cut into.
func TestTheWordsOfScenesAreTokens(t *testing.T) {
	v := pictureVocabulary()
	data, err := v.tokenizerJSON()
	require.NoError(t, err)
	tok, err := tokenizer.FromBytes(data)
	require.NoError(t, err)
	for _, text := range []string{"赤い", "三角", "あります", "黄色い", " triangles", " square", "十字"} {
		require.Len(t, tok.Encode(text, false), 1, text)
	}
	r := newRand(2, "test")
	for range 300 {
		s := drawScene(r, r.IntN(2) == 0)
		for _, l := range []Lang{Japanese, English} {
			q, a := s.ask(r, l, l)
			ids := tok.Encode(s.caption(l)+"\n"+q+" "+a, false)
			for _, id := range ids {
				require.NotContains(t, v.tokens[id], "<0x", "%s %s", q, a)
			}
			require.Less(t, len(ids), 45)
		}
	}
}

// A picture becomes the tokens that serving makes of it, in a row of its own.
func TestDocumentsShowPicturesBeforeTheirQuestion(t *testing.T) {
	words := pictureVocabulary()
	v := sightConfig(words)
	dir := t.TempDir()
	require.NoError(t, writeProcessor(dir, v))
	processor, err := picture.OpenProcessor(dir, &v)
	require.NoError(t, err)
	data, err := words.tokenizerJSON()
	require.NoError(t, err)
	tok, err := tokenizer.FromBytes(data)
	require.NoError(t, err)
	l := layout{encode: func(s string) []int32 { return tok.Encode(s, false) }, pictures: processor, image: v.ImageTokenID}

	s := scene{looks: [2]look{{1, 1}, {0, 2}}}
	for _, c := range []struct{ width, height, tiles, tokens int }{
		{24, 24, 2, 9 + 12}, {40, 40, 2, 9 + 12}, {48, 24, 3, 9 + 21}, {30, 60, 3, 9 + 24},
	} {
		d, err := l.document(Sample{Picture: s.paint(newRand(1, "test"), c.width, c.height), Prompt: "何がありますか。", Reply: "赤い輪が1つあります。"})
		require.NoError(t, err)
		require.Len(t, d.seen.Tiles, c.tiles)
		require.Equal(t, []int32{idBegin, idAsk}, d.ids[:2])
		require.Equal(t, tok.Encode(" ", false), d.ids[2:d.at])
		for i := range c.tokens {
			require.Equal(t, v.ImageTokenID, d.ids[d.at+i])
		}
		require.NotEqual(t, v.ImageTokenID, d.ids[d.at+c.tokens])

		// In a batch each of its tokens knows its feature.
		p := packer{rows: 2, length: 71, view: view{tiles: 3, size: 3 * 24 * 24, features: 9}, next: func() (document, error) { return d, nil }}
		b, err := p.fill()
		require.NoError(t, err)
		require.Equal(t, c.tiles, b.shown, "the second row's picture found no room")
		require.Equal(t, d.ids, b.tokens[:len(d.ids)])
		require.Equal(t, int32(-1), b.places[d.at-1])
		require.Equal(t, int32(0), b.places[d.at])
		require.Equal(t, int32(9), b.places[d.at+9], "the second tile")
		require.Equal(t, int32(27), b.places[d.at+c.tokens-1], "the end of a row of patches")
		require.Equal(t, d.seen.Tiles[1], b.tiles[3*24*24:2*3*24*24])
	}
}
