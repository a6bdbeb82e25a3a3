package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store"
)

func TestKeysAreMadeListedAndRevokedInTheStore(t *testing.T) {
	t.Setenv("MERGEWAY_DATA", t.TempDir())
	code, secret, errs := execute(t, "key", "create", "--name", "ci", "--scope", "inference,search", "--rpm", "60", "--expires", "90d")
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `^mw-[a-z2-7]{52}\n$`, secret, "nothing else, for scripts")
	code, _, errs = execute(t, "key", "create", "--name", "twin")
	require.Equal(t, exitOK, code, errs)

	_, table, _ := execute(t, "key", "list")
	require.NotContains(t, table, strings.TrimSpace(secret))
	require.Regexp(t, `(?m)^key-[0-9a-f]{16} +ci +inference,search +60 +- +- +20\d\d-\S+ \S+ +never +20\d\d-`, table)
	require.Regexp(t, `(?m)^key-[0-9a-f]{16} +twin +inference +- .* never +never$`, table)

	code, out, errs := execute(t, "key", "revoke", "ci")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "ci, is revoked")
	id := strings.Fields(out)[0]
	code, _, errs = execute(t, "key", "revoke", strings.TrimSuffix(id, ","))
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "there is no key")

	code, _, _ = execute(t, "key", "create", "--name", "twin")
	require.Equal(t, exitOK, code)
	code, _, errs = execute(t, "key", "revoke", "twin")
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "2 keys are called")
}

func TestKeysThatCantBeMade(t *testing.T) {
	t.Setenv("MERGEWAY_DATA", t.TempDir())
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "name"},
		{[]string{"--name", "a", "--scope", "admin"}, `no scope "admin"`},
		{[]string{"--name", "a", "--rpm", "-1"}, "requests_per_minute"},
		{[]string{"--name", "a", "--expires", "soon"}, "--expires"},
		{[]string{"--name", "a", "--expires", "2001-01-01"}, "in the past"},
	} {
		code, out, errs := execute(t, append([]string{"key", "create"}, c.args...)...)
		require.Equal(t, exitUsage, code, "%v: %s", c.args, errs)
		require.Contains(t, errs, c.says)
		require.Empty(t, out)
	}
}

func TestExpiries(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	for text, want := range map[string]string{
		"12h": "2026-03-02T00:00:00Z", "90d": "2026-05-30T12:00:00Z", "2030-01-31": "2030-01-31T00:00:00Z", "2030-01-31T01:00:00+01:00": "2030-01-31T00:00:00Z",
	} {
		got, err := parseExpiry(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Format(time.RFC3339Nano), text)
	}
	never, err := parseExpiry("", now)
	require.NoError(t, err)
	require.True(t, never.IsZero())
	for _, text := range []string{"-5d", "0d", "1.5d", "d", "-1h", "0s", "tomorrow", "5d5"} {
		_, err := parseExpiry(text, now)
		require.Error(t, err, text)
	}
}

func TestAnEntryForTheConfigurationIsOne(t *testing.T) {
	code, out, errs := execute(t, "key", "create", "--name", "web", "--tpm", "1000", "--for-config")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "# The key itself, shown now and never again: mw-")
	code, effective, errs := execute(t, "config", "--config", configFile(t, out))
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, effective, `"tokens_per_minute":1000`)
	require.NotContains(t, effective, "mw-")
}

// A running server has its state file open: it is asked instead.
func TestKeysOfARunningServerAreMadeOverHTTP(t *testing.T) {
	data := t.TempDir()
	t.Setenv("MERGEWAY_DATA", data)
	held, err := store.OpenBolt(filepath.Join(data, "mergeway.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, held.Close()) })
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		switch r.Method {
		case http.MethodPost:
			var body map[string]any
			require.NoError(t, json.NewDecoder(r.Body).Decode(&body))
			require.Equal(t, map[string]any{"name": "ci", "scopes": []any{"manage"}, "limits": map[string]any{"requests_per_minute": 5.0}}, body)
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"id": "key-1", "name": "ci", "scopes": ["manage"], "secret": "mw-secret"}`))
		case http.MethodGet:
			_, _ = w.Write([]byte(`{"data": [{"id": "key-1", "name": "ci", "scopes": ["manage"], "limits": {"requests_per_minute": 5}, "created_at": "2026-01-02T03:04:05Z"}]}`))
		case http.MethodDelete:
			_, _ = w.Write([]byte(`{"id": "key-1", "deleted": true}`))
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("MERGEWAY_API_KEY", "root")
	t.Setenv("MERGEWAY_ADDR", server.Listener.Addr().String())

	code, out, errs := execute(t, "key", "create", "--name", "ci", "--scope", "manage", "--rpm", "5")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, "mw-secret\n", out)
	require.Contains(t, errs, "is in use: asking the server at "+server.URL)
	code, out, errs = execute(t, "key", "list")
	require.Equal(t, exitOK, code, errs)
	require.Regexp(t, `key-1 +ci +manage +5 +- +- +2026-01-02 03:04Z +never +never`, out)
	code, _, errs = execute(t, "key", "revoke", "ci")
	require.Equal(t, exitOK, code, errs)
	require.Equal(t, []string{
		"POST /v1/keys Bearer root", "GET /v1/keys Bearer root", "GET /v1/keys Bearer root", "DELETE /v1/keys/key-1 Bearer root",
	}, asked)
}

func TestServersAreReachedWhereTheyListen(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "0.0.0.0:80": "localhost:80", "[::]:80": "localhost:80", ":80": "localhost:80", "models.lan:80": "models.lan:80",
	} {
		require.Equal(t, want, reachable(listen))
	}
}

func TestAGatewayThatRefusesSaysWhy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error": {"message": "this needs the scope manage"}}`))
	}))
	t.Cleanup(server.Close)
	code, _, errs := execute(t, "key", "list", "--url", server.URL)
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "this needs the scope manage")
}
