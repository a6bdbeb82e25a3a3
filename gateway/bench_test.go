package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/chat"
	"github.com/mergeway/mergeway/infer/constrain"
	"github.com/mergeway/mergeway/infer/toolcall"
)

// begun is the token with which the fake template begins a prompt whose last
// message is to be continued.
const begun = 1_000_000

// bench is a gateway on a real socket with everything behind it faked.
type bench struct {
	*httptest.Server
	t           *testing.T
	gateway     *Gateway
	catalog     *fakeCatalog
	engine      *fakeEngine
	searches    *fakeSearches
	evaluations *fakeEvaluations
	keys        *fakeKeyStore
	kept        *fakeResponses
	log         *lockedBuffer

	mu   sync.Mutex
	told []told // what chat templates were given
}

// told is a conversation with its tools.
type told struct {
	messages []chat.Message
	tools    []chat.Tool
}

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, catalog: newFakeCatalog(), engine: &fakeEngine{script: say("Hello", ", ", "world"), context: 500}, searches: newFakeSearches(), evaluations: newFakeEvaluations(), keys: &fakeKeyStore{}, kept: newFakeResponses(), log: &lockedBuffer{}}
	o := Options{
		Catalog: b.catalog, Engine: b.engine, Searches: b.searches, Tasks: fakeTasks{}, Evaluations: b.evaluations, Limits: DefaultLimits(), Version: "test", Responses: b.kept,
		Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	o.Keys = newRing(t, b.keys)
	for _, c := range change {
		c(&o)
	}
	g, err := New(o)
	require.NoError(t, err)
	// One token for each letter, after one for the role.
	g.encodeChat = func(_ *infer.Model, messages []chat.Message, continued bool, tools ...chat.Tool) ([]int32, error) {
		b.mu.Lock()
		b.told = append(b.told, told{messages, tools})
		b.mu.Unlock()
		var ids []int32
		if continued {
			ids = append(ids, begun)
		}
		for _, m := range messages {
			if m.Content == "raise" {
				return nil, fault.New(fault.Invalid, "roles must alternate")
			}
			if m.Content == "panic" {
				panic("a template that breaks")
			}
			ids = append(ids, int32(len(m.Role)))
			ids = append(ids, fakeParts(m.Parts)...)
			for _, r := range m.Content {
				ids = append(ids, r)
			}
		}
		return ids, nil
	}
	g.encodeText = func(_ *infer.Model, text string, ids []int32) ([]int32, error) {
		for _, r := range text {
			ids = append(ids, r)
		}
		return ids, nil
	}
	g.callFormat = func(m *infer.Model) toolcall.Format { return toolcall.For("<tool_call>", m.Tokenizer) }
	g.vocabulary = func(m *infer.Model) constrain.Vocabulary {
		return constrain.Vocabulary{Tokenizer: m.Tokenizer, Rows: m.Tokenizer.VocabSize()}
	}
	b.gateway = g
	b.Server = httptest.NewUnstartedServer(nil)
	b.Server.Config = g.Server(t.Context())
	b.Start()
	t.Cleanup(b.Close)
	return b
}

// reply is an answered request with its body read.
type reply struct {
	status int
	header http.Header
	body   string
}

// send makes a request; body, unless empty, is sent as JSON.
func (b *bench) send(method, path, body string, change ...func(*http.Request)) reply {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.URL+path, strings.NewReader(body))
	require.NoError(b.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, c := range change {
		c(r)
	}
	resp, err := b.Client().Do(r)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return reply{resp.StatusCode, resp.Header, string(data)}
}

// into reads a reply's JSON.
func (r reply) into(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(r.body), v), r.body)
}

// requireError checks that a reply is the error envelope, and what it says.
func (r reply) requireError(t *testing.T, status int, code, param string) ErrorBody {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	var fields map[string]map[string]any
	r.into(t, &fields)
	require.Len(t, fields, 1)
	for _, key := range []string{"message", "type", "param", "code"} {
		require.Contains(t, fields["error"], key)
	}
	var e ErrorReply
	r.into(t, &e)
	require.Equal(t, code, e.Error.Code, e.Error.Message)
	require.NotEmpty(t, e.Error.Message)
	if param == "" {
		require.Nil(t, e.Error.Param)
	} else {
		require.NotNil(t, e.Error.Param, e.Error.Message)
		require.Equal(t, param, *e.Error.Param)
	}
	return e.Error
}

// sse is one server-sent event, or a comment.
type sse struct{ id, event, data, comment string }

// events reads a stream to its end.
func events(t *testing.T, body string) []sse {
	t.Helper()
	require.True(t, body == "" || strings.HasSuffix(body, "\n\n"), "the last event is not ended by a blank line")
	var out []sse
	for _, block := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		var e sse
		lines := bufio.NewScanner(strings.NewReader(block))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			field, value, found := strings.Cut(lines.Text(), ": ")
			require.True(t, found, "not an event line: %q", lines.Text())
			switch field {
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				e.data += value
			case "":
				e.comment = value
			default:
				t.Fatalf("unknown event field in %q", lines.Text())
			}
		}
		out = append(out, e)
	}
	return out
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
