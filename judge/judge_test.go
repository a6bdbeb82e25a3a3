package judge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
)

const secret = "judge-key"

// serve is a judge's server that answers by a function.
func serve(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, url string, change ...func(*Options)) *Judge {
	t.Helper()
	o := Options{URL: url + "/v1", Model: "judge-1", Key: secret, Retries: -1, Timeout: 10 * time.Second}
	for _, c := range change {
		c(&o)
	}
	j, err := New(o)
	require.NoError(t, err)
	return j
}

// grade is a reply of a chat.
func grade(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":%q}}]}`, text)
}

func TestAJudgeIsAskedAsAnyChatModel(t *testing.T) {
	var got struct {
		Model       string
		Messages    []struct{ Role, Content string }
		Temperature *float64
		Seed        *int
		MaxTokens   int `json:"max_tokens"`
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer "+secret || json.NewDecoder(r.Body).Decode(&got) != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		grade(w, "Grade: 8")
	})
	text, err := open(t, s.URL).Ask(t.Context(), "How good is 80?")
	require.NoError(t, err)
	require.Equal(t, "Grade: 8", text)
	require.Equal(t, "judge-1", got.Model)
	require.Equal(t, "user", got.Messages[0].Role)
	require.Equal(t, "How good is 80?", got.Messages[0].Content)
	require.Zero(t, *got.Temperature)
	require.Zero(t, *got.Seed)
	require.Equal(t, 512, got.MaxTokens)
}

func TestAJudgeThatIsBusyIsAskedAgainAsOftenAsMayBe(t *testing.T) {
	for retries, want := range map[int]int32{-1: 1, 2: 3} {
		var asked atomic.Int32
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.Header().Set("Retry-After-Ms", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		_, err := open(t, s.URL, func(o *Options) { o.Retries = retries }).Ask(t.Context(), "?")
		require.Equal(t, fault.Unavailable, fault.CodeOf(err))
		require.ErrorContains(t, err, "status 429")
		require.Equal(t, want, asked.Load())
	}
}

func TestWhatGoesWrongIsSaidWithoutTheKeyOrTheAddress(t *testing.T) {
	elsewhere := serve(t, func(w http.ResponseWriter, _ *http.Request) { grade(w, "10") })
	for name, answer := range map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.Header.Get("Authorization"), 401) },
		"no choice": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"choices":[]}`)
		},
		"no JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{`)
		},
		"redirected": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"x":"`, strings.Repeat("x", maxReplyBytes), `"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answer)
			_, err := open(t, s.URL).Ask(t.Context(), "?")
			require.Equal(t, fault.Unavailable, fault.CodeOf(err))
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), s.Listener.Addr().String())
		})
	}
	s := serve(t, nil)
	s.Close()
	_, err := open(t, s.URL).Ask(t.Context(), "?")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
}

func TestAJudgeIsNotWaitedForForEver(t *testing.T) {
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then a server notices that its client has gone
		<-r.Context().Done()
	})
	_, err := open(t, s.URL, func(o *Options) { o.Timeout = 10 * time.Millisecond }).Ask(t.Context(), "?")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = open(t, s.URL).Ask(ctx, "?")
	require.Equal(t, fault.Cancelled, fault.CodeOf(err))
}

func TestJudgesThatCantBe(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":     {Model: "m"},
		"a file":     {URL: "file:///etc/passwd", Model: "m"},
		"no host":    {URL: "http:///v1", Model: "m"},
		"a password": {URL: "http://me:secret@host/v1", Model: "m"},
		"no model":   {URL: "http://host/v1"},
		"no time":    {URL: "http://host/v1", Model: "m", Timeout: -1},
	} {
		_, err := New(o)
		require.Equal(t, fault.Invalid, fault.CodeOf(err), name)
		require.NotContains(t, err.Error(), "secret", name)
	}
}
