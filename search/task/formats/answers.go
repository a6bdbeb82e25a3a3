package formats

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/mergeway/mergeway/search/task"
)

// jsquad is JGLUE's JSQuAD, in the form of SQuAD 1.1: passages with questions whose
// answers stand in them.
func jsquad() format {
	type set struct {
		Data []struct {
			Title      string `json:"title"`
			Paragraphs []struct {
				Context string `json:"context"`
				QAs     []struct {
					ID       json.RawMessage `json:"id"`
					Question string          `json:"question"`
					Answers  []struct {
						Text string `json:"text"`
					} `json:"answers"`
					Impossible bool `json:"is_impossible"`
				} `json:"qas"`
			} `json:"paragraphs"`
		} `json:"data"`
	}
	return format{
		about: `JSQuAD's JSON: {"data": [{"title", "paragraphs": [{"context", "qas": [{"id", "question", "answers"}]}]}]}`,
		problems: func(data []byte) ([]task.Problem, error) {
			var s set
			if err := json.Unmarshal(data, &s); err != nil {
				return nil, err
			}
			var problems []task.Problem
			for _, article := range s.Data {
				for _, paragraph := range article.Paragraphs {
					// The title comes before the passage, behind a mark of JGLUE's own.
					passage := strings.TrimSpace(strings.Replace(paragraph.Context, " [SEP] ", "\n", 1))
					for _, qa := range paragraph.QAs {
						if qa.Impossible {
							continue
						}
						var texts []string
						for _, a := range qa.Answers {
							texts = append(texts, a.Text)
						}
						p, err := accept(identified(qa.ID, len(problems)), qa.Question, passage, texts)
						if err != nil {
							return nil, fmt.Errorf("question %s: %w", qa.ID, err)
						}
						problems = append(problems, p)
					}
				}
			}
			return problems, nil
		},
		describe: briefly("JSQuAD: answers that stand in a passage", "char_f1",
			"文章を読んで、質問の答えを文章から抜き出します。\n\n文章：{context}\n質問：{question}\n答え：", 64),
	}
}

// jaqket is JAQKET, quiz questions: version 1 with candidates to choose from,
// version 2 with answers in any of several spellings.
func jaqket() format {
	type row struct {
		ID         json.RawMessage `json:"qid"`
		Question   string          `json:"question"`
		Entity     string          `json:"answer_entity"`
		Candidates []string        `json:"answer_candidates"`
		Answers    json.RawMessage `json:"answers"`
	}
	return format{
		about: `JAQKET's JSONL: {"qid", "question"} with {"answer_entity", "answer_candidates"} or {"answers"}`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				if r.Question == "" {
					return task.Problem{}, missing("question")
				}
				id := identified(r.ID, n)
				if len(r.Candidates) > 0 {
					return choose(id, r.Question, "", r.Candidates, slices.Index(r.Candidates, r.Entity))
				}
				var texts []string
				var spans struct {
					Text []string `json:"text"`
				}
				if json.Unmarshal(r.Answers, &texts) != nil && json.Unmarshal(r.Answers, &spans) != nil {
					return task.Problem{}, missing("answers")
				}
				return accept(id, r.Question, "", append(texts, spans.Text...))
			})
		},
		describe: func(problems []task.Problem) description {
			if len(problems[0].Choices) > 0 {
				return asText("JAQKET: quiz questions, twenty choices", "multiple_choice", "クイズに答えます。\n\n問題：{question}\n答え：")(problems)
			}
			return briefly("JAQKET: quiz questions", "char_f1", "クイズに短く答えます。\n\n問題：{question}\n答え：", 32)(problems)
		},
	}
}

// xlsumJA is XL-Sum's Japanese part: articles with their summaries.
func xlsumJA() format {
	type row struct {
		ID      json.RawMessage `json:"id"`
		Text    string          `json:"text"`
		Summary string          `json:"summary"`
	}
	return format{
		about: `XL-Sum's JSONL: {"id", "text", "summary"}`,
		problems: func(data []byte) ([]task.Problem, error) {
			return readLines(data, func(n int, r row) (task.Problem, error) {
				if r.Text == "" || r.Summary == "" {
					return task.Problem{}, missing("text or summary")
				}
				return task.Problem{ID: identified(r.ID, n), Question: r.Text, Answer: r.Summary}, nil
			})
		},
		describe: briefly("XL-Sum in Japanese: summaries of news", "rouge2", "ニュース記事を短く要約します。\n\n記事：{question}\n要約：", 200),
	}
}

// accept is a problem with answers that are as good as each other.
func accept(id, question, context string, answers []string) (task.Problem, error) {
	var different []string
	for _, a := range answers {
		if a = strings.TrimSpace(a); a != "" && !slices.Contains(different, a) {
			different = append(different, a)
		}
	}
	if question == "" || len(different) == 0 {
		return task.Problem{}, missing("question or answers")
	}
	return task.Problem{ID: id, Question: question, Context: context, Answer: different[0], Answers: different[1:]}, nil
}

// briefly describes a task whose replies are a line of text.
func briefly(about, metric, template string, tokens int) func([]task.Problem) description {
	return func(problems []task.Problem) description {
		d := asText(about, metric, template)(problems)
		d.MaxTokens, d.Stop = tokens, quoted{"\n"}
		return d
	}
}
