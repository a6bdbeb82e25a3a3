package task

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

// parsed is a task of some keys and one problem.
func parsed(t *testing.T, keys string, problem string, j Judge) (*Task, Problem) {
	t.Helper()
	task, err := Loader{Judge: j}.Parse(Files{
		YAML:   []byte("name: t\n" + keys),
		Splits: map[Split][]byte{Test: []byte(problem)},
	})
	require.NoError(t, err)
	return task, task.Problems(Test)[0]
}

func TestMetricsOfText(t *testing.T) {
	for name, c := range map[string]struct {
		keys, problem, reply string
		want                 float64
		extracted            string
	}{
		"exact":                      {"metric: exact_match", `{"answer":"東京"`, "東京", 1, ""},
		"exact, by width":            {"metric: exact_match", `{"answer":"NHK 2"`, "ＮＨＫ　２\n", 1, "NHK 2"},
		"exact, other case":          {"metric: exact_match", `{"answer":"Tokyo"`, "tokyo", 0, ""},
		"exact, case is the same":    {"metric: exact_match\nnormalize: [case]", `{"answer":"Tokyo"`, "tOKYO", 1, "tokyo"},
		"exact, more than it":        {"metric: exact_match", `{"answer":"東京"`, "東京です", 0, ""},
		"exact, another answer":      {"metric: exact_match", `{"answer":"東京","answers":["江戸"]`, "江戸", 1, ""},
		"exact, the last match":      {"metric: exact_match\npattern: '「(.+?)」'", `{"answer":"B"`, "「A」ではなく「B」です", 1, "B"},
		"exact, no match":            {"metric: exact_match\npattern: '「(.+?)」'", `{"answer":"B"`, "B", 0, ""},
		"exact, punctuation":         {"metric: exact_match\nnormalize: [punctuation, space]", `{"answer":"a b"`, "「a, b。」", 1, "ab"},
		"exact, emoji":               {"metric: exact_match\nnormalize: [emoji]", `{"answer":"はい"`, "はい👍🏽🇯🇵❤️", 1, "はい"},
		"characters, some":           {"metric: char_f1", `{"answer":"東京都"`, "京都", 0.8, ""},
		"characters, in any order":   {"metric: char_f1", `{"answer":"東京"`, "京東", 1, ""},
		"characters, as often":       {"metric: char_f1", `{"answer":"ああ"`, "あ", 2.0 / 3, ""},
		"characters, best answer":    {"metric: char_f1", `{"answer":"大阪府","answers":["大阪"]`, "大阪", 1, ""},
		"characters, normalised":     {"metric: char_f1", `{"answer":"ABC"`, "「ａｂ ｃ」", 1, "abc"},
		"characters, nothing":        {"metric: char_f1", `{"answer":"東京"`, "", 0, ""},
		"regex":                      {"metric: regex", `{"answer":"^(はい|ええ)"`, "ええ、そうです", 1, "ええ"},
		"regex, not at its place":    {"metric: regex", `{"answer":"^(はい|ええ)"`, "いいえ、はい", 0, ""},
		"rouge1":                     {"metric: rouge1", `{"answer":"猫が寝る"`, "猫が寝る", 1, ""},
		"rouge1, width":              {"metric: rouge1", `{"answer":"ＮＨＫを見る"`, "NHKを見る🎉", 1, "NHKを見る"},
		"rouge1, two of three":       {"metric: rouge1", `{"answer":"猫が寝る"`, "犬が寝る", 2.0 / 3, ""},
		"rouge2, one of two":         {"metric: rouge2", `{"answer":"猫が寝る"`, "犬が寝る", 0.5, ""},
		"rougeL, another order":      {"metric: rougeL", `{"answer":"猫が寝る"`, "寝る猫が", 2.0 / 3, ""},
		"rougeL, empty":              {"metric: rougeL", `{"answer":"猫が寝る"`, "", 0, ""},
		"rougeL, another language":   {"metric: rougeL\nlanguage: ja", `{"answer":"NHK"`, "The answer is NHK.", 0, ""},
		"rougeL, the right language": {"metric: rougeL\nlanguage: ja", `{"answer":"猫が寝る"`, "猫が寝る", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			task, p := parsed(t, c.keys, `{"id":"1","question":"q",`+c.problem[1:]+"}", nil)
			o := scored(t, task, p, c.reply)
			require.InDelta(t, c.want, o.Score, 1e-12)
			require.Equal(t, c.want == 1, o.Correct)
			require.Equal(t, c.extracted, o.Extracted)
			require.Equal(t, c.reply, o.Reply)
		})
	}
}

