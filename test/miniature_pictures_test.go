package test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pictureProblem is a line of the miniature's task about pictures.
type pictureProblem struct{ Image string }

// pictureProblems reads the first test problems of the task.
func pictureProblems(t *testing.T, n int) []pictureProblem {
	t.Helper()
	f, err := os.Open(fromRoot("zoo", "tasks", "ja-vqa", "test.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	var problems []pictureProblem
	for lines := bufio.NewScanner(f); len(problems) < n && lines.Scan(); {
		var p pictureProblem
		require.NoError(t, json.Unmarshal(lines.Bytes(), &p))
		problems = append(problems, p)
	}
	return problems
}

// The second half of the paper in small: a search finds a model that sees and answers
// in Japanese, where one source answers in English, the other sees nothing, and their
// plain average is worse. The winner is served under its alias as soon as it is found.
func TestAMergeSeesAndAnswersInJapanese(t *testing.T) {
	python := openaiPython(t)
	s := start(t, options{})
	found := s.awaitSearch(s.call("POST", "/v1/searches", object{
		"name": "vlm", "task": "ja-vqa", "base": "base-pictures", "sources": []string{"vlm", "ja-pictures"},
		"groups": "blocks", "trials": 100, "minutes": 10, "seed": 1, "alias": "seer",
	}).text("id"))

	best := found.object("winner").object("test")
	for _, row := range found.list("scores") {
		score, role := row.object("score"), row.text("role")
		t.Logf("%-8s %-13s %.1f ± %.1f %%", role, row.text("name"), 100*score.number("accuracy"), 100*score.number("stderr"))
		if role != "winner" {
			require.Less(t, score.number("high"), best.number("low"), "%s %s", role, row.text("name"))
		}
	}

	// What a Japanese model guesses, when another sees for it.
	guessed := evaluate(s, object{"task": "ja-vqa", "recipe": object{
		"method": "task_arithmetic", "base_model": "base-pictures", "vision": "vlm",
		"sources": []object{{"model": "ja-pictures", "weight": 1}, {"model": "vlm", "weight": 0}},
	}}).object("score")
	t.Logf("guesses  %.1f ± %.1f %%", 100*guessed.number("accuracy"), 100*guessed.number("stderr"))
	require.Less(t, guessed.number("high"), best.number("low"))

	// How good the winner is, the table says; here it is shown pictures by a client.
	replies := map[string]bool{}
	for _, p := range pictureProblems(t, 12) {
		out, err := python(fromRoot("test", "python", "openai_picture_question.py"), s.url+"/v1", "seer",
			fromRoot("zoo", "tasks", "ja-vqa", p.Image), "何がありますか。").CombinedOutput()
		require.NoError(t, err, string(out))
		reply := strings.TrimSpace(string(out))
		require.True(t, isJapanese(reply), reply)
		replies[reply] = true
	}
	require.Greater(t, len(replies), 3, "six pictures, one question: what is said depends on what is seen")
}
