package test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store/redistest"
)

func TestOpenAIPythonClientOnResponses(t *testing.T) {
	python := openaiPython(t)
	s := start(t, options{})
	out, err := python(fromRoot("test", "python", "openai_responses.py"), s.url+"/v1", "ja-general").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// respond asks for a response, and gives it with its text.
func (s *server) respond(fields object) (response object, text string) {
	s.t.Helper()
	body := object{"model": "ja-general", "temperature": 0, "max_output_tokens": 16}
	for name, value := range fields {
		body[name] = value
	}
	response = s.call("POST", "/v1/responses", body)
	return response, response.list("output")[0].list("content")[0].text("text")
}

// A response that the API has called complete is there after kill -9, and on
// every server that shares the state.
func TestAConversationGoesOnAfterAKill(t *testing.T) {
	for _, store := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"embedded store", func(*testing.T) []string { return nil }},
		{"redis", func(t *testing.T) []string { return []string{"--redis", "redis://" + redistest.Start(t).Addr + "/0"} }},
	} {
		t.Run(store.name, func(t *testing.T) {
			o := options{data: t.TempDir(), args: store.args(t)}
			s := start(t, o)
			first, _ := s.respond(object{"input": "3+4"})
			_, want := s.respond(object{"input": "5+6", "previous_response_id": first.text("id"), "store": false})
			if o.args != nil {
				other := start(t, o)
				_, got := other.respond(object{"input": "5+6", "previous_response_id": first.text("id")})
				require.Equal(t, want, got, "another server")
			}
			s.kill()
			s = start(t, o)
			require.Equal(t, first, s.call("GET", "/v1/responses/"+first.text("id"), nil))
			_, got := s.respond(object{"input": "5+6", "previous_response_id": first.text("id")})
			require.Equal(t, want, got)
		})
	}
}

// Of too many responses the oldest go, and a short time to live is short.
func TestResponsesAreKeptInBounds(t *testing.T) {
	s := start(t, options{args: []string{"--max-stored-responses", "2"}})
	var ids []string
	for range 3 {
		r, _ := s.respond(object{"input": "3+4"})
		ids = append(ids, r.text("id"))
	}
	s.refusal(404, "GET", "/v1/responses/"+ids[0], nil)
	s.call("GET", "/v1/responses/"+ids[1], nil)
	s.call("GET", "/v1/responses/"+ids[2], nil)
	s.stop()

	s = start(t, options{args: []string{"--stored-response-ttl", "1ms"}})
	r, _ := s.respond(object{"input": "3+4"})
	s.wait("the response to expire", stopTime, func() bool {
		return s.send("GET", "/v1/responses/"+r.text("id"), nil).status == http.StatusNotFound
	})
}

// The miniature calls functions in the form that a template shows it.
func TestOpenAIPythonClientOnFunctionsInResponses(t *testing.T) {
	python := openaiPython(t)
	folder := t.TempDir()
	setTemplate(t, copyModel(t, folder, "ja-general", "marked"), markedCalls)
	s := start(t, options{models: folder})
	out, err := python(fromRoot("test", "python", "openai_responses_tools.py"), s.url+"/v1", "marked").CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}
