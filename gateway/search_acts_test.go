package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
	"github.com/mergeway/mergeway/search"
	"github.com/mergeway/mergeway/search/task"
)

func TestASearchIsPausedAndResumed(t *testing.T) {
	b := newBench(t)
	var s Search
	b.send("POST", "/v1/searches/search-1/pause", "").into(t, &s)
	require.Equal(t, search.Paused, s.State)
	b.send("POST", "/v1/searches/search-1/resume", "").into(t, &s)
	require.Equal(t, search.Queued, s.State)
	b.searches.search.State = search.Done
	for _, act := range []string{"pause", "resume", "cancel"} {
		b.send("POST", "/v1/searches/search-1/"+act, "").requireError(t, 409, "conflict", "")
		b.send("POST", "/v1/searches/none/"+act, "").requireError(t, 404, "not_found", "")
	}
}

func TestASearchIsClonedWithChanges(t *testing.T) {
	b := newBench(t)
	b.send("POST", "/v1/searches", spec)
	original := b.searches.search.Spec
	for body, want := range map[string]func(*search.Spec){
		``:                                 func(*search.Spec) {},
		`{}`:                               func(*search.Spec) {},
		`{"seed": 9, "alias": null}`:       func(s *search.Spec) { s.Seed, s.Alias = 9, "" },
		`{"sources": ["a"], "trials": 12}`: func(s *search.Spec) { s.Sources, s.Trials = []string{"a"}, 12 },
	} {
		b.searches.search.Spec = original
		r := b.send("POST", "/v1/searches/search-1/clone", body)
		require.Equal(t, http.StatusCreated, r.status, r.body)
		require.Equal(t, "/v1/searches/search-1", r.header.Get("Location"))
		var s Search
		r.into(t, &s)
		changed := original
		want(&changed)
		require.Equal(t, changed, s.Spec, body)
	}
	for body, param := range map[string]string{`{"trails": 1}`: "trails", `{"trials": 0.5}`: "trials", `{"seed": NaN}`: "seed", `[]`: ""} {
		b.send("POST", "/v1/searches/search-1/clone", body).requireError(t, 400, "invalid", param)
	}
	b.send("POST", "/v1/searches/search-1/clone", `{"task": "chess"}`).requireError(t, 404, "not_found", "")
	b.send("POST", "/v1/searches/none/clone", "").requireError(t, 404, "not_found", "")
}

func TestATrialOrTheWinnerIsPromoted(t *testing.T) {
	b := newBench(t)
	const path = "/v1/searches/search-1/promote"
	b.searches.trials[2].Score = &task.Score{Problems: 8, Correct: 2}
	b.searches.trials[3].Failure = "out of memory"
	b.send("POST", path, `{"alias": "production"}`).requireError(t, 409, "conflict", "trial")
	b.send("POST", path, `{"alias": "production", "trial": 3}`).requireError(t, 409, "conflict", "trial")
	b.send("POST", path, `{"alias": "production", "trial": 7}`).requireError(t, 404, "not_found", "trial")
	b.send("POST", path, `{"trial": 2}`).requireError(t, 400, "invalid", "alias")
	b.send("POST", path, `{"alias": "base", "trial": 2}`).requireError(t, 409, "conflict", "alias")
	b.send("POST", path, `{"alias": "production", "trail": 2}`).requireError(t, 400, "invalid", "trail")
	b.send("POST", "/v1/searches/none/promote", `{"alias": "production"}`).requireError(t, 404, "not_found", "")
	require.Empty(t, b.catalog.recipes, "nothing is stored for a promotion that can't be")

	b.catalog.entries = append(b.catalog.entries, catalog.Entry{ID: "recipe-00", Kind: catalog.Recipe, Created: epoch, State: catalog.Ready})
	var alias Alias
	r := b.send("POST", path, `{"alias": "production", "trial": 2, "if_target": ""}`)
	r.into(t, &alias)
	require.Equal(t, "recipe-00", alias.Target)
	require.NotEmpty(t, r.header.Get("ETag"))
	require.Equal(t, "better-trial-2", b.catalog.recipes[0].Name)
	b.send("POST", path, `{"alias": "production", "trial": 2, "if_target": "base"}`).requireError(t, 409, "conflict", "if_target")

	b.searches.search.Spec.Objectives = []search.Objective{{Name: "sums"}}
	b.send("POST", path, `{"alias": "sums", "objective": "sums"}`).into(t, &alias)
	require.Equal(t, "sums", alias.Name)
	require.Equal(t, "better-trial-2", b.catalog.recipes[len(b.catalog.recipes)-1].Name, "the only one that was scored")
	b.send("POST", path, `{"alias": "sums", "objective": "words"}`).requireError(t, 400, "invalid", "objective")
	b.send("POST", path, `{"alias": "sums", "objective": "sums", "trial": 2}`).requireError(t, 400, "invalid", "objective")

	b.searches.search.Winner = &search.Winner{Recipe: b.searches.trials[4].Recipe}
	b.send("POST", path, `{"alias": "other"}`).into(t, &alias)
	require.Equal(t, "other", alias.Name)
	require.Equal(t, "better", b.catalog.recipes[len(b.catalog.recipes)-1].Name)
}
