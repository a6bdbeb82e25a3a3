package test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pageTime is how long a browser may take for a page.
const pageTime = 2 * time.Minute

// The pages for people, in a real browser: their scripts run under the pages' own
// security policy, without a complaint, and show what the API says.
func TestPagesWorkInABrowser(t *testing.T) {
	browser := chromium(t)
	s := start(t, options{})
	s.call("PUT", "/v1/aliases/production", object{"target": sources[0]})
	for _, page := range []struct {
		path  string
		shows []string
	}{
		{"/", []string{base, sources[0], sources[1], sources[2], "production"}},
		{"/docs", []string{"/v1/chat/completions", "/v1/searches/{id}/events", "Store a recipe", "to-a-schema", "string, or list of string"}},
	} {
		t.Run(page.path, func(t *testing.T) {
			dom, log := browser(s.url + page.path)
			for _, text := range page.shows {
				require.Contains(t, dom, text)
			}
			require.NotRegexp(t, regexp.MustCompile(`(?i)CONSOLE.*(refused|error|failed|uncaught)`), log)
		})
	}
}

// chromium gives a way to open a page headlessly: what the page looks like to a
// screen reader once its scripts have run, and what the browser logged. Without
// Chromium the test is skipped, unless MERGEWAY_REQUIRE_CHROMIUM is set.
func chromium(t *testing.T) func(url string) (dom, log string) {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("MERGEWAY_REQUIRE_CHROMIUM") != "" {
			t.Fatalf("chromium is missing: %v", err)
		}
		t.Skip("chromium is not installed")
	}
	return func(url string) (string, string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), pageTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
			"--user-data-dir="+t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom", url)
		var log bytes.Buffer
		cmd.Stderr = &log
		dom, err := cmd.Output()
		require.NoError(t, err, "%s", log.String())
		return string(dom), log.String()
	}
}
