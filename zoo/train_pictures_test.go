package zoo

import (
	"path/filepath"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/checkpoint"
	"github.com/mergeway/mergeway/infer/device/devicetest"
	"github.com/mergeway/mergeway/infer/picture"
	"github.com/mergeway/mergeway/infer/tokenizer"
)

func TestACompanyThatSeesLearnsAndLeavesModelsThatLoad(t *testing.T) {
	first, last := map[string]float64{}, map[string]float64{}
	dir, err := trainShort(t, t.Context(), Pictures, func(p Progress) {
		if p.Step == 1 {
			first[p.Member] = p.Loss
		}
		last[p.Member] = p.Loss
	})
	require.NoError(t, err)
	require.Less(t, last[PictureBase], first[PictureBase]-1)
	require.Less(t, last[VisionLanguage], first[VisionLanguage])

	folder, err := checkpoint.Open(filepath.Join(dir, "models", VisionLanguage))
	require.NoError(t, err)
	defer folder.Close()
	v := folder.Vision()
	require.NotNil(t, v)
	words := pictureVocabulary()
	want := sightConfig(words)
	require.Equal(t, &want, v)
	require.Equal(t, len(words.tokens)+1, folder.Config().VocabSize)
	dev := devicetest.Open(t)
	weights, err := infer.LoadWeights(t.Context(), dev, folder, dtypes.Float32)
	require.NoError(t, err)
	weights.Free()
	sees, err := infer.LoadVision(t.Context(), dev, folder, dtypes.Float32)
	require.NoError(t, err)
	defer sees.Free()

	// What it is asked when it serves is what it was taught to answer.
	tok, err := tokenizer.Load(folder.Dir())
	require.NoError(t, err)
	require.Equal(t, folder.Config().VocabSize, tok.VocabSize())
	template, err := chat.Load(folder.Dir(), tok)
	require.NoError(t, err)
	shown := drawScene(newRand(1, "test"), true)
	painting := shown.paint(newRand(1, "test"), 48, 24)
	file, err := painting.png()
	require.NoError(t, err)
	decoded, err := picture.Decode(file, picture.DefaultLimits())
	require.NoError(t, err)
	prepared, err := sees.Prepare(decoded)
	require.NoError(t, err)
	question, answer := shown.ask(newRand(1, "test"), Japanese, Japanese)
	asked, err := template.Seeing(v.ImageTokenID).Encode([]chat.Message{{Role: "user", Parts: []chat.Part{{Picture: true}, {Text: question}}}})
	require.NoError(t, err)
	asked, err = infer.PlacePictures(asked, *v, []*picture.Prepared{prepared})
	require.NoError(t, err)

	processor, err := picture.OpenProcessor(folder.Dir(), v)
	require.NoError(t, err)
	l := layout{encode: func(s string) []int32 { return tok.Encode(s, false) }, pictures: processor, image: v.ImageTokenID}
	taught, err := l.document(Sample{Picture: painting, Prompt: question, Reply: answer})
	require.NoError(t, err)
	require.Equal(t, taught.ids[:len(asked)], asked)
	require.True(t, taught.learn[len(asked)])
	require.Equal(t, taught.seen.Tiles, prepared.Tiles)

	// The others have the same shape, and no token for pictures.
	for _, name := range []string{PictureBase, JapanesePictures} {
		folder, err := checkpoint.Open(filepath.Join(dir, "models", name))
		require.NoError(t, err)
		defer folder.Close()
		require.Nil(t, folder.Vision())
		require.Equal(t, len(words.tokens), folder.Config().VocabSize)
	}
}

// The same batches come of the same seed: texts, pictures, and where these stand.
func TestLessonsOfPicturesAreTheSameForASeed(t *testing.T) {
	s := &school{options: Options{ModelsDir: t.TempDir()}}
	c, err := newClass(s, companies()[1])
	require.NoError(t, err)
	batchOf := func(seed uint64) batch {
		m := c.members[1]
		reader, l := newReader(m.diet, nil, seed), c.lesson(m)
		p := &packer{rows: c.rows, length: c.rowOf(m), alone: true, view: l.sight.view(), next: func() (document, error) {
			return c.layout.document(reader.next())
		}}
		b, err := p.fill()
		require.NoError(t, err)
		return b
	}
	one := batchOf(1)
	require.Equal(t, one, batchOf(1))
	require.NotEqual(t, one, batchOf(2))
	require.Greater(t, one.shown, c.rows, "most rows show a picture, of at least two tiles")
	require.Equal(t, initialWeights(c.config, 3)[0].Value(), initialWeights(c.config, 3)[0].Value())
}

func TestOnlyWhatSeesMovesFaster(t *testing.T) {
	require.Equal(t, 1., seeingPace(arch.Param{Group: arch.Group{Part: arch.Block}}))
	require.Greater(t, seeingPace(arch.Param{Group: arch.Group{Part: arch.Sight}}), 1.)
}
