package zoo

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
)

// colour is a colour of the things in pictures. Japanese has a form of it that
// stands before a noun, and one that stands alone.
type colour struct {
	word
	before string // the Japanese form before a noun
	rgb    [3]float64
}

// The colours of the things in pictures.
var colours = []colour{
	{word{"赤", "red"}, "赤い", [3]float64{220, 50, 50}},
	{word{"青", "blue"}, "青い", [3]float64{50, 80, 230}},
	{word{"緑", "green"}, "緑の", [3]float64{50, 180, 70}},
	{word{"黄色", "yellow"}, "黄色い", [3]float64{235, 215, 50}},
	{word{"白", "white"}, "白い", [3]float64{240, 240, 240}},
}

// outline is the form of a thing in a picture.
type outline struct {
	word
	plural string // English
}

// The outlines of the things in pictures, in the order in which they are painted.
var outlines = []outline{
	{word{"輪", "ring"}, "rings"},
	{word{"四角", "square"}, "squares"},
	{word{"三角", "triangle"}, "triangles"},
	{word{"十字", "cross"}, "crosses"},
}

// sides are where the two things of a pair are: beside each other, or one above
// the other.
var sides = [2][2]word{
	{{"左", "on the left"}, {"右", "on the right"}},
	{{"上", "at the top"}, {"下", "at the bottom"}},
}

// look is what a thing in a picture looks like: indices of colours and outlines.
type look struct{ colour, outline int }

func drawLook(r *rand.Rand) look { return look{r.IntN(len(colours)), r.IntN(len(outlines))} }

// in names so many things of a look.
func (k look) in(l Lang, count int) string {
	if l == Japanese {
		return colours[k.colour].before + outlines[k.outline].ja
	}
	return colours[k.colour].en + " " + k.noun(l, count)
}

// noun names so many things by their outline alone.
func (k look) noun(l Lang, count int) string {
	if l == English && count != 1 {
		return outlines[k.outline].plural
	}
	return outlines[k.outline].in(l)
}

// mostOfAKind is how many things of one look a scene may hold: its cells.
const mostOfAKind = 4

// scene is what a picture shows, and what can be said about it: either some things
// of one look, or a pair of two looks.
type scene struct {
	looks [2]look // of the pair; the first alone where there is no pair
	count int     // of the things of one look; 0: a pair
	sides int     // where the pair is: an index of sides
}

// drawScene picks a scene from those that are kept for tasks, or from the others.
func drawScene(r *rand.Rand, kept bool) scene {
	for {
		s := scene{looks: [2]look{drawLook(r), drawLook(r)}}
		if r.IntN(2) == 0 {
			s.looks[1], s.count = look{}, between(r, 1, mostOfAKind)
		} else if s.sides = r.IntN(len(sides)); s.looks[0] == s.looks[1] {
			continue
		}
		if s.kept() == kept {
			return s
		}
	}
}

// kept tells whether the scene is one of those that no training shows or tells of:
// every fourth, by hash. So tasks ask about pictures of what no model has seen.
func (s scene) kept() bool {
	h := fnv.New32a()
	fmt.Fprint(h, s)
	return h.Sum32()>>8%4 == 0
}

// caption tells the scene in the fewest words.
func (s scene) caption(l Lang) string {
	if s.count > 0 {
		return s.fill(l, 0, word{"{look}が{n}つ。", "{n} {look}."})
	}
	return s.fill(l, 0, word{"{place}に{look}、{place2}に{look2}。", "{look} {place}, {look2} {place2}."})
}

// exchange is a question about a scene and its answer.
type exchange struct{ question, answer word }

// The questions about things of one look, and about a pair. They are put about
// either thing of the pair.
var (
	groupExchanges = []exchange{
		{word{"何がありますか。", "What is there?"}, word{"{look}が{n}つあります。", "There {be} {n} {look}."}},
		{word{"何色ですか。", "What is the colour?"}, word{"色は{colour}です。", "The colour is {colour}."}},
		{word{"いくつありますか。", "How many are there?"}, word{"{noun}が{n}つあります。", "There {be} {n} {noun}."}},
		{word{"形は何ですか。", "What is the shape?"}, word{"形は{outline}です。", "The shape is a {outline}."}},
	}
	pairExchanges = []exchange{
		{word{"何がありますか。", "What is there?"}, word{"{place}に{look}、{place2}に{look2}があります。", "There is a {look} {place} and a {look2} {place2}."}},
		{word{"{place}に何がありますか。", "What is {place}?"}, word{"{place}に{look}があります。", "There is a {look} {place}."}},
		{word{"{place}に何がありますか。", "What is {place}?"}, word{"{place}に{look}があります。", "There is a {look} {place}."}},
		{word{"{look}はどこですか。", "Where is the {look}?"}, word{"{look}は{place}にあります。", "The {look} is {place}."}},
	}
)

// ask puts a question about the scene in one language, and answers in another.
func (s scene) ask(r *rand.Rand, ask, reply Lang) (question, answer string) {
	from, about := groupExchanges, 0
	if s.count == 0 {
		from, about = pairExchanges, r.IntN(2)
	}
	e := pick(r, from)
	if strings.Contains(e.answer.en, "{place2}") {
		about = 0 // the whole pair, in its order
	}
	return s.fill(ask, about, e.question), s.fill(reply, about, e.answer)
}

// fill puts the words for one of the scene's looks, and for the other, into a text.
func (s scene) fill(l Lang, about int, text word) string {
	k, other, count, be := s.looks[about], s.looks[1-about], max(1, s.count), "are"
	if count == 1 {
		be = "is"
	}
	places := sides[s.sides]
	return strings.NewReplacer(
		"{look}", k.in(l, count), "{noun}", k.noun(l, count), "{n}", fmt.Sprint(s.count), "{be}", be,
		"{colour}", colours[k.colour].in(l), "{outline}", outlines[k.outline].in(l), "{place}", places[about].in(l),
		"{look2}", other.in(l, 1), "{place2}", places[1-about].in(l),
	).Replace(text.in(l))
}

// pictureWords are the words of which all that is said about scenes is made, as
// Japanese and English tokenize: English words with the space before them too.
func pictureWords() []string {
	words := []string{"1", "2", "3", "4", "\n", "が", "つ", "に", "は", "、", "。", "です", "ですか", "あります", "ありますか", "何", "何色", "いくつ", "どこ", "色", "形", "にしてください", "英語"}
	var english []string
	for _, c := range colours {
		words, english = append(words, c.ja, c.before), append(english, c.en)
	}
	for _, o := range outlines {
		words, english = append(words, o.ja), append(english, o.en, o.plural)
	}
	texts := []string{"Say it in Japanese."}
	for _, e := range slices.Concat(groupExchanges, pairExchanges) {
		texts = append(texts, e.question.en, e.answer.en)
	}
	for _, pair := range sides {
		for _, side := range pair {
			words, texts = append(words, side.ja), append(texts, side.en)
		}
	}
	for _, text := range texts {
		english = append(english, strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })...)
	}
	for _, w := range english {
		words = append(words, w, " "+w)
	}
	return append(words, ".", ",", "?", " ")
}

// picture is the scene as a picture of some size.
func (s scene) picture(r *rand.Rand) *painting {
	width, height := drawFrame(r)
	return s.paint(r, width, height)
}