func TestAReplyInAnotherLanguageCountsAsEmptyAndShowsWhatWasRead(t *testing.T) {
	task, p := parsed(t, "metric: exact_match\nlanguage: ja\npattern: '[A-Z]+'", `{"id":"1","question":"q","answer":"NHK"}`, nil)
	o := scored(t, task, p, "The answer is NHK")
	require.Equal(t, Outcome{NumberRight: true, Extracted: "NHK", Reply: "The answer is NHK"}, o)
	o = scored(t, task, p, "答えはNHKです。")
	require.Equal(t, 1.0, o.Score)
}

func TestMultipleChoice(t *testing.T) {
	likely := func(all ...float64) (r Reply) {
		for _, l := range all {
			r.Choices = append(r.Choices, Likelihood{Logprob: l})
		}
		return r
	}
	problem := `{"id":"1","question":"q","choices":["東京都庁","駅","港"],"answer":"東京都庁"}`
	for name, c := range map[string]struct {
		metric string
		reply  Reply
		chosen string
	}{
		"the most likely":              {metricChoice, likely(-8, -3, -9), "駅"},
		"the most likely a character":  {metricChoiceNorm, likely(-8, -3, -9), "東京都庁"},
		"of equals the first":          {metricChoice, likely(-3, -3, -3), "東京都庁"},
		"impossible ones are the last": {metricChoiceNorm, likely(-80, -3, -9), "駅"},
	} {
		t.Run(name, func(t *testing.T) {
			task, p := parsed(t, "metric: "+c.metric, problem, nil)
			require.True(t, task.Chooses())
			o, err := task.Score(t.Context(), p, c.reply)
			require.NoError(t, err)
			require.Equal(t, c.chosen, o.Extracted)
			require.Equal(t, c.chosen == p.Answer, o.Correct)
			require.True(t, o.LanguageRight)
		})
	}
	task, p := parsed(t, "metric: multiple_choice", problem, nil)
	_, err := task.Score(t.Context(), p, likely(-1))
	require.Equal(t, fault.Internal, fault.CodeOf(err))
}

// judge is a fake that answers from a list.
type judge struct {
	says string
	err  error

	mu    sync.Mutex // replies are graded side by side
	asked []string
}

func (j *judge) Ask(_ context.Context, message string) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asked = append(j.asked, message)
	return j.says, j.err
}

const judgedTask = `metric: judge
language: ja
judge:
  prompt: "{question} / {answer} / {reply}"
  low: 0
  high: 5
`

func TestAJudgesGradeIsTheScore(t *testing.T) {
	for name, c := range map[string]struct {
		says, extra, failure string
		want                 float64
	}{
		"a grade":           {"4", "", "", 0.8},
		"the last number":   {"Of 5 points it deserves 2.5", "", "", 0.5},
		"all":               {"5.0", "", "", 1},
		"by a pattern":      {"[[3]] of 5", "pattern: '\\[\\[(.+?)\\]\\]'\n", "", 0.6},
		"none":              {"It is good.", "", "the judge gave no grade", 0},
		"beyond the scale":  {"10", "", "the judge's grade is not between 0 and 5", 0},
		"below the scale":   {"It is -1", "", "the judge's grade is not between 0 and 5", 0},
		"none that matches": {"3", "pattern: '\\[\\[(.+?)\\]\\]'\n", "the judge gave no grade", 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := &judge{says: c.says}
			task, p := parsed(t, judgedTask+c.extra, `{"id":"1","question":"{reply}?","answer":"はい"}`, j)
			o := scored(t, task, p, "そうです")
			require.InDelta(t, c.want, o.Score, 1e-12)
			require.Equal(t, c.failure, o.Failure)
			require.Equal(t, []string{"{reply}? / はい / そうです"}, j.asked, "a question that looks like a placeholder stays as it is")
		})
	}
}

