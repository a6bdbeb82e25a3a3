package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/infer"
)

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func TestEveryErrorHasTheEnvelope(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.BodyBytes = 1000 })
	b.send("GET", "/nothing/here", "").requireError(t, 404, "route_not_found", "")
	b.send("GET", "/v1/nothing", "").requireError(t, 404, "route_not_found", "")
	b.send("GET", "/assets/none.js", "").requireError(t, 404, "not_found", "")
	b.send("GET", "/assets/docs.html", "").requireError(t, 404, "not_found", "")
	b.send("POST", chatPath, ask(`"user": "`+strings.Repeat("x", 1000)+`"`)).requireError(t, 413, "too_large", "")
	b.send("POST", chatPath, ask(""), header("Content-Type", "text/plain")).requireError(t, 415, "unsupported_media_type", "")
	b.send("POST", chatPath, ask(""), header("Content-Type", "")).requireError(t, 415, "unsupported_media_type", "")
	r := b.send("GET", chatPath, "")
	r.requireError(t, 405, "method_not_allowed", "")
	require.Equal(t, "POST", r.header.Get("Allow"))
	b.send("PATCH", "/v1/models/base", "").requireError(t, 405, "method_not_allowed", "")
}

func TestEveryFaultHasAnAnswer(t *testing.T) {
	for _, code := range []fault.Code{
		fault.Invalid, fault.TooLarge, fault.NotFound, fault.Conflict, fault.Unfit, fault.Busy,
		fault.Unavailable, fault.Damaged, fault.OutOfMemory, fault.Cancelled, fault.Internal,
	} {
		require.Contains(t, answers, code)
	}
	for code, a := range answers {
		require.GreaterOrEqual(t, a.status, 400, code)
		again := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
		require.Equal(t, again, a.retry >= time.Second, "%s: Retry-After, in whole seconds, with 429 and 503 only", code)
	}
	a, body := explain(fault.New("a code nobody knows", "secret"), "req-1")
	require.Equal(t, 500, a.status)
	require.NotContains(t, body.Error.Message, "secret")
	_, body = explain(fmt.Errorf("reading: %w", fault.Wrap(fmt.Errorf("/etc/passwd"), fault.Damaged, "config.json is cut short")), "")
	require.Equal(t, "config.json is cut short", body.Error.Message, "causes of our own failures stay in the log")
	_, body = explain(fault.New(fault.Invalid, "%s", strings.Repeat("個", 2000)), "")
	require.LessOrEqual(t, len(body.Error.Message), maxErrorMessage+4)
}

func TestRequestIDs(t *testing.T) {
	b := newBench(t)
	require.Equal(t, "my-id.1", b.send("GET", "/healthz", "", header("X-Request-Id", "my-id.1")).header.Get("X-Request-Id"))
	for _, bad := range []string{"", "with space", strings.Repeat("x", 65), "new\tline", "個"} {
		require.Regexp(t, "^req-[A-Z0-9]+$", b.send("GET", "/healthz", "", header("X-Request-Id", bad)).header.Get("X-Request-Id"))
	}
}

func TestAPIKeys(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"first", "second"} })
	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic first", "first", "Bearer firs", "Bearer first second"} {
		r := b.send("GET", "/v1/models", "", header("Authorization", value))
		r.requireError(t, 401, "invalid_api_key", "")
		require.Equal(t, "Bearer", r.header.Get("WWW-Authenticate"))
	}
	for _, value := range []string{"Bearer first", "bearer second"} {
		require.Equal(t, 200, b.send("GET", "/v1/models", "", header("Authorization", value)).status)
	}
	for _, open := range []string{"/healthz", "/readyz", "/openapi.json", "/docs", "/", "/assets/style.css"} {
		require.Equal(t, 200, b.send("GET", open, "").status, open)
	}
	require.Equal(t, 200, b.send("GET", "/healthz", "", func(r *http.Request) { r.Host = "models.example.com" }).status, "with keys, any name will do")
}

