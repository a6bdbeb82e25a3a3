package task

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/infer/chat"
)

func TestAConversationWithTurnsAndExamples(t *testing.T) {
	task, p := parsed(t, `metric: multiple_choice
system: 答えだけを書いてください。
messages:
  - {role: user, content: こんにちは}
  - {role: assistant, content: こんにちは！}
examples:
  - {question: 空の色は？, choices: [青, 赤], answer: 青}
prompt: "{context}\n{question}\n{choices}"
`, `{"id":"1","question":"{choices}？","context":"c","choices":["a","b"],"answer":"b"}`, nil)
	require.Equal(t, []chat.Message{
		{Role: "system", Content: "答えだけを書いてください。"},
		{Role: "user", Content: "こんにちは"},
		{Role: "assistant", Content: "こんにちは！"},
		{Role: "user", Content: "\n空の色は？\n- 青\n- 赤"},
		{Role: "assistant", Content: "青"},
		{Role: "user", Content: "c\n{choices}？\n- a\n- b"},
	}, task.Messages(p))
}

func TestATextWithExamples(t *testing.T) {
	task, p := parsed(t, `metric: exact_match
format: text
system: 次の問題に答えてください。
examples:
  - {question: 空の色は？, answer: 青}
prompt: "問：{question}\n答："
separator: "\n--\n"
`, `{"id":"1","question":"海の色は？","answer":"青"}`, nil)
	require.Equal(t, "次の問題に答えてください。\n--\n問：空の色は？\n答：青\n--\n問：海の色は？\n答：", task.Text(p))
}

func TestDecodingAndWeight(t *testing.T) {
	task, _ := parsed(t, "metric: rougeL\nweight: 0.5\nbeams: 5\nlength_penalty: 0\nrepetition_penalty: 1.5\nmax_tokens: 512\ntemperature: 0\nstop: [x]\n", `{"id":"1","question":"q","answer":"a"}`, nil)
	require.Equal(t, Decoding{MaxTokens: 512, Stop: []string{"x"}, Beams: 5, LengthPenalty: 0, RepetitionPenalty: 1.5}, task.Decoding)
	require.Equal(t, 0.5, task.Weight)
	plain, _ := parsed(t, "", `{"id":"1","question":"q","answer":"1"}`, nil)
	require.Equal(t, Decoding{MaxTokens: 1024, Beams: 1, LengthPenalty: 1, RepetitionPenalty: 1}, plain.Decoding)
	require.Equal(t, 1.0, plain.Weight)
	require.Equal(t, LastNumber, plain.Extractor)
}

func TestKeysThatMakeNoSenseAreRefusedByLine(t *testing.T) {
	for keys, want := range map[string]string{
		"format: poem": `task.yaml:2: format: "poem"`,
		"format: text\nmessages: [{role: user, content: x}]": "task.yaml:3: messages: a task of the format text",
		"messages: [{role: system, content: x}]":             `task.yaml:2: messages: the role of message 1 is "system"`,
		"examples: [{question: q}]":                          "task.yaml:2: examples: example 1 has no answer",
		"examples: [{question: q, answer: many}]":            `task.yaml:2: examples: example 1: the answer "many" is not a number`,
		"weight: 0":                                             "task.yaml:2: weight: 0 is not",
		"weight: .inf":                                          "task.yaml:2: weight: +Inf is not",
		"temperature: 0.7":                                      "task.yaml:2: temperature: 0.7 is not 0",
		"beams: 33":                                             "task.yaml:2: beams: 33 is not",
		"length_penalty: .nan":                                  "task.yaml:2: length_penalty: NaN is not",
		"repetition_penalty: 0":                                 "task.yaml:2: repetition_penalty: 0 is not",
		"metric: multiple_choice\nlanguage: ja":                 "task.yaml:3: language: the metric multiple_choice",
		"metric: multiple_choice\nprompt: ''":                   "task.yaml:3: prompt: it is empty",
		"metric: exact_match\nextractor: paper":                 "task.yaml:3: extractor: the metric exact_match takes none",
		"pattern: x":                                            "task.yaml:2: pattern: the metric accuracy takes none",
		"metric: rouge1\nnormalize: [lower]":                    `task.yaml:3: normalize: "lower" is not one of`,
		"metric: exact_match\npattern: '('":                     "task.yaml:3: pattern: ",
		"metric: exact_match\npattern: '(a)(b)'":                "task.yaml:3: pattern: it has 2 groups",
		"metric: judge":                                         "task.yaml:1: judge: the metric judge needs judge.prompt",
		"metric: judge\njudge: {prompt: good?}":                 "task.yaml:3: judge: prompt has no {reply}",
		"metric: judge\njudge: {prompt: '{reply}', low: 10}":    "task.yaml:3: judge: grades from 10 to 10",
		"metric: judge\njudge: {prompt: '{reply}', url: 'x'}":   `task.yaml:3: unknown field "url"`,
		"metric: accuracy\njudge: {prompt: '{reply}', high: 3}": "task.yaml:3: judge: the metric accuracy takes none",
	} {
		t.Run(keys, func(t *testing.T) {
			_, err := Loader{}.Parse(Files{YAML: []byte("name: t\n" + keys), Splits: map[Split][]byte{Test: []byte(`{"id":"1","question":"q","answer":"1"}`)}})
			require.ErrorContains(t, err, want)
		})
	}
}

func TestATaskOfOneSplit(t *testing.T) {
	only := func(s Split) *Task {
		task, err := Loader{}.Parse(Files{YAML: []byte("name: t"), Splits: map[Split][]byte{s: []byte(`{"id":"1","question":"q","answer":"1"}`)}})
		require.NoError(t, err)
		return task
	}
	require.Equal(t, []int{0, 0, 1}, []int{only(Test).Count(Search), only(Test).Count(Validation), only(Test).Count(Test)})
	require.NotEqual(t, only(Test).Digest, only(Validation).Digest)
}
