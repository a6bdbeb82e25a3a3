package zoo

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Sample is one training text. A sample with a Prompt is a conversation, one
// without is plain text that begins with its Lead. The model is taught to say
// the Reply, and only that: nobody could guess the rest.
type Sample struct {
	Prompt, Lead, Reply string

	Picture *painting // what the prompt is about, where that is a picture
}

// Kind is a sort of training text.
type Kind string

// The kinds of text the cast is raised on. None of them ever holds a wrong
// statement.
const (
	WordProblem Kind = "word problem" // a story, answered with equation and answer
	Setup       Kind = "set-up"       // a story, asked for the expression only
	Equation    Kind = "equation"     // a bare equation, belonging to no language
	Statement   Kind = "statement"    // a fact, then a question about it
	Translation Kind = "translation"  // a fact to be said in the other language

	SceneTold       Kind = "scene in words"       // a caption, then a question about it
	SceneSeen       Kind = "scene as a picture"   // a picture, then a question about it
	SceneTranslated Kind = "caption, translation" // a caption to be said in the other language
)

// Serving is one part of a training diet: how much of it, and what it is.
type Serving struct {
	Share      float64 // relative to the other servings of the diet
	Kind       Kind
	Ask, Reply Lang  // the languages of question and reply
	Level      Level // for the kinds with numbers to calculate
	Ops        []Op  // nil means every operation
	Caption    Lang  // of a scene in words
}

// draw makes one sample of the serving. ok is false when the sample touches a
// problem that is kept for a split; the caller draws again.
func (s Serving) draw(r *rand.Rand, kept keys) (sample Sample, ok bool) {
	ops := s.Ops
	if len(ops) == 0 {
		ops = Ops
	}
	switch s.Kind {
	case WordProblem, Setup:
		p := drawProblem(r, pick(r, ops), s.Level)
		if kept.has(p) {
			return Sample{}, false
		}
		if s.Kind == WordProblem {
			return Sample{Prompt: p.Question(s.Ask), Reply: p.Reply(s.Reply)}, true
		}
		return setup(p, s.Ask, s.Reply), true
	case Equation:
		sum := drawSum(r, pick(r, ops), s.Level)
		return Sample{Lead: sum.Left() + "=", Reply: fmt.Sprint(sum.Result())}, true
	case Statement:
		return drawFact(r).ask(r, s.Ask, s.Reply), true
	case Translation:
		return drawFact(r).translate(s.Ask, s.Reply), true
	default:
		return s.drawScene(r), true
	}
}

// drawScene makes a sample about a scene that is not kept for the tasks.
func (s Serving) drawScene(r *rand.Rand) Sample {
	shown := drawScene(r, false)
	if s.Kind == SceneTranslated {
		return Sample{Prompt: shown.caption(s.Ask) + gap(s.Ask) + otherLanguage.in(s.Ask), Reply: shown.caption(s.Reply)}
	}
	question, answer := shown.ask(r, s.Ask, s.Reply)
	if s.Kind == SceneSeen {
		return Sample{Picture: shown.picture(r), Prompt: question, Reply: answer}
	}
	return Sample{Prompt: shown.caption(s.Caption) + "\n" + question, Reply: answer}
}

// otherLanguage asks for a translation.
var otherLanguage = word{"英語にしてください。", "Say it in Japanese."}

// setup asks how a problem would be calculated, without calculating it.
func setup(p Problem, ask, reply Lang) Sample {
	question := (word{"式は何ですか。", "What is the expression?"}).in(ask)
	answer := (word{"が式です。", " is the expression."}).in(reply)
	return Sample{Prompt: p.Story(ask) + gap(ask) + question, Reply: p.Left() + answer}
}

// fact is a statement about who saw how many of what where.
type fact struct {
	person, place word
	thing         object
	count         int
}

// drawFact picks a fact.
func drawFact(r *rand.Rand) fact {
	return fact{pick(r, people), pick(r, places), pick(r, objects), between(r, 2, 99)}
}

// say is the fact as a sentence.
func (f fact) say(l Lang) string {
	return f.fill(l, word{"{n}さんは{p}で{o}を{a}{c}見ました。", "{n} saw {a} {o} at the {p}."})
}

// ask makes a question about one of the fact's parts.
func (f fact) ask(r *rand.Rand, ask, reply Lang) Sample {
	type exchange struct{ question, answer word }
	e := pick(r, []exchange{
		{word{"誰が見ましたか。", "Who saw them?"}, word{"{n}さんです。", "It was {n}."}},
		{word{"どこで見ましたか。", "Where was that?"}, word{"{p}です。", "At the {p}."}},
		{word{"何を見ましたか。", "What was seen?"}, word{"{o}です。", "The {o}."}},
		{word{"何{c}見ましたか。", "How many {o} were seen?"}, word{"{a}{c}です。", "{a} {o}."}},
	})
	return Sample{Prompt: f.say(ask) + gap(ask) + f.fill(ask, e.question), Reply: f.fill(reply, e.answer)}
}

// translate asks for the fact in the other language.
func (f fact) translate(from, to Lang) Sample {
	return Sample{Prompt: f.say(from) + gap(from) + otherLanguage.in(from), Reply: f.say(to)}
}

// fill puts the fact's words into a text.
func (f fact) fill(l Lang, text word) string {
	return strings.NewReplacer(
		"{n}", f.person.in(l), "{p}", f.place.in(l), "{o}", f.thing.in(l),
		"{c}", f.thing.counter, "{a}", fmt.Sprint(f.count),
	).Replace(text.in(l))
}

// keys is a set of problem keys that training text must not touch.
type keys map[string]bool

// has says whether a problem is in the set.
func (k keys) has(p Problem) bool { return k[p.Key()] }
