package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripted is a gateway that answers every chat with the same stream.
func scripted(t *testing.T, status int, reply string) (url string, asked func() []map[string]any) {
	t.Helper()
	var bodies []map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		body["authorization"] = r.Header.Get("Authorization")
		bodies = append(bodies, body)
		w.WriteHeader(status)
		fmt.Fprint(w, reply)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []map[string]any { return bodies }
}

const greeting = `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}

: keep-alive

data: {"choices":[{"delta":{"content":"こん"}}]}

data: {"choices":[{"delta":{"content":"にちは"}}]}

data: [DONE]

`

func chat(stdin string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	root := newRoot("test")
	root.SetArgs(append([]string{"chat"}, args...))
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&o)
	root.SetErr(&e)
	if err := root.Execute(); err != nil {
		return 1, o.String(), err.Error()
	}
	return 0, o.String(), e.String()
}

func TestChatAsksOnceAndPrintsTheReply(t *testing.T) {
	url, asked := scripted(t, 200, greeting)
	code, out, _ := chat("", "--url", url, "--api-key", "k", "--system", "be brief", "--max-tokens", "5", "winner", "hello")
	require.Zero(t, code)
	require.Equal(t, "こんにちは\n", out)
	require.Len(t, asked(), 1)
	body := asked()[0]
	require.Equal(t, "winner", body["model"])
	require.Equal(t, "Bearer k", body["authorization"])
	require.EqualValues(t, 5, body["max_tokens"])
	require.Len(t, body["messages"], 2)
}

func TestChatRemembersTheConversation(t *testing.T) {
	url, asked := scripted(t, 200, greeting)
	code, out, _ := chat("one\n\ntwo\n", "--url", url, "winner")
	require.Zero(t, code)
	require.Equal(t, "こんにちは\nこんにちは\n", out)
	require.Len(t, asked()[0]["messages"], 1)
	require.Len(t, asked()[1]["messages"], 3, "question, reply, question")

	url, asked = scripted(t, 200, greeting)
	_, _, _ = chat("one\ntwo\n", "--url", url, "--fresh", "winner")
	require.Len(t, asked()[1]["messages"], 1)
}

func TestChatShowsWhatTheGatewaySaysIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, reply string
		status      int
		want        string
	}{
		{"refused", `{"error": {"message": "the model \"x\" does not exist"}}`, 404, `the model "x" does not exist`},
		{"refused by something else", "bad gateway", 502, "502"},
		{"broken off", "data: {\"choices\":[{\"delta\":{\"content\":\"こ\"}}]}\n\n", 200, "broke off"},
		{"an error on the way", "data: {\"error\": {\"message\": \"out of memory\"}}\n\n", 200, "out of memory"},
		{"no event", "data: <html>\n\n", 200, "no event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, _ := scripted(t, c.status, c.reply)
			code, _, errs := chat("", "--url", url, "x", "hello")
			require.Equal(t, 1, code)
			require.Contains(t, errs, c.want)
		})
	}
	code, _, errs := chat("", "--url", "http://127.0.0.1:1", "x", "hello")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no gateway answers")
}