func TestWithoutKeysOnlyThisMachineMayAsk(t *testing.T) {
	cases := []struct {
		remote string
		open   bool
		status int
	}{
		{"127.0.0.1:5000", false, 200},
		{"127.8.8.8:5000", false, 200},
		{"[::1]:5000", false, 200},
		{"[::ffff:127.0.0.1]:5000", false, 200},
		{"192.0.2.7:5000", false, 401},
		{"[2001:db8::1]:5000", false, 401},
		{"@", false, 401},
		{"192.0.2.7:5000", true, 200},
	}
	for _, c := range cases {
		g := newBench(t, func(o *Options) { o.OpenAccess = c.open }).gateway
		r := httptest.NewRequest("GET", "http://127.0.0.1/v1/models", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", "127.0.0.1") // anybody can say that
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, r)
		require.Equal(t, c.status, w.Code, "%s, open %v", c.remote, c.open)
	}
}

func TestForeignPagesAreRefused(t *testing.T) {
	cases := []struct {
		name           string
		host           string
		origin         string
		site           string
		method         string
		allowed, hosts []string
		keys           []string
		status         int
	}{
		{name: "no page at all", host: "localhost:8080", method: "GET", status: 200},
		{name: "our own page", host: "localhost:8080", origin: "http://localhost:8080", method: "GET", status: 200},
		{name: "our own page by address", host: "127.0.0.1:8080", origin: "http://127.0.0.1:8080", method: "GET", status: 200},
		{name: "our own page by v6 address", host: "[::1]:8080", origin: "http://[::1]:8080", method: "GET", status: 200},
		{name: "a foreign page", host: "localhost:8080", origin: "https://evil.example", method: "GET", status: 403},
		{name: "another port is another page", host: "localhost:8080", origin: "http://localhost:3000", method: "GET", status: 403},
		{name: "a page without an origin", host: "localhost:8080", origin: "null", method: "GET", status: 403},
		{name: "an allowed page", host: "localhost:8080", origin: "https://ui.example", method: "GET", allowed: []string{"https://ui.example"}, status: 200},
		{name: "every page allowed", host: "localhost:8080", origin: "https://ui.example", method: "GET", allowed: []string{"*"}, status: 200},
		{name: "a name that was pointed here", host: "evil.example", origin: "http://evil.example", method: "GET", status: 403},
		{name: "a name that was pointed here, without origin", host: "evil.example:8080", method: "GET", status: 403},
		{name: "a name of ours", host: "models.lan:8080", method: "GET", hosts: []string{"models.lan"}, status: 200},
		{name: "a foreign post without origin", host: "localhost", site: "cross-site", method: "POST", status: 403},
		{name: "a link from a foreign page", host: "localhost", site: "cross-site", method: "GET", status: 200},
		{name: "any name with a key", host: "models.example", method: "GET", keys: []string{"k"}, status: 200},
		{name: "a foreign page with a key", host: "models.example", origin: "https://evil.example", method: "GET", keys: []string{"k"}, status: 403},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.AllowedOrigins, o.AllowedHosts, o.APIKeys = c.allowed, c.hosts, c.keys })
			path := "/v1/models"
			if c.method == "POST" {
				path = "/v1/searches/search-1/cancel"
			}
			r := b.send(c.method, path, "", func(r *http.Request) {
				r.Host = c.host
				r.Header.Set("Authorization", "Bearer k")
				if c.origin != "" {
					r.Header.Set("Origin", c.origin)
				}
				if c.site != "" {
					r.Header.Set("Sec-Fetch-Site", c.site)
				}
			})
			require.Equal(t, c.status, r.status, r.body)
			if c.status == 403 {
				r.requireError(t, 403, "forbidden_origin", "")
				require.Empty(t, r.header.Get("Access-Control-Allow-Origin"))
			} else {
				require.Equal(t, c.origin, r.header.Get("Access-Control-Allow-Origin"))
			}
		})
	}
}

func TestAnAllowedPageMayAskFirst(t *testing.T) {
	b := newBench(t, func(o *Options) { o.AllowedOrigins = []string{"https://ui.example"}; o.APIKeys = []string{"k"} })
	ask := func(origin string) reply {
		return b.send("OPTIONS", chatPath, "", header("Origin", origin), header("Access-Control-Request-Method", "POST"),
			header("Access-Control-Request-Headers", "authorization, content-type"))
	}
	r := ask("https://ui.example")
	require.Equal(t, 204, r.status, r.body)
	require.Equal(t, "https://ui.example", r.header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "authorization, content-type", r.header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, []string{"Origin", "Access-Control-Request-Headers"}, r.header.Values("Vary"))
	for _, route := range b.gateway.router.Routes() {
		require.Contains(t, r.header.Get("Access-Control-Allow-Methods"), route.Method)
	}
	ask("https://evil.example").requireError(t, 403, "forbidden_origin", "")
}

