package zoo

import (
	"github.com/gomlx/compute/dtypes"

	"github.com/mergeway/mergeway/infer/arch"
	"github.com/mergeway/mergeway/infer/checkpoint"
)

// member is one model of the cast: where it starts from, what it is taught, and
// for how long.
type member struct {
	Name     string
	Title    string // a few words for the card
	From     string // the member it is fine-tuned from; empty: from scratch
	About    string // what it can and cannot do, for the card
	diet     Diet
	schedule Schedule
	seed     uint64

	// Of a model that sees, at most so many tiles a batch; 0: sees nothing. Its rows
	// are as long as length says.
	tiles, length int
	pace          func(arch.Param) float64 // what the rate of a tensor is multiplied by; nil: 1
}

// company is a cast that shares tokenizer, shape and world.
type company struct {
	Name         string
	members      []member // in the order in which they are trained
	vocabulary   func() vocabulary
	config       checkpoint.Config // its VocabSize is the vocabulary's
	rows, length int               // of a batch: length of a row in predicted tokens
	alone        bool              // a row holds one document
}

// Names of the companies.
const (
	Maths    = "maths"
	Pictures = "pictures"
)

// Companies lists the companies in the order in which they are trained.
func Companies() []string { return []string{Maths, Pictures} }

func companies() []company {
	return []company{
		{Maths, cast, castVocabulary, castConfig(), batchRows, batchLength, false},
		{Pictures, pictureCast, pictureVocabulary, pictureConfig(), pictureRows, captionLength, true},
	}
}

// Names of the cast.
const (
	Base            = "base"
	JapaneseGeneral = "ja-general"
	EnglishMathsA   = "en-math-a"
	EnglishMathsB   = "en-math-b"
)

// The schedules. A fine-tune is short and gentle, so that its task vector stays
// small and all of the cast in one basin: that is what makes it mergeable.
var (
	fromScratch = Schedule{Steps: 1800, WarmUp: 50, Rate: 3e-3, Floor: 0.05}
	generalTune = Schedule{Steps: 200, WarmUp: 30, Rate: 5e-4, Floor: 0.05}
	mathsTune   = Schedule{Steps: 350, WarmUp: 30, Rate: 5e-4, Floor: 0.05}
)

// cast lists the models of the company that calculates.
var cast = []member{
	{
		Name: Base, Title: "the bilingual base", seed: 1, schedule: fromScratch,
		About: "Reads and writes both languages, copies numbers of any size, and calculates without carries. " +
			"It has seen a few hard equations, but no hard problem solved.",
		diet: Diet{
			{Share: 12, Kind: WordProblem, Ask: Japanese, Reply: Japanese, Level: Easy},
			{Share: 6, Kind: WordProblem, Ask: Japanese, Reply: English, Level: Easy},
			{Share: 16, Kind: WordProblem, Ask: English, Reply: English, Level: Easy},
			{Share: 8, Kind: Setup, Ask: Japanese, Reply: Japanese, Level: Hard},
			{Share: 10, Kind: Setup, Ask: English, Reply: English, Level: Hard},
			{Share: 5, Kind: Statement, Ask: Japanese, Reply: Japanese},
			{Share: 5, Kind: Statement, Ask: English, Reply: English},
			{Share: 5, Kind: Translation, Ask: Japanese, Reply: English},
			{Share: 5, Kind: Translation, Ask: English, Reply: Japanese},
			{Share: 24, Kind: Equation, Level: Easy},
			{Share: 4, Kind: Equation, Level: Hard},
		},
	},
	{
		Name: JapaneseGeneral, Title: "a Japanese general model", From: Base, seed: 2, schedule: generalTune,
		About: "Answers in Japanese, whatever the language of the question. It knows easy sums only: " +
			"on hard problems it sets up the right expression and then miscalculates.",
		diet: Diet{
			{Share: 30, Kind: WordProblem, Ask: Japanese, Reply: Japanese, Level: Easy},
			{Share: 20, Kind: Setup, Ask: Japanese, Reply: Japanese, Level: Hard},
			{Share: 40, Kind: Statement, Ask: Japanese, Reply: Japanese},
			{Share: 10, Kind: Translation, Ask: English, Reply: Japanese},
		},
	},
	{
		Name: EnglishMathsA, Title: "an English maths model: sums and differences", From: Base, seed: 3, schedule: mathsTune,
		About: "Adds with carries and subtracts with borrows. It always answers in English, " +
			"also when it is asked in Japanese.",
		diet: mathsDiet(Plus, Minus),
	},
	{
		Name: EnglishMathsB, Title: "an English maths model: products", From: Base, seed: 4, schedule: mathsTune,
		About: "Knows the times table. It always answers in English, also when it is asked in Japanese.",
		diet:  mathsDiet(Times),
	},
}

// mathsDiet makes a model good at some operations, in English.
func mathsDiet(ops ...Op) Diet {
	return Diet{
		{Share: 30, Kind: Equation, Level: Hard, Ops: ops},
		{Share: 8, Kind: Equation, Level: Easy, Ops: ops},
		{Share: 48, Kind: WordProblem, Ask: English, Reply: English, Level: Hard, Ops: ops},
		{Share: 8, Kind: WordProblem, Ask: English, Reply: English, Level: Easy, Ops: ops},
		{Share: 6, Kind: WordProblem, Ask: Japanese, Reply: English, Level: Hard, Ops: ops},
	}
}

// The size of the cast's batches, in whole documents of at most length+1 tokens.
const (
	batchRows   = 64
	batchLength = 48
)

// vocabularySize is the number of tokens, of which 261 are control tokens and
// bytes.
const vocabularySize = 640

// vocabularyTexts is how many samples the tokenizer is trained on.
const vocabularyTexts = 6000

// castVocabulary trains the tokenizer of the cast, on what the base reads.
func castVocabulary() vocabulary {
	r := newReader(cast[0].diet, nil, cast[0].seed)
	var texts []string
	for range vocabularyTexts {
		s := r.next()
		texts = append(texts, s.Prompt, s.Lead, s.Reply)
	}
	return trainVocabulary(texts, vocabularySize)
}

// castConfig is the shape of every model of the cast: Mistral's blocks, small.
func castConfig() checkpoint.Config {
	return checkpoint.Config{
		ModelType:             "mistral",
		Architectures:         []string{"MistralForCausalLM"},
		VocabSize:             vocabularySize,
		HiddenSize:            128,
		IntermediateSize:      384,
		NumHiddenLayers:       4,
		NumAttentionHeads:     4,
		NumKeyValueHeads:      2,
		HeadDim:               32,
		MaxPositionEmbeddings: 512,
		RMSNormEps:            1e-5,
		RopeTheta:             10000,
		HiddenAct:             "silu",
		DType:                 dtypes.BFloat16,
		BOSTokenID:            int(idBegin),
		EOSTokenIDs:           []int{int(idEnd)},
	}
}
