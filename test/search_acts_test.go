package test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A search is paused, survives a killed process paused, and finds after all what
// it finds without either; meanwhile one of its trials is in production.
func TestASearchIsPausedPromotedFromAndCloned(t *testing.T) {
	o := options{data: t.TempDir()}
	s := start(t, o)
	id := s.call("POST", "/v1/searches", object{
		"name": "paused", "task": "ja-math", "base": base, "sources": sources, "method": "task_arithmetic",
		"trials": 12, "population": 4, "sample_size": 8, "seed": 5, "validate_top": 1,
	}).text("id")
	at := "/v1/searches/" + id
	s.wait("a generation", searchTime, func() bool { return len(s.trials(id)) >= 4 })
	require.Equal(t, "paused", s.call("POST", at+"/pause", nil).text("state"))
	before := s.trials(id)
	require.Less(t, len(before), 12, "the search ended before it could be paused")

	recipe := s.call("GET", at+"/trials/1/recipe", nil)
	require.Equal(t, "paused-trial-1", recipe.text("name"))
	yaml := s.send("GET", at+"/trials/1/recipe?format=yaml", nil)
	require.Contains(t, string(yaml.body), "merge_method: task_arithmetic")
	alias := s.call("POST", at+"/promote", object{"alias": "production", "trial": 1, "if_target": ""})
	require.Equal(t, s.call("POST", "/v1/recipes", recipe["recipe"]).text("id"), alias.text("target"), "the same recipe, the same id")
	require.NotEmpty(t, s.ask("production", "3+4"))

	s.kill()
	s = start(t, o)
	require.Equal(t, "paused", s.call("GET", at, nil).text("state"))
	twin := s.call("POST", at+"/clone", object{"name": "undisturbed"}).text("id")
	s.awaitSearch(twin)
	require.Equal(t, asJSON(t, before), asJSON(t, s.trials(id)), "it rests")
	require.Contains(t, []string{"queued", "running"}, s.call("POST", at+"/resume", nil).text("state"))
	s.awaitSearch(id)
	require.Equal(t, genomes(t, s.trials(twin)), genomes(t, s.trials(id)))

	r := s.send("GET", at+"/trials?format=csv", nil)
	require.Equal(t, http.StatusOK, r.status)
	rows, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 13, "a head and the trials")
	s.refusal(http.StatusConflict, "POST", at+"/pause", nil)
}
