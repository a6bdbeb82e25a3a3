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

// Problem is one question with its right answer. What an answer may be, the
// task's metric decides.
type Problem struct {
	ID       string `json:"id"`
	Question string `json:"question"`
	// Context is what the question is about, if the two are apart: the passage of
	// a reading test, an article.
	Context string `json:"context,omitempty"`
	// Image is a picture that the question is about, as a file below the task's
	// folder; Images are several. A problem has one of them or neither.
	Image  string   `json:"image,omitempty"`
	Images []string `json:"images,omitempty"`
	// Choices are the possible answers where there are only so many; Answer is one
	// of them.
	Choices []string `json:"choices,omitempty"`
	Answer  string   `json:"answer"`
	// Answers are others that are as good as Answer.
	Answers []string `json:"answers,omitempty"`
}

// accepted are all good answers.
func (p Problem) accepted() []string { return append([]string{p.Answer}, p.Answers...) }

// Format says in which form a model is asked.
type Format string

// The formats.
const (
	// Chat asks through the model's chat template.
	Chat Format = "chat"
	// Text gives the model a text to go on with, as evaluations of base models do.
	Text Format = "text"
)

// Turn is one message of a conversation.
type Turn struct {
	Role    string `yaml:"role" json:"role"`       // user, assistant or system
	Content string `yaml:"content" json:"content"` // what is said
}

// Task is a set of problems, the way to ask them, and the rule that scores
// replies. It is immutable and safe for concurrent use. [Load] makes one.
type Task struct {
	// Name is the name of the task's folder.
	Name string
	// Description says in a sentence what the task asks for.
	Description string
	// Language is the ISO 639-1 code of the language that a right reply is
	// written in; empty if any will do.
	Language string
	// Gate says which replies have to be in that language.
	Gate Gate
	// Weight is what the task counts among others.
	Weight float64
	// Metric is the name of the rule that scores replies.
	Metric string
	// Extractor says how a number is read from a reply, where the metric wants one.
	Extractor Extractor
	// Format says in which form problems are put.
	Format Format
	// System is the system message of every conversation, or the head of every
	// text; empty for none.
	System string
	// Turns are said before the question, word by word.
	Turns []Turn
	// Examples are problems that are shown with their answers before the question.
	Examples []Problem
	// Prompt is the user's message, with [Placeholder] for the question.
	Prompt string
	// Separator stands between the examples of a text.
	Separator string
	// Decoding says how replies are generated.
	Decoding
	// Digest names the task's content: same digest, same scores.
	Digest string

	problems map[Split][]Problem
	pictures map[string]Picture // by name
	metric   metric
	gate     *gate // nil if any language will do
}

// Decoding says how replies are generated. All of them are greedy, or the best of
// a beam search.
type Decoding struct {
	// MaxTokens is the longest reply, in tokens.
	MaxTokens int
	// Stop ends a reply where one of these strings would begin.
	Stop []string
	// Beams is the width of the beam search; 1 for none.
	Beams int
	// LengthPenalty is that of the beam search: see infer.BeamOptions.
	LengthPenalty float64
	// RepetitionPenalty is that of infer.Sampling; 1 for none.
	RepetitionPenalty float64
}

// The placeholders of a prompt.
const (
	Placeholder        = "{question}" // the question
	ContextPlaceholder = "{context}"  // what it is about
	ChoicesPlaceholder = "{choices}"  // the possible answers, one a line
)

// Problems gives the problems of a split, in the order of the file.
func (t *Task) Problems(s Split) []Problem { return slices.Clone(t.problems[s]) }

// Count is the number of problems in a split.
func (t *Task) Count(s Split) int { return len(t.problems[s]) }

// Chooses tells that a model isn't asked for a reply, but for how likely it finds
// each of a problem's choices.
func (t *Task) Chooses() bool {
	_, chooses := t.metric.(choice)
	return chooses
}

// Messages is the conversation that asks a problem. Its pictures come before its
// words.
func (t *Task) Messages(p Problem) []chat.Message {
	var messages []chat.Message
	if t.System != "" {
		messages = append(messages, chat.Message{Role: "system", Content: t.System})
	}
	for _, turn := range t.Turns {
		messages = append(messages, chat.Message{Role: turn.Role, Content: turn.Content})
	}
	for _, e := range t.Examples {
		messages = append(messages, chat.Message{Role: "user", Content: t.fill(e)}, chat.Message{Role: "assistant", Content: e.Answer})
	}
	return append(messages, p.asked(t.fill(p)))
}

// Text is the text that asks a problem in the format Text.
func (t *Task) Text(p Problem) string {
	var parts []string
	if t.System != "" {
		parts = append(parts, t.System)
	}
	for _, e := range t.Examples {
		parts = append(parts, t.fill(e)+e.Answer)
	}
	return strings.Join(append(parts, t.fill(p)), t.Separator)
}

// fill puts a problem into the prompt, in one pass: a question that looks like a
// placeholder stays as it is.
func (t *Task) fill(p Problem) string {
	return strings.NewReplacer(
		Placeholder, p.Question,
		ContextPlaceholder, p.Context,
		ChoicesPlaceholder, listed(p.Choices),
	).Replace(t.Prompt)
}

// listed writes choices one a line.
func listed(choices []string) string {
	lines := make([]string, len(choices))
	for i, c := range choices {
		lines[i] = "- " + c
	}
	return strings.Join(lines, "\n")
}
