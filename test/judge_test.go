package test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// A judge grades replies where the operator says, and its key is nowhere to be read.
func TestAJudgeGradesReplies(t *testing.T) {
	const key = "judge-secret"
	judge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(object{"id": "1", "object": "chat.completion", "choices": []object{
			{"index": 0, "finish_reason": "stop", "message": object{"role": "assistant", "content": "Grade: 7"}},
		}})
	}))
	defer judge.Close()
	s := start(t, options{args: []string{"--judge-url", judge.URL + "/v1", "--judge-model", "j"}, env: []string{"MERGEWAY_JUDGE_KEY=" + key}})
	upload(s, "name: graded\nmetric: judge\nmax_tokens: 8\njudge:\n  prompt: '{question} {answer} {reply}'\n  low: 0\n", object{"id": "1", "question": "1たす1は？", "answer": "2"})
	e := evaluate(s, object{"model": base, "task": "graded"})
	require.InDelta(t, 0.7, e.object("score").number("accuracy"), 1e-9)
	require.Equal(t, "normal", e.object("score").text("interval"))
	for _, path := range []string{"/v1/evaluations", "/v1/evaluations/" + e.text("id") + "/samples", "/v1/tasks/graded"} {
		require.NotContains(t, string(s.send("GET", path, nil).body), key)
	}
}
