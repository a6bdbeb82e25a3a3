package gateway

import (
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// How pages, scripts and styles refer to other files.
var (
	fromPage   = regexp.MustCompile(`(?:src|href)="([^"#]+)`)
	fromScript = regexp.MustCompile(`from '([^']+)'`)
)

func TestPagesHaveAStrictPolicy(t *testing.T) {
	b := newBench(t)
	for _, page := range []string{"/", "/docs"} {
		r := b.send("GET", page, "")
		require.Equal(t, http.StatusOK, r.status)
		require.Equal(t, "text/html; charset=utf-8", r.header.Get("Content-Type"))
		policy := r.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "*")
		require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
	}
}

// Whatever the policy forbids would silently not work; whatever is elsewhere
// would not work offline.
func TestPagesNeedNothingButWhatIsServed(t *testing.T) {
	b := newBench(t)
	files, err := fs.ReadDir(web, "web")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, f := range files {
		data, err := fs.ReadFile(web, path.Join("web", f.Name()))
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "") // a name, not an address
		require.NotRegexp(t, `https?://|url\(|@import`, text, f.Name())
		if strings.HasSuffix(f.Name(), ".html") {
			require.NotRegexp(t, `<style|\sstyle=|\son\w+=|<script[^>]*>[^<]`, text, "%s has inline code", f.Name())
			require.Contains(t, text, `name="viewport"`)
			require.Contains(t, text, `lang="en"`)
		}
		if strings.HasSuffix(f.Name(), ".js") {
			require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`, text, "%s could inject", f.Name())
		}
		for _, m := range fromPage.FindAllStringSubmatch(text, -1) {
			used[m[1]] = true
		}
		for _, m := range fromScript.FindAllStringSubmatch(text, -1) {
			used["/assets/"+path.Base(m[1])] = true
		}
	}
	for _, f := range files {
		if path.Ext(f.Name()) != ".html" {
			require.True(t, used["/assets/"+f.Name()], "nobody uses %s", f.Name())
		}
	}
	for address := range used {
		r := b.send("GET", address, "")
		require.Equal(t, http.StatusOK, r.status, address)
		if strings.HasPrefix(address, "/assets/") {
			require.Equal(t, contentTypes[path.Ext(address)], r.header.Get("Content-Type"), address)
			require.NotEmpty(t, r.header.Get("Content-Type"), address)
		}
	}
}
