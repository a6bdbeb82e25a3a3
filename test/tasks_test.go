package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// upload sends a task of some keys and test problems.
func upload(s *server, yaml string, problems ...object) {
	s.t.Helper()
	s.call("POST", "/v1/tasks", object{"yaml": yaml, "test": problems})
}

// evaluate launches an evaluation and waits for its end.
func evaluate(s *server, request object) object {
	s.t.Helper()
	id := s.call("POST", "/v1/evaluations", request).text("id")
	var e object
	s.wait("the evaluation's end", 60*time.Second, func() bool {
		e = s.call("GET", "/v1/evaluations/"+id, nil)
		return e.text("state") != "queued" && e.text("state") != "running"
	})
	require.Equal(s.t, "completed", e.text("state"), "%v", e["reason"])
	return e
}

// A task that comes over HTTP is asked, each metric in its way, of sources, of an
// alias and of a recipe that nobody has stored.
func TestUploadedTasksAreEvaluated(t *testing.T) {
	s := start(t, options{})
	questions := []object{}
	for _, n := range []int{3, 4, 5} {
		questions = append(questions, object{"id": fmt.Sprint("p", n), "question": fmt.Sprintf("太郎さんはりんごを%d個持っています。2個もらいました。全部で何個ですか。", n), "answer": fmt.Sprint(n + 2)})
	}
	upload(s, "name: sums\nlanguage: ja\nmax_tokens: 48\n", questions...)
	upload(s, "name: beams\nmetric: rougeL\nmax_tokens: 24\nbeams: 3\nrepetition_penalty: 1.2\n", questions...)
	choices := []object{}
	for _, q := range questions {
		choices = append(choices, object{"id": q["id"], "question": q["question"], "choices": []string{"りんごは３個です", "x y z"}, "answer": "りんごは３個です"})
	}
	upload(s, "name: choices\nmetric: multiple_choice\nformat: text\nprompt: \"{question}\"\n", choices...)

	s.call("PUT", "/v1/aliases/best", object{"target": sources[0]})
	e := evaluate(s, object{"model": "best", "task": "sums"})
	require.Equal(t, sources[0], e.text("resolved"))
	score := e.object("score")
	require.EqualValues(t, 3, score.number("problems"))
	require.Equal(t, "wilson", score.text("interval"))
	require.LessOrEqual(t, score.number("low"), score.number("accuracy"))
	samples := s.call("GET", "/v1/evaluations/"+e.text("id")+"/samples", nil).list("data")
	require.Len(t, samples, 3)
	right := 0
	for _, x := range samples {
		require.Contains(t, x.text("reply"), "答えは")
		if x["correct"] == true {
			right++
		}
	}
	require.EqualValues(t, right, score.number("correct"))
	table := string(s.send("GET", "/v1/evaluations/"+e.text("id")+"/samples?format=csv", nil).body)
	require.Equal(t, 4, strings.Count(table, "\n"), table)

	e = evaluate(s, object{"recipe": average("x")["recipe"], "task": "beams", "limit": 2})
	require.Regexp(t, "^recipe-", e.text("resolved"))
	require.EqualValues(t, 2, e.number("done"))
	samples = s.call("GET", "/v1/evaluations/"+e.text("id")+"/samples", nil).list("data")
	require.NotEmpty(t, samples[0].text("reply"))

	e = evaluate(s, object{"model": base, "task": "choices"})
	samples = s.call("GET", "/v1/evaluations/"+e.text("id")+"/samples", nil).list("data")
	for i, x := range samples {
		// The same comparison through the API that other harnesses use.
		likeliest, highest := "", 0.0
		for _, choice := range choices[i]["choices"].([]string) {
			sum := likelihood(s, choices[i]["question"].(string), choice)
			if likeliest == "" || sum > highest {
				likeliest, highest = choice, sum
			}
		}
		require.Equal(t, likeliest, x.text("extracted"))
	}
	events := string(s.send("GET", "/v1/evaluations/"+e.text("id")+"/events", nil).body)
	require.Contains(t, events, "event: completed")

	s.call("DELETE", "/v1/tasks/choices", nil)
	s.refusal(404, "POST", "/v1/evaluations", object{"model": base, "task": "choices"})
	require.NotEmpty(t, s.call("GET", "/v1/evaluations/"+e.text("id"), nil).text("task_digest"), "scores outlive their task")
}

// likelihood is the log probability of a text's continuation, by echo.
func likelihood(s *server, text, continuation string) float64 {
	s.t.Helper()
	tokens := len(s.call("POST", "/tokenize", object{"model": base, "prompt": text, "add_special_tokens": true})["tokens"].([]any))
	logprobs := s.call("POST", "/v1/completions", object{"model": base, "prompt": text + continuation, "max_tokens": 0, "echo": true, "logprobs": 1}).
		list("choices")[0].object("logprobs")["token_logprobs"].([]any)
	sum := 0.0
	for _, l := range logprobs[tokens:] {
		sum += l.(float64)
	}
	return sum
}

// What each trial did with each problem can be read, also after a restart.
func TestSamplesOfTrialsSurvive(t *testing.T) {
	data := t.TempDir()
	s := start(t, options{data: data})
	id := s.call("POST", "/v1/searches", object{
		"task": "ja-math", "base": base, "sources": sources, "groups": "model", "trials": 4, "population": 4, "sample_size": 6, "validate_top": 1,
	}).text("id")
	s.wait("two trials", 60*time.Second, func() bool {
		return len(s.call("GET", "/v1/searches/"+id+"/trials", nil).list("data")) >= 2
	})
	trial := s.call("GET", "/v1/searches/"+id+"/trials", nil).list("data")[1]
	path := "/v1/searches/" + id + "/trials/1/samples"
	before := s.send("GET", path+"?format=jsonl", nil).body
	s.kill()
	s = start(t, options{data: data})
	after := s.send("GET", path+"?format=jsonl", nil).body
	require.Equal(t, string(before), string(after))
	right, lines := 0, bufio.NewScanner(bytes.NewReader(after))
	for lines.Scan() {
		var x object
		require.NoError(t, json.Unmarshal(lines.Bytes(), &x))
		require.NotEmpty(t, x.text("reply"))
		if x["correct"] == true {
			right++
		}
	}
	require.EqualValues(t, trial.object("score").number("correct"), right)
	s.call("POST", "/v1/searches/"+id+"/cancel", nil)
}
