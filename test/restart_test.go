package test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store/redistest"
)

// What is promised of the state: a process killed at any moment comes back with
// its recipes, aliases and trials, and goes on with its searches as if nothing
// had happened. The same for both stores.
func TestKilledServerContinues(t *testing.T) {
	for _, store := range []struct {
		name string
		args func(t *testing.T) []string
	}{
		{"embedded store", func(*testing.T) []string { return nil }},
		{"redis", func(t *testing.T) []string { return []string{"--redis", "redis://" + redistest.Start(t).Addr + "/0"} }},
	} {
		t.Run(store.name, func(t *testing.T) {
			o := options{data: t.TempDir(), args: store.args(t)}
			s := start(t, o)
			recipe := s.call("POST", "/v1/recipes", average("average"))
			s.call("PUT", "/v1/aliases/production", object{"target": recipe.text("id")})
			said := s.ask("production", "3+4")

			spec := object{
				"name": "killed", "task": "ja-math", "base": base, "sources": sources,
				"method": "task_arithmetic", "trials": 24, "population": 4, "sample_size": 8,
				"seed": 11, "validate_top": 2, "alias": "winner",
			}
			id := s.call("POST", "/v1/searches", spec).text("id")
			s.wait("two generations", searchTime, func() bool { return len(s.trials(id)) >= 8 })
			before := s.trials(id)
			require.Less(t, len(before), 24, "the search ended before it could be killed")
			s.kill()

			s = start(t, o)
			require.Equal(t, recipe.text("digest"), s.call("GET", "/v1/recipes/"+recipe.text("id"), nil).text("digest"))
			require.Equal(t, recipe.text("id"), s.call("GET", "/v1/models/production", nil).text("target"))
			require.Equal(t, said, s.ask("production", "3+4"))
			after := s.trials(id)
			require.GreaterOrEqual(t, len(after), len(before), "trials were lost")
			require.Equal(t, asJSON(t, before), asJSON(t, after[:len(before)]), "trials changed")

			s.awaitSearch(id)
			resumed := s.trials(id)
			require.Len(t, resumed, 24)
			require.NotEmpty(t, s.ask("winner", "3+4"), "the winner is served")

			// The same search without a kill proposes the same candidates.
			spec["name"], spec["alias"] = "undisturbed", "undisturbed-winner"
			twin := s.call("POST", "/v1/searches", spec).text("id")
			s.awaitSearch(twin)
			require.Equal(t, genomes(t, s.trials(twin)), genomes(t, resumed))
			require.Zero(t, s.stop())
		})
	}
}

// trials gives the trials of a search made so far, in their order.
func (s *server) trials(id string) []object {
	s.t.Helper()
	trials := s.call("GET", "/v1/searches/"+id+"/trials", nil).list("data")
	slices.SortFunc(trials, func(a, b object) int { return int(a.number("number")) - int(b.number("number")) })
	return trials
}

// awaitSearch waits until a search has ended well, and gives it.
func (s *server) awaitSearch(id string) object {
	s.t.Helper()
	var found object
	s.wait("search "+id, searchTime, func() bool {
		found = s.call("GET", "/v1/searches/"+id, nil)
		require.NotContains(s.t, []string{"failed", "cancelled"}, found.text("state"), "%v", found)
		return found.text("state") == "done"
	})
	return found
}

func genomes(t *testing.T, trials []object) []string {
	t.Helper()
	all := make([]string, len(trials))
	for i, trial := range trials {
		all[i] = fmt.Sprintf("%v: %s", trial["number"], asJSON(t, trial["genome"]))
	}
	return all
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}
