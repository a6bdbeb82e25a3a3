package formats

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/search/task"
)

// Each format is read from a small file of our own in that format, and what comes
// of it is a task.
func TestPublishedFormats(t *testing.T) {
	for name, c := range map[string]struct {
		format, file string
		want         []task.Problem
		metric       string
		language     string
		asks         string // the beginning of what a model is asked first
	}{
		"MGSM": {"mgsm", "りんごが3個と2個あります。全部で何個ですか。\t5\r\n\nペンを1,000本ずつ2回買いました。\t2,000\n", []task.Problem{
			{ID: "0", Question: "りんごが3個と2個あります。全部で何個ですか。", Answer: "5"}, {ID: "1", Question: "ペンを1,000本ずつ2回買いました。", Answer: "2,000"},
		}, "accuracy", "ja", "次の問題を日本語で"},
		"MGSM in English": {"mgsm", "A hen lays 2 eggs a day. How many in a week?\t14\n", []task.Problem{
			{ID: "0", Question: "A hen lays 2 eggs a day. How many in a week?", Answer: "14"},
		}, "accuracy", "", "A hen"},
		"GSM8K": {"gsm8k", `{"question": "Ann has 3 pens and buys 4.", "answer": "She has 3+4=<<3+4=7>>7 pens.\n#### 7"}` + "\n", []task.Problem{
			{ID: "0", Question: "Ann has 3 pens and buys 4.", Answer: "7"},
		}, "accuracy", "", "Ann has"},
		"JCommonsenseQA": {"jcommonsenseqa", `{"q_id": 3016, "question": "雨の日に使う物は？", "choice0": "傘", "choice1": "鍋", "choice2": "扇子", "choice3": "帆", "choice4": "櫛", "label": 0}`, []task.Problem{
			{ID: "3016", Question: "雨の日に使う物は？", Choices: []string{"傘", "鍋", "扇子", "帆", "櫛"}, Answer: "傘"},
		}, "multiple_choice", "", "質問に合う答え"},
		"JNLI": {"jnli", `{"sentence_pair_id": "1", "yjcaptions_id": "2-3-4", "sentence1": "犬が走る。", "sentence2": "動物が走る。", "label": "entailment"}
{"sentence_pair_id": "2", "sentence1": "犬が走る。", "sentence2": "犬が眠る。", "label": 1}`, []task.Problem{
			{ID: "1", Question: "動物が走る。", Context: "犬が走る。", Choices: []string{"含意", "矛盾", "中立"}, Answer: "含意"},
			{ID: "2", Question: "犬が眠る。", Context: "犬が走る。", Choices: []string{"含意", "矛盾", "中立"}, Answer: "矛盾"},
		}, "multiple_choice", "", "前提と仮説"},
		"MARC-ja": {"marc-ja", `[{"review_id": "R1", "text": "とても丈夫です。", "label": "positive"}, {"sentence": "すぐ壊れた。", "label": "negative"}]`, []task.Problem{
			{ID: "R1", Question: "とても丈夫です。", Choices: []string{"肯定的", "否定的"}, Answer: "肯定的"},
			{ID: "1", Question: "すぐ壊れた。", Choices: []string{"肯定的", "否定的"}, Answer: "否定的"},
		}, "multiple_choice", "", "商品の評価"},
		"JSQuAD": {"jsquad", `{"version": "1.1", "data": [{"title": "港", "paragraphs": [{"context": "港 [SEP] この港は1859年に開かれた。", "qas": [
			{"id": "a1p0q0", "question": "いつ開かれたか", "answers": [{"text": "1859年", "answer_start": 10}, {"text": "1859年", "answer_start": 10}], "is_impossible": false},
			{"id": "a1p0q1", "question": "誰が開いたか", "answers": [], "is_impossible": true}]}]}]}`, []task.Problem{
			{ID: "a1p0q0", Question: "いつ開かれたか", Context: "港\nこの港は1859年に開かれた。", Answer: "1859年"},
		}, "char_f1", "", "文章を読んで"},
		"JAQKET 1": {"jaqket", `{"qid": "Q-1", "question": "日本で一番高い山は？", "answer_entity": "富士山", "answer_candidates": ["北岳", "富士山"], "original_question": "…"}`, []task.Problem{
			{ID: "Q-1", Question: "日本で一番高い山は？", Choices: []string{"北岳", "富士山"}, Answer: "富士山"},
		}, "multiple_choice", "", "クイズに答えます"},
		"JAQKET 2": {"jaqket", `{"qid": "Q-1", "question": "日本で一番高い山は？", "answers": ["富士山", "ふじさん"]}
{"qid": "Q-2", "question": "一番長い川は？", "answers": {"text": ["信濃川"], "answer_start": [3]}}`, []task.Problem{
			{ID: "Q-1", Question: "日本で一番高い山は？", Answer: "富士山", Answers: []string{"ふじさん"}},
			{ID: "Q-2", Question: "一番長い川は？", Answer: "信濃川"},
		}, "char_f1", "", "クイズに短く"},
		"XL-Sum": {"xlsum-ja", `{"id": "news-1", "url": "x", "title": "t", "summary": "橋が開通した。", "text": "新しい橋が月曜日に開通した。"}`, []task.Problem{
			{ID: "news-1", Question: "新しい橋が月曜日に開通した。", Answer: "橋が開通した。"},
		}, "rouge2", "", "ニュース記事"},
		"XWinograd": {"xwinograd-ja", `{"sentence": "箱は鞄に入らない。_が大きすぎるからだ。", "option1": "箱", "option2": "鞄", "answer": "1"}`, []task.Problem{
			{ID: "0", Question: "箱は鞄に入らない。_が大きすぎるからだ。", Choices: []string{"箱は鞄に入らない。箱が大きすぎるからだ。", "箱は鞄に入らない。鞄が大きすぎるからだ。"}, Answer: "箱は鞄に入らない。箱が大きすぎるからだ。"},
		}, "multiple_choice", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := Import(c.format, "imported", task.Validation, []byte("\ufeff"+c.file), nil)
			require.NoError(t, err)
			made, err := task.Loader{}.Parse(files)
			require.NoError(t, err, "%s", files.YAML)
			got := made.Problems(task.Validation)
			for i := range got {
				if len(got[i].Answers) == 0 {
					got[i].Answers = nil
				}
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.metric, made.Metric)
			if made.Metric == "char_f1" || made.Metric == "rouge2" {
				require.Equal(t, []string{"\n"}, made.Stop, "a reply is one line")
			}
			require.Equal(t, c.language, made.Language)
			asked := made.Text(got[0])
			require.True(t, strings.HasPrefix(asked, c.asks), asked)
			if name != "XWinograd" {
				require.Contains(t, asked, got[0].Question)
			} else {
				require.Empty(t, asked, "whole sentences are compared")
			}
			require.NotEmpty(t, About(c.format))
		})
	}
}

