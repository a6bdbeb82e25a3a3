package formats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mergeway/mergeway/search/task"
)

// mgsm is MGSM's file of tab-separated values: question, answer. The Japanese one
// is told by its letters, and wants replies in Japanese.
func mgsm() format {
	return format{
		about: "MGSM's TSV: a question and its answer, a number, in each line",
		problems: func(data []byte) ([]task.Problem, error) {
			var problems []task.Problem
			for i, line := range bytes.Split(data, []byte("\n")) {
				text := strings.TrimRight(string(line), "\r")
				if strings.TrimSpace(text) == "" {
					continue
				}
				question, answer, ok := strings.Cut(text, "\t")
				if !ok || strings.Contains(answer, "\t") {
					return nil, fmt.Errorf("line %d has not two columns", i+1)
				}
				problems = append(problems, task.Problem{ID: fmt.Sprint(len(problems)), Question: question, Answer: strings.TrimSpace(answer)})
			}
			return problems, nil
		},
		describe: func(problems []task.Problem) description {
			d := description{Description: "MGSM: word problems of school maths", Metric: "accuracy"}
			if isJapanese(problems[0].Question) {
				d.Language = "ja"
				d.Prompt = prompt("次の問題を日本語で順を追って解き、最後に答えの数字を書いてください。\n\n{question}")
			}
			return d
		},
	}
}

// gsm8k is GSM8K's file: question, and a worked answer that ends with "#### 42".
func gsm8k() format {
	type row struct {
		ID       json.RawMessage `json:"id"`
		Question string          `json:"question"`
		Answer   string          `json:"answer"`
	}
	return format{
		about: `GSM8K's JSONL: {"question", "answer"}, the answer's last line "#### " and a number`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				at := strings.LastIndex(r.Answer, "####")
				if r.Question == "" || at < 0 {
					return task.Problem{}, missing("question, or #### in answer")
				}
				return task.Problem{ID: identified(r.ID, n), Question: r.Question, Answer: strings.TrimSpace(r.Answer[at+4:])}, nil
			})
		},
		describe: func(problems []task.Problem) description {
			d := description{Description: "GSM8K: word problems of school maths", Metric: "accuracy"}
			if isJapanese(problems[0].Question) {
				d.Language = "ja"
			}
			return d
		},
	}
}

// isJapanese tells whether a text has kana.
func isJapanese(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return 'ぁ' <= r && r <= 'ヿ' })
}

func prompt(text string) *string { return &text }
