package task

import (
	"slices"
	"strings"

	"github.com/mergeway/mergeway/infer/chat"
)

// Split names one of the three sets of problems of a task.
type Split string

// The splits. A search optimises on the first, its winner is chosen on the
// second, and the third is used once, for the score that is reported.
const (
	Search     Split = "search"
	Validation Split = "validation"
	Test       Split = "test"
)

// Splits lists the splits in the order of their use.
func Splits() []Split { return []Split{Search, Validation, Test} }

// Problem is one question with its right answer, a number.
type Problem struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	Answer   string `json:"answer"`
}

// Task is a set of problems and the rule that scores replies. It is immutable
// and safe for concurrent use. [Load] makes one.
type Task struct {
	// Name is the name of the task's folder.
	Name string
	// Description says in a sentence what the task asks for.
	Description string
	// Language is the ISO 639-1 code of the language that a right reply is
	// written in; empty if any will do.
	Language string
	// Extractor says how the answer is read from a reply.
	Extractor Extractor
	// System is the system message of every conversation; empty for none.
	System string
	// Prompt is the user's message, with [Placeholder] for the question.
	Prompt string
	// MaxTokens is the longest reply, in tokens.
	MaxTokens int
	// Stop ends a reply where one of these strings would begin.
	Stop []string
	// Digest names the task's content: same digest, same scores.
	Digest string

	problems map[Split][]Problem
	answers  map[string]number // by the problem's answer text
	gate     *gate             // nil if any language will do
}

// Placeholder stands for the question in a task's prompt.
const Placeholder = "{question}"

// Problems gives the problems of a split, in the order of the file.
func (t *Task) Problems(s Split) []Problem { return slices.Clone(t.problems[s]) }

// Count is the number of problems in a split.
func (t *Task) Count(s Split) int { return len(t.problems[s]) }

// Messages is the conversation that asks a problem.
func (t *Task) Messages(p Problem) []chat.Message {
	var messages []chat.Message
	if t.System != "" {
		messages = append(messages, chat.Message{Role: "system", Content: t.System})
	}
	return append(messages, chat.Message{Role: "user", Content: strings.ReplaceAll(t.Prompt, Placeholder, p.Question)})
}

// Outcome is the verdict on one reply.
type Outcome struct {
	// Correct means that the number and the language are right.
	Correct bool `json:"correct"`
	// NumberRight means that the extracted number equals the answer.
	NumberRight bool `json:"number_right"`
	// LanguageRight means that the reply is in the task's language, or that the
	// task doesn't care.
	LanguageRight bool `json:"language_right"`
	// Extracted is the number as it was read from the reply; empty if none.
	Extracted string `json:"extracted,omitempty"`
	// Reply is the text that was judged.
	Reply string `json:"reply,omitempty"`
}

// Score judges a reply to a problem.
func (t *Task) Score(p Problem, reply string) Outcome {
	o := Outcome{Reply: reply, LanguageRight: t.gate == nil || t.gate.passes(reply)}
	want, ok := t.answers[p.Answer]
	if !ok {
		want, ok = parseAnswer(p.Answer)
	}
	got, text, found := t.Extractor.extract(reply)
	o.Extracted = text
	o.NumberRight = ok && found && got.equals(want)
	o.Correct = o.NumberRight && o.LanguageRight
	return o
}
