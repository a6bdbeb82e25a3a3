package zoo

// Lang is a language the generator speaks.
type Lang string

// The two languages of the zoo. Every text exists in both, sentence by
// sentence, so that neither language carries information the other lacks.
const (
	Japanese Lang = "ja"
	English  Lang = "en"
)

// word is one thing of the miniature world in both languages.
type word struct{ ja, en string }

// in gives the word in a language.
func (w word) in(l Lang) string {
	if l == Japanese {
		return w.ja
	}
	return w.en
}

// object is something that can be counted. Japanese counts it with a counter
// word; English only ever uses the plural, because counts are never one.
type object struct {
	word
	counter string
}

// The people of the world.
var people = []word{
	{"太郎", "Taro"}, {"花子", "Hanako"}, {"健", "Ken"}, {"由美", "Yumi"},
	{"直樹", "Naoki"}, {"明", "Akira"}, {"美咲", "Misaki"}, {"翔", "Sho"},
}

// The things they own.
var objects = []object{
	{word{"りんご", "apples"}, "個"}, {word{"みかん", "oranges"}, "個"},
	{word{"ビー玉", "marbles"}, "個"}, {word{"卵", "eggs"}, "個"},
	{word{"本", "books"}, "冊"}, {word{"ノート", "notebooks"}, "冊"},
	{word{"鉛筆", "pencils"}, "本"}, {word{"花", "flowers"}, "本"},
	{word{"切手", "stamps"}, "枚"}, {word{"カード", "cards"}, "枚"},
}

// The places where they are seen.
var places = []word{
	{"公園", "park"}, {"学校", "school"}, {"駅", "station"},
	{"店", "store"}, {"庭", "garden"}, {"家", "house"},
}
