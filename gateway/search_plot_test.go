package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/merge"
	"github.com/mergeway/mergeway/search"
)

func TestASearchIsDrawn(t *testing.T) {
	b := newBench(t)
	const path = "/v1/searches/search-1/plot.svg"
	for query, holds := range map[string]string{"": "trial", "?of=fitness": "trial", "?of=parameters": "a weight all"} {
		r := b.send("GET", path+query, "")
		require.Equal(t, http.StatusOK, r.status, query)
		require.Equal(t, "image/svg+xml", r.header.Get("Content-Type"))
		require.Contains(t, r.header.Get("Content-Security-Policy"), "sandbox")
		require.Contains(t, r.body, "<svg", query)
		require.Contains(t, r.body, holds, query)
	}
	b.send("GET", path+"?of=path", "").requireError(t, 400, "invalid", "of")
	b.send("GET", path+"?of=soul", "").requireError(t, 400, "invalid", "of")
	b.send("GET", "/v1/searches/none/plot.svg", "").requireError(t, 404, "not_found", "")

	b.searches.search.Winner = &search.Winner{Recipe: merge.Recipe{Path: []merge.Hop{{Model: "a"}, {Model: "b", Layer: 3}}}}
	require.Contains(t, b.send("GET", path+"?of=path", "").body, "the winner&#39;s path")
}
