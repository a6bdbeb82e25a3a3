package observe

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSpansReachTheCollector(t *testing.T) {
	got := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(body)
	}))
	defer collector.Close()
	tracing, err := OpenTracing(t.Context(), collector.URL, 1, "1.2.3")
	require.NoError(t, err)
	_, span := tracing.Tracer().Start(t.Context(), "a span of mine")
	span.End()
	require.NoError(t, tracing.Close(t.Context()))
	sent := <-got
	require.Regexp(t, "^/v1/traces ", sent)
	require.Contains(t, sent, "a span of mine")
	require.Contains(t, sent, "1.2.3")
}

func TestTracingNeedsAnEndpointAndAShare(t *testing.T) {
	for _, c := range []struct {
		endpoint string
		share    float64
		want     string
	}{
		{"localhost:4318", 1, "http or https URL"},
		{"ftp://localhost", 1, "http or https URL"},
		{"http://", 1, "with a host"},
		{"http://a b", 1, "no URL"},
		{"http://localhost:4318", 0, "above 0"},
		{"http://localhost:4318", 1.5, "at most 1"},
	} {
		_, err := OpenTracing(t.Context(), c.endpoint, c.share, "")
		require.ErrorContains(t, err, c.want, c.endpoint)
	}
}
