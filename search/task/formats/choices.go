package formats

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mergeway/mergeway/search/task"
)

// jcommonsenseqa is JGLUE's JCommonsenseQA: a question and five choices.
func jcommonsenseqa() format {
	type row struct {
		ID       json.RawMessage `json:"q_id"`
		Question string          `json:"question"`
		Choice0  string          `json:"choice0"`
		Choice1  string          `json:"choice1"`
		Choice2  string          `json:"choice2"`
		Choice3  string          `json:"choice3"`
		Choice4  string          `json:"choice4"`
		Label    *int            `json:"label"`
	}
	return format{
		about: `JCommonsenseQA's JSONL: {"q_id", "question", "choice0" to "choice4", "label"}`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				choices := []string{r.Choice0, r.Choice1, r.Choice2, r.Choice3, r.Choice4}
				if r.Question == "" || r.Label == nil {
					return task.Problem{}, missing("question or label")
				}
				return choose(identified(r.ID, n), r.Question, "", choices, *r.Label)
			})
		},
		describe: asText("JCommonsenseQA: everyday knowledge, five choices", "multiple_choice",
			"質問に合う答えを選択肢から一つ選びます。\n\n質問：{question}\n選択肢：\n{choices}\n答え："),
	}
}

// jnli is JGLUE's JNLI: does one sentence follow from another?
func jnli() format {
	type row struct {
		ID         json.RawMessage `json:"sentence_pair_id"`
		Premise    string          `json:"sentence1"`
		Hypothesis string          `json:"sentence2"`
		Label      json.RawMessage `json:"label"`
	}
	return format{
		about: `JNLI's JSONL: {"sentence_pair_id", "sentence1", "sentence2", "label"}`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				if r.Premise == "" || r.Hypothesis == "" {
					return task.Problem{}, missing("sentence1 or sentence2")
				}
				at, err := labelled(r.Label, "entailment", "contradiction", "neutral")
				if err != nil {
					return task.Problem{}, err
				}
				return choose(identified(r.ID, n), r.Hypothesis, r.Premise, []string{"含意", "矛盾", "中立"}, at)
			})
		},
		describe: asText("JNLI: does one sentence follow from another", "multiple_choice",
			"前提と仮説の関係を、含意、矛盾、中立のどれかで答えます。\n\n前提：{context}\n仮説：{question}\n関係："),
	}
}

// marcJA is JGLUE's MARC-ja: is a review good or bad?
func marcJA() format {
	type row struct {
		ID    json.RawMessage `json:"review_id"`
		Text  string          `json:"text"`
		Alt   string          `json:"sentence"` // in copies of the set
		Label json.RawMessage `json:"label"`
	}
	return format{
		about: `MARC-ja's JSONL: {"review_id", "text", "label"}`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				if r.Text == "" {
					r.Text = r.Alt
				}
				if r.Text == "" {
					return task.Problem{}, missing("text")
				}
				at, err := labelled(r.Label, "positive", "negative")
				if err != nil {
					return task.Problem{}, err
				}
				return choose(identified(r.ID, n), r.Text, "", []string{"肯定的", "否定的"}, at)
			})
		},
		describe: asText("MARC-ja: is a review of a product good or bad", "multiple_choice",
			"商品の評価が肯定的か否定的かを答えます。\n\n評価：{question}\n答え："),
	}
}

// xwinogradJA is XWinograd's Japanese part: which of two words belongs into the
// gap? The sentences with either of them are compared.
func xwinogradJA() format {
	type row struct {
		ID       json.RawMessage `json:"id"`
		Sentence string          `json:"sentence"`
		Option1  string          `json:"option1"`
		Option2  string          `json:"option2"`
		Answer   json.RawMessage `json:"answer"`
	}
	return format{
		about: `XWinograd's JSONL: {"sentence" with "_", "option1", "option2", "answer"}`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				if !strings.Contains(r.Sentence, "_") || r.Option1 == "" || r.Option2 == "" {
					return task.Problem{}, missing("sentence with _, option1 or option2")
				}
				at, err := labelled(r.Answer, "1", "2")
				if err != nil {
					return task.Problem{}, err
				}
				choices := []string{strings.Replace(r.Sentence, "_", r.Option1, 1), strings.Replace(r.Sentence, "_", r.Option2, 1)}
				return choose(identified(r.ID, n), r.Sentence, "", choices, at)
			})
		},
		describe: asText("XWinograd in Japanese: which word belongs into the gap", "multiple_choice", ""),
	}
}

// choose is a problem whose answer is the choice with an index.
func choose(id, question, context string, choices []string, answer int) (task.Problem, error) {
	if answer < 0 || answer >= len(choices) {
		return task.Problem{}, fmt.Errorf("the label %d is none of %d choices", answer, len(choices))
	}
	return task.Problem{ID: id, Question: question, Context: context, Choices: choices, Answer: choices[answer]}, nil
}

// labelled reads a label: one of some words, or, in copies of a set, its index. A
// word goes first where it is a number.
func labelled(raw json.RawMessage, words ...string) (int, error) {
	text := strings.Trim(string(raw), `" `)
	for i, word := range words {
		if text == word {
			return i, nil
		}
	}
	var index int
	if json.Unmarshal(raw, &index) == nil && 0 <= index && index < len(words) {
		return index, nil
	}
	return 0, fmt.Errorf("the label %.40s is not one of %v", raw, words)
}

// asText describes a task that is asked as a text to go on with, as JP-LMEH does.
func asText(about, metric, template string) func([]task.Problem) description {
	return func([]task.Problem) description {
		return description{Description: about, Metric: metric, Format: string(task.Text), Prompt: prompt(template)}
	}
}