func TestGenerationsAreLimited(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.InFlight = 1; o.Limits.KeepAlive = time.Millisecond })
	release := make(chan struct{})
	b.catalog.acquire = func(context.Context, string) error { <-release; return nil }
	lines := b.open(t, chatPath, ask(`"stream": true`))
	<-lines
	b.send("POST", chatPath, ask("")).requireError(t, 429, "busy", "")
	close(release)
	for range lines {
	}
	require.Eventually(t, func() bool { return b.send("POST", chatPath, ask("")).status == 200 }, time.Minute, time.Millisecond)
}

func TestTheLogHasNoPromptsAndNoKeys(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"secretkey"} })
	auth := header("Authorization", "Bearer secretkey")
	b.send("POST", chatPath, strings.Replace(ask(""), `"hi"`, `"private words"`, 1), auth)
	b.send("POST", chatPath, strings.Replace(ask(`"n": 0`), `"hi"`, `"private words"`, 1), auth)
	b.send("GET", "/v1/models?q=private+words", "", auth)
	b.send("GET", "/private words", "", auth)
	log := b.log.String()
	require.NotContains(t, log, "private")
	require.NotContains(t, log, "secretkey")
	require.Contains(t, log, "route=/v1/chat/completions")
	require.Contains(t, log, "model=base")
}

// Whoever announces a body and never sends it gets an answer all the same, also
// where nobody wanted to read it.
func TestABodyThatNeverComesIsGivenUp(t *testing.T) {
	cases := []struct {
		name, kind, path string
		status           int
	}{
		{"while it is read", "application/json", chatPath, http.StatusRequestTimeout},
		{"after a refusal of its type", "text/plain", chatPath, http.StatusUnsupportedMediaType},
		{"where there is no route", "application/json", "/nothing", http.StatusNotFound},
		{"where no body is read", "application/json", "/v1/searches/none/cancel", http.StatusNotFound},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) { o.Limits.BodyTimeout = 20 * time.Millisecond })
			conn, err := net.Dial("tcp", b.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: 100\r\n\r\n{", c.path, b.Listener.Addr(), c.kind)
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, c.status, resp.StatusCode)
			var e ErrorReply
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&e))
			require.NotEmpty(t, e.Error.Message)
		})
	}
}

// Whoever asks and does not read gets no goroutine for ever, whatever the reply.
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	for _, c := range []struct {
		name, request string
		generate      time.Duration
	}{
		{"a stream", post(chatPath, ask(`"stream": true`)), time.Hour}, // each write has its own bound
		{"a reply in one piece", "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 20 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, func(o *Options) {
				o.Limits.WriteTimeout, o.Limits.BodyTimeout = 20*time.Millisecond, 20*time.Millisecond
				o.Limits.GenerateTime, o.Limits.RequestTimeout = c.generate, 20*time.Millisecond
			})
			large := strings.Repeat("x", 1<<20)
			b.engine.script = func(_ context.Context, _ infer.Request, send func(infer.Chunk) bool) {
				for send(infer.Chunk{Text: large, Tokens: 1}) {
				}
			}
			for range 32 { // more than the buffers of a socket
				b.catalog.entries = append(b.catalog.entries, catalog.Entry{ID: large, Created: epoch})
			}
			conn, err := net.Dial("tcp", b.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write([]byte(c.request))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "msg=request ") }, time.Minute, time.Millisecond)
		})
	}
}

// post is a whole request, for tests that need the bare connection.
func post(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

func TestLimitsHaveKeysAndAreChecked(t *testing.T) {
	seen := map[string]bool{}
	l := DefaultLimits()
	require.NoError(t, l.Check())
	for _, s := range l.Settings() {
		require.False(t, seen[s.Key], "%s twice", s.Key)
		seen[s.Key] = true
		require.NotEmpty(t, s.Help)
		require.True(t, (s.Number != nil) != (s.Duration != nil), s.Key)
	}
	for i := range l.Settings() {
		bad := DefaultLimits()
		if s := bad.Settings()[i]; s.Number != nil {
			*s.Number = 0
		} else {
			*s.Duration = -1
		}
		require.Error(t, bad.Check())
	}
	require.Len(t, seen, reflect.TypeFor[Limits]().NumField(), "each field of Limits is a setting")
}
