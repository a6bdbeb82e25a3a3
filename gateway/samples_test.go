package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

const trialSamples = "/v1/searches/search-1/trials/2/samples"

func TestSamplesComeInPages(t *testing.T) {
	b := newBench(t)
	for query, want := range map[string]struct {
		ids  []string
		more bool
	}{
		"":                   {[]string{"p1", "p2", "p3"}, false},
		"?limit=2":           {[]string{"p1", "p2"}, true},
		"?limit=2&offset=1":  {[]string{"p2", "p3"}, false},
		"?offset=3":          {[]string{}, false},
		"?offset=2000000000": {[]string{}, false},
	} {
		var page SamplePage
		b.send("GET", trialSamples+query, "").into(t, &page)
		ids := []string{}
		for _, s := range page.Data {
			ids = append(ids, s.ID)
		}
		require.Equal(t, want.ids, ids, query)
		require.Equal(t, want.more, page.HasMore, query)
		require.Equal(t, 3, page.Total)
	}
	var page SamplePage
	b.send("GET", trialSamples, "").into(t, &page)
	require.Equal(t, someSamples(), page.Data)
}

func TestSamplesAsATableHaveNoFormulas(t *testing.T) {
	b := newBench(t)
	r := b.send("GET", trialSamples+"?format=csv&limit=1", "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "text/csv; charset=utf-8", r.header.Get("Content-Type"))
	require.Equal(t, `id,score,correct,number_right,language_right,extracted,reply,failure
p1,1,true,true,true,-7,答えは-7です。,
p2,0.5,false,false,true,,"'=HYPERLINK(""x"")",
p3,0,false,false,false,,,no grade
`, string(r.body))
}

func TestSamplesAsLines(t *testing.T) {
	b := newBench(t)
	r := b.send("GET", trialSamples+"?format=jsonl", "")
	require.Equal(t, "application/jsonl", r.header.Get("Content-Type"))
	require.Equal(t, `{"id":"p1","score":1,"correct":true,"number_right":true,"language_right":true,"extracted":"-7","reply":"答えは-7です。"}
{"id":"p2","score":0.5,"correct":false,"number_right":false,"language_right":true,"reply":"=HYPERLINK(\"x\")"}
{"id":"p3","score":0,"correct":false,"number_right":false,"language_right":false,"failure":"no grade"}
`, string(r.body))
}

func TestSamplesThatArentThere(t *testing.T) {
	b := newBench(t)
	for path, param := range map[string]string{
		"/v1/searches/search-1/trials/x/samples": "trial", "/v1/searches/search-1/trials/-1/samples": "trial",
		trialSamples + "?format=xml": "format", trialSamples + "?limit=0": "limit", trialSamples + "?offset=-1": "offset",
	} {
		b.send("GET", path, "").requireError(t, 400, "invalid", param)
	}
	b.send("GET", "/v1/searches/search-1/trials/99/samples", "").requireError(t, 404, "not_found", "trial")
	b.send("GET", "/v1/searches/none/trials/0/samples", "").requireError(t, 404, "not_found", "")
}
