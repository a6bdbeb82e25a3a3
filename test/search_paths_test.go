package test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A search of paths, and one of weights that a search of paths follows, each end with
// a winner that is served.
func TestPathsAreSearchedAndServed(t *testing.T) {
	s := start(t, options{})
	way := object{
		"name": "way", "task": "ja-math", "base": base, "sources": sources[:1], "path": object{"repeats": 2, "scales": "slot"},
		"trials": 10, "population": 5, "sample_size": 8, "validate_top": 1, "seed": 3, "alias": "path",
	}
	found := s.awaitSearch(s.call("POST", "/v1/searches", way).text("id"))
	recipe := found.object("winner").object("recipe")
	require.Equal(t, "dataflow", recipe.text("method"))
	hops := recipe.list("path")
	require.Equal(t, base, hops[0].text("model"), "it begins with the base's first block")
	require.NotEmpty(t, s.ask("path", "3+4"))
	svg := s.send("GET", "/v1/searches/"+found.text("id")+"/plot.svg?of=path", nil)
	require.Contains(t, string(svg.body), "the winner&#39;s path")

	// The base as a path of its own blocks says what the base says.
	own := object{"method": "dataflow", "base_model": base, "path": []object{}}
	for i := range 4 {
		own["path"] = append(own["path"].([]object), object{"model": base, "layer": i})
	}
	id := s.call("POST", "/v1/recipes", own).text("id")
	require.Equal(t, s.ask(base, "3+4"), s.ask(id, "3+4"))

	way["base"], way["name"], way["alias"] = "$winner", "second", "both"
	first := s.awaitSearch(s.call("POST", "/v1/searches", object{
		"name": "first", "task": "ja-math", "base": base, "sources": sources, "groups": "model",
		"trials": 8, "population": 4, "sample_size": 8, "validate_top": 1, "seed": 4, "then": way,
	}).text("id"))
	second := s.awaitSearch(first.text("next"))
	require.Equal(t, first.text("id"), second.text("previous"))
	require.NotEmpty(t, s.ask("both", "3+4"))
	table := second.list("scores")
	require.Equal(t, "winner", table[len(table)-1].text("role"))
	require.NotNil(t, table[len(table)-1]["score"])
}