func TestAJudgeIsNotAskedAboutAReplyThatCantCount(t *testing.T) {
	j := &judge{says: "5"}
	task, p := parsed(t, judgedTask, `{"id":"1","question":"q","answer":"はい"}`, j)
	require.Zero(t, scored(t, task, p, "Yes, it is.").Score)
	require.Empty(t, j.asked)
}

func TestAJudgeThatIsOutOfReachIsAnErrorOfTheWhole(t *testing.T) {
	gone := fault.New(fault.Unavailable, "the judge is gone")
	for name, j := range map[string]Judge{"out of reach": &judge{err: gone}, "not configured": nil} {
		t.Run(name, func(t *testing.T) {
			task, p := parsed(t, judgedTask, `{"id":"p-1","question":"q","answer":"はい"}`, j)
			problems, replies := make([]Problem, 20), make([]Reply, 20)
			for i := range problems {
				problems[i], replies[i].Text = p, "そうです"
			}
			_, err := task.ScoreAll(t.Context(), problems, replies)
			require.Equal(t, fault.Unavailable, fault.CodeOf(err))
			require.ErrorContains(t, err, "p-1")
		})
	}
}

func TestScoreAllKeepsTheOrderAndEndsWithItsContext(t *testing.T) {
	task, p := parsed(t, "metric: exact_match", `{"id":"1","question":"q","answer":"a"}`, nil)
	outcomes, err := task.ScoreAll(t.Context(), []Problem{p, p, p}, []Reply{{Text: "a"}, {Text: "b"}, {Text: "a"}})
	require.NoError(t, err)
	require.Equal(t, []float64{1, 0, 1}, []float64{outcomes[0].Score, outcomes[1].Score, outcomes[2].Score})
	_, err = task.ScoreAll(t.Context(), []Problem{p}, nil)
	require.Equal(t, fault.Internal, fault.CodeOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = task.ScoreAll(ctx, []Problem{p}, []Reply{{Text: "a"}})
	require.ErrorIs(t, err, context.Canceled)
}

func TestProblemsThatNoReplyCouldSolveAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ keys, problem, want string }{
		"one choice":             {"metric: multiple_choice", `"choices":["a"],"answer":"a"`, "2 to 64 choices, not 1"},
		"too many choices":       {"metric: multiple_choice", `"choices":["a"` + strings.Repeat(`,"b"`, 64) + `],"answer":"a"`, "2 to 64 choices, not 65"},
		"an empty choice":        {"metric: multiple_choice", `"choices":["a",""],"answer":"a"`, "a choice is empty"},
		"answer is no choice":    {"metric: multiple_choice", `"choices":["a","b"],"answer":"c"`, `"c" is not one of the choices`},
		"nothing to match":       {"metric: exact_match", `"answer":"  "`, "is empty once it is normalised"},
		"nothing to count":       {"metric: char_f1", `"answer":"。"`, "is empty once it is normalised"},
		"nothing to cut":         {"metric: rouge1", `"answer":"🎉"`, "is empty once it is normalised"},
		"a broken pattern":       {"metric: regex", `"answer":"("`, "not a regular expression"},
		"a pattern of nothing":   {"metric: regex", `"answer":"a*"`, "matches an empty reply"},
		"a pattern that is long": {"metric: regex", `"answer":"` + strings.Repeat("a", maxPatternBytes+1) + `"`, "at most 4096"},
		"an answer of many":      {"metric: accuracy", `"answer":"1","answers":["two"]`, `"two" is not a number`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Loader{}.Parse(Files{
				YAML: []byte("name: t\n" + c.keys), Splits: map[Split][]byte{Validation: []byte(`{"id":"1","question":"q",` + c.problem + `}`)},
			})
			require.ErrorContains(t, err, "validation.jsonl:1: ")
			require.ErrorContains(t, err, c.want)
			var f *fault.Error
			require.True(t, errors.As(err, &f))
			require.Equal(t, "validation", f.Param)
			require.Equal(t, fault.Invalid, f.Code)
		})
	}
}