func TestEveryFormatIsTested(t *testing.T) {
	require.Equal(t, []string{"gsm8k", "ja-vg-vqa", "ja-vlm-bench", "jaqket", "jcommonsenseqa", "jnli", "jsquad", "marc-ja", "mgsm", "vqa", "xlsum-ja", "xwinograd-ja"}, Names())
}

func TestFilesInAnotherFormatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ format, file, want string }{
		"nothing":               {"gsm8k", "\n\n", "no problems"},
		"one column":            {"mgsm", "question 5", "line 1 has not two columns"},
		"three columns":         {"mgsm", "q\t5\tx", "line 1 has not two columns"},
		"no JSON":               {"gsm8k", "\nquestion", "line 2: "},
		"no answer":             {"gsm8k", `{"question": "q", "answer": "7"}`, "####"},
		"no label":              {"jcommonsenseqa", `{"question": "q", "choice0": "a"}`, "question or label"},
		"a label beyond":        {"jcommonsenseqa", `{"question": "q", "label": 5}`, "the label 5 is none of 5"},
		"an unknown label":      {"jnli", `{"sentence1": "a", "sentence2": "b", "label": "maybe"}`, "is not one of"},
		"no sentence":           {"jnli", `{"label": "neutral"}`, "sentence1"},
		"no review":             {"marc-ja", `[{"label": "positive"}]`, `entry 1: "text" is missing`},
		"no such candidate":     {"jaqket", `{"question": "q", "answer_entity": "c", "answer_candidates": ["a", "b"]}`, "the label -1"},
		"no answers":            {"jaqket", `{"question": "q"}`, "answers"},
		"no gap":                {"xwinograd-ja", `{"sentence": "a", "option1": "b", "option2": "c", "answer": "1"}`, "sentence with _"},
		"no answer to the gap":  {"xwinograd-ja", `{"sentence": "_", "option1": "b", "option2": "c", "answer": "3"}`, "is not one of"},
		"no summary":            {"xlsum-ja", `{"text": "a"}`, "summary"},
		"no SQuAD":              {"jsquad", `[]`, "not JSQuAD"},
		"a question of nothing": {"jsquad", `{"data": [{"paragraphs": [{"qas": [{"id": "x", "question": "q"}]}]}]}`, `question "x"`},
		"an unknown format":     {"trivia", `{}`, `unknown format "trivia"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Import(c.format, "x", task.Test, []byte(c.file), nil)
			require.Equal(t, fault.Invalid, fault.CodeOf(err))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := Import("mgsm", "../x", task.Test, []byte("q\t1"), nil)
	require.ErrorContains(t, err, "is not a name")
	_, err = Import("mgsm", "x", "train", []byte("q\t1"), nil)
	require.ErrorContains(t, err, `unknown split "train"`)
}
