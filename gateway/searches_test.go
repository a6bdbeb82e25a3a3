package gateway

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/search"
)

const spec = `{"task": "ja-math", "base": "base", "sources": ["a", "b"], "alias": "best"}`

func TestASearchIsStartedReadAndCancelled(t *testing.T) {
	b := newBench(t)
	r := b.send("POST", "/v1/searches", spec)
	require.Equal(t, http.StatusCreated, r.status, r.body)
	require.Equal(t, "/v1/searches/search-1", r.header.Get("Location"))
	var s Search
	r.into(t, &s)
	require.Equal(t, "search", s.Object)
	require.Equal(t, epoch.Unix(), s.Created)
	require.Equal(t, search.Queued, s.State)
	require.Equal(t, search.DefaultTrials, s.Spec.Trials, "the defaults are shown")

	var all SearchList
	b.send("GET", "/v1/searches", "").into(t, &all)
	require.Len(t, all.Data, 1)
	b.send("GET", "/v1/searches/search-1", "").into(t, &s)
	require.Equal(t, "search-1", s.ID)
	b.send("POST", "/v1/searches/search-1/cancel", "").into(t, &s)
	require.Equal(t, search.Cancelled, s.State)
	b.send("POST", "/v1/searches/search-1/cancel", "").requireError(t, 409, "conflict", "")
}

func TestABadSearchIsRefused(t *testing.T) {
	cases := []struct {
		name, body string
		status     int
		code       string
		param      string
	}{
		{"no task", `{"base": "base", "sources": ["a"]}`, 400, "invalid", "task"},
		{"an unknown task", `{"task": "chess", "base": "base", "sources": ["a"]}`, 404, "not_found", ""},
		{"a misspelt field", `{"task": "ja-math", "base": "base", "sources": ["a"], "trails": 5}`, 400, "invalid", "trails"},
		{"too many trials", `{"task": "ja-math", "base": "base", "sources": ["a"], "trials": 1000000000}`, 400, "invalid", "trials"},
		{"NaN", `{"task": "ja-math", "base": "base", "sources": ["a"], "sigma": NaN}`, 400, "invalid", "sigma"},
		{"not JSON", `{"task"`, 400, "invalid", ""},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.send("POST", "/v1/searches", c.body).requireError(t, c.status, c.code, c.param)
		})
	}
	for _, path := range []string{"", "/trials", "/events"} {
		b.send("GET", "/v1/searches/none"+path, "").requireError(t, 404, "not_found", "")
	}
	b.send("POST", "/v1/searches/none/cancel", "").requireError(t, 404, "not_found", "")
}

func TestTasksAreListed(t *testing.T) {
	var got TaskList
	newBench(t).send("GET", "/v1/tasks", "").into(t, &got)
	require.Len(t, got.Data, 2)
	require.Equal(t, "search.jsonl is missing", got.Data[0].Error)
	require.Equal(t, Task{ID: "ja-math", Object: "task", Description: "sums", Language: "ja", Problems: map[string]int{"search": 0, "validation": 0, "test": 0}}, got.Data[1])
}

func TestEventsOfASearchCanBeResumed(t *testing.T) {
	cases := []struct {
		name, query, header string
		ids                 []string
	}{
		{"from the start", "", "", []string{"1", "2", "3", "4", "5"}},
		{"by header", "", "3", []string{"4", "5"}},
		{"by query", "?after=4", "", []string{"5"}},
		{"by both, the later counts", "?after=1", "4", []string{"5"}},
	}
	b := newBench(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := b.send("GET", "/v1/searches/search-1/events"+c.query, "", func(r *http.Request) {
				if c.header != "" {
					r.Header.Set("Last-Event-ID", c.header)
				}
			})
			require.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
			var ids []string
			for _, e := range events(t, r.body) {
				require.Equal(t, "trial", e.event)
				var data search.Event
				require.NoError(t, json.Unmarshal([]byte(e.data), &data))
				require.NotNil(t, data.Trial)
				ids = append(ids, e.id)
			}
			require.Equal(t, c.ids, ids)
		})
	}
	b.send("GET", "/v1/searches/search-1/events?after=x", "").requireError(t, 400, "invalid", "after")
	b.send("GET", "/v1/searches/search-1/events", "", func(r *http.Request) { r.Header.Set("Last-Event-ID", "x") }).
		requireError(t, 400, "invalid", "Last-Event-ID")
}

func TestNothingFollowsAnEndedSearch(t *testing.T) {
	b := newBench(t)
	b.searches.search.State = search.Done
	require.Equal(t, http.StatusNoContent, b.send("GET", "/v1/searches/search-1/events?after=5", "").status)
	require.Equal(t, http.StatusOK, b.send("GET", "/v1/searches/search-1/events?after=4", "").status)
}

func TestEventsAreLiveWithKeepAlives(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeepAlive = 5 * time.Millisecond })
	live := make(chan search.Event)
	b.searches.live, b.searches.events = live, nil
	resp, err := b.Client().Get(b.URL + "/v1/searches/search-1/events")
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	until := func(prefix string) string {
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), prefix) {
				return lines.Text()
			}
		}
		t.Fatalf("the stream ended before %q", prefix)
		return ""
	}
	until(": keep-alive")
	live <- search.Event{Number: 9, Type: search.StateChanged, State: search.Done}
	until("id: 9")
	require.Contains(t, until("data: "), `"state":"done"`)
	until(": keep-alive")
	close(live)
	for lines.Scan() {
		require.True(t, lines.Text() == "" || strings.HasPrefix(lines.Text(), ":"))
	}
}

func TestDrainEndsWhoWatches(t *testing.T) {
	b := newBench(t)
	b.searches.live = make(chan search.Event)
	resp, err := b.Client().Get(b.URL + "/v1/searches/search-1/events")
	require.NoError(t, err)
	defer resp.Body.Close()
	b.gateway.Drain()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
	}
}

func TestWatchersAreLimited(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.Watchers = 1 })
	b.searches.live = make(chan search.Event)
	resp, err := b.Client().Get(b.URL + "/v1/searches/search-1/events")
	require.NoError(t, err)
	defer resp.Body.Close()
	r := b.send("GET", "/v1/searches/search-1/events", "")
	r.requireError(t, 429, "busy", "")
	require.Equal(t, "1", r.header.Get("Retry-After"))
}
