package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search/evaluation"
	"github.com/mergeway/mergeway/search/task"
)

func TestEvaluationsAreLaunched(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", "/v1/evaluations", `{"model":"best","task":"ja-math","split":"validation","limit":7,"minutes":2}`)
	require.Equal(t, http.StatusCreated, r.status, string(r.body))
	require.Equal(t, "/v1/evaluations/eval-1", r.header.Get("Location"))
	var e Evaluation
	r.into(t, &e)
	require.Equal(t, "evaluation", e.Object)
	require.Equal(t, evaluation.Queued, e.State)
	require.Equal(t, evaluation.Spec{Model: "best", Task: "ja-math", Split: task.Validation, Limit: 7, Minutes: 2}, b.evaluations.launched[0])

	require.Equal(t, http.StatusCreated, b.send("POST", "/v1/evaluations", `{"recipe":`+recipe+`,"task":"ja-math"}`).status)
	require.Regexp(t, "^recipe-", b.evaluations.launched[1].Model, "a recipe that is brought along is stored")
}

func TestEvaluationsThatCantBeLaunched(t *testing.T) {
	b := newBench(t)
	for body, want := range map[string]struct {
		status      int
		code, param string
	}{
		`{"task":"ja-math"}`:                            {400, "invalid", "model"},
		`{"model":"none","task":"ja-math"}`:             {404, "model_not_found", "model"},
		`{"model":"best","task":"none"}`:                {404, "not_found", ""},
		`{"model":"best","task":"ja-math","x":1}`:       {400, "invalid", "x"},
		`{"model":"best","task":"ja-math","limit":"1"}`: {400, "invalid", "limit"},
		`{"recipe":[],"task":"ja-math"}`:                {400, "invalid", "recipe"},
	} {
		b.send("POST", "/v1/evaluations", body).requireError(t, want.status, want.code, want.param)
	}
	b.gateway.Drain()
	require.Equal(t, 503, b.send("POST", "/v1/evaluations", `{"model":"best","task":"ja-math"}`).status)
}

func TestEvaluationsAreListedReadAndCancelled(t *testing.T) {
	b := newBench(t)
	var list EvaluationList
	b.send("GET", "/v1/evaluations", "").into(t, &list)
	require.Len(t, list.Data, 1)
	var e Evaluation
	b.send("GET", "/v1/evaluations/eval-1", "").into(t, &e)
	require.Equal(t, list.Data[0], e)
	require.Equal(t, evaluation.Completed, e.State)
	b.send("POST", "/v1/evaluations/eval-1/cancel", "").requireError(t, 409, "conflict", "")
	for _, path := range []string{"", "/samples", "/events"} {
		b.send("GET", "/v1/evaluations/none"+path, "").requireError(t, 404, "not_found", "")
	}
	b.send("POST", "/v1/evaluations/none/cancel", "").requireError(t, 404, "not_found", "")
	var page SamplePage
	b.send("GET", "/v1/evaluations/eval-1/samples?limit=1", "").into(t, &page)
	require.Equal(t, someSamples()[:1], page.Data)
	require.True(t, page.HasMore)

	b.evaluations.now.State = evaluation.Running
	b.send("GET", "/v1/evaluations/eval-1/samples", "").requireError(t, 409, "conflict", "")
	b.send("POST", "/v1/evaluations/eval-1/cancel", "").into(t, &e)
	require.Equal(t, evaluation.Cancelled, e.State)
}

func TestAnEvaluationIsFollowedFromWhereAClientLeftOff(t *testing.T) {
	b := newBench(t)
	for after, want := range map[int]string{0: "1 queued 2 running 3 running 4 completed ", 2: "3 running 4 completed "} {
		r := b.send("GET", fmt.Sprintf("/v1/evaluations/eval-1/events?after=%d", after), "")
		require.Equal(t, "text/event-stream", strings.Split(r.header.Get("Content-Type"), ";")[0])
		var got strings.Builder
		for _, block := range strings.Split(string(r.body), "\n\n") {
			for _, line := range strings.Split(block, "\n") {
				if value, ok := strings.CutPrefix(line, "id: "); ok {
					got.WriteString(value + " ")
				}
				if value, ok := strings.CutPrefix(line, "event: "); ok {
					got.WriteString(value + " ")
				}
			}
		}
		require.Equal(t, want, got.String())
		require.Contains(t, string(r.body), `"object":"evaluation"`)
	}
	require.Equal(t, http.StatusNoContent, b.send("GET", "/v1/evaluations/eval-1/events", "", header("Last-Event-ID", "4")).status)
	b.send("GET", "/v1/evaluations/eval-1/events?after=x", "").requireError(t, 400, "invalid", "after")
}
