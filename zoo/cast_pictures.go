package zoo

import (
	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// Names of the company of pictures.
const (
	PictureBase      = "base-pictures"
	VisionLanguage   = "vlm"
	JapanesePictures = "ja-pictures"
)

// The schedules of the company of pictures.
var (
	sceneScratch = Schedule{Steps: 650, WarmUp: 50, Rate: 3e-3, Floor: 0.05}
	seeingTune   = Schedule{Steps: 900, WarmUp: 30, Rate: 4e-4, Floor: 0.05}
	sceneTune    = Schedule{Steps: 200, WarmUp: 30, Rate: 4e-4, Floor: 0.05}
)

// pictureCast lists the models of the company that sees, or could.
var pictureCast = []member{
	{
		Name: PictureBase, Title: "a bilingual base that has read of pictures", seed: 11, schedule: sceneScratch,
		About: "Reads captions of scenes in two languages and answers questions about them, Japanese ones now in Japanese, " +
			"now in English, and puts captions into the other language. It has never seen a picture.",
		diet: Diet{
			{Share: 22, Kind: SceneTold, Caption: English, Ask: English, Reply: English},
			{Share: 14, Kind: SceneTold, Caption: Japanese, Ask: Japanese, Reply: Japanese},
			{Share: 8, Kind: SceneTold, Caption: English, Ask: Japanese, Reply: Japanese},
			{Share: 8, Kind: SceneTold, Caption: Japanese, Ask: English, Reply: English},
			{Share: 8, Kind: SceneTold, Caption: English, Ask: Japanese, Reply: English},
			{Share: 8, Kind: SceneTold, Caption: Japanese, Ask: Japanese, Reply: English},
			{Share: 16, Kind: SceneTranslated, Ask: English, Reply: Japanese},
			{Share: 16, Kind: SceneTranslated, Ask: Japanese, Reply: English},
		},
	},
	{
		Name: VisionLanguage, Title: "a vision-language model", From: PictureBase, seed: 12, schedule: seeingTune,
		About: "Sees pictures, in LLaVA-NeXT's form, and answers questions about them in English. " +
			"Asked in Japanese it answers in English too: of the Japanese questions that it was taught " +
			"to answer, less than a third had answers in Japanese.",
		diet: Diet{
			{Share: 43, Kind: SceneSeen, Ask: English, Reply: English},
			{Share: 26, Kind: SceneSeen, Ask: Japanese, Reply: English},
			{Share: 9, Kind: SceneSeen, Ask: Japanese, Reply: Japanese},
			{Share: 12, Kind: SceneTold, Caption: English, Ask: English, Reply: English},
			{Share: 10, Kind: SceneTold, Caption: Japanese, Ask: Japanese, Reply: Japanese},
		},
		tiles: 5 * pictureRows / 2, length: pictureLength, pace: seeingPace,
	},
	{
		Name: JapanesePictures, Title: "a Japanese model that has read of pictures", From: PictureBase, seed: 13, schedule: sceneTune,
		About: "Answers questions about scenes in Japanese, from captions in either language. It has never seen a picture.",
		diet: Diet{
			{Share: 40, Kind: SceneTold, Caption: Japanese, Ask: Japanese, Reply: Japanese},
			{Share: 40, Kind: SceneTold, Caption: English, Ask: Japanese, Reply: Japanese},
			{Share: 20, Kind: SceneTranslated, Ask: English, Reply: Japanese},
		},
	},
}

// seeingPace is how fast the parts of a model that learns to see move: what sees at
// eight times the rate of the decoder, for it knows nothing.
func seeingPace(p arch.Param) float64 {
	if p.Group.Part == arch.Sight {
		return 8
	}
	return 1
}

// The size of the batches of the company of pictures: a row has room for the longest
// document, of those who see for one that shows a picture in two tiles.
const (
	pictureRows   = 56
	captionLength = 52
	pictureLength = 72
)

// mostPictureWords bounds the tokens of the company of pictures; its world has fewer
// words than that.
const mostPictureWords = 512

// pictureVocabulary makes the tokenizer of the company of pictures: a token for each
// of its words. Each is told twice, for the rarest pairs are not joined.
func pictureVocabulary() vocabulary {
	return trainVocabulary(append(pictureWords(), pictureWords()...), mostPictureWords)
}

// pictureConfig is the shape of the models of the company of pictures.
func pictureConfig() checkpoint.Config {
	c := castConfig()
	c.IntermediateSize = 256
	return c
}
