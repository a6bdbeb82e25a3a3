package test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Each way to search finds, on the miniature and at a tiny budget, what it promises,
// and finds it again.
func TestEveryOptimizerSearchesTheMiniature(t *testing.T) {
	s := start(t, options{})
	two := []object{{"task": "ja-math"}, {"task": "en-math", "weight": 0.5}}
	halves := []object{{"task": "ja-math", "fitness": "number_right", "name": "number"}, {"task": "ja-math", "fitness": "language_right", "name": "japanese"}}
	for name, c := range map[string]struct {
		optimizer  object
		objectives []object
		trials     int
	}{
		"diagonal, restarts": {object{"name": "cma_es", "options": object{"covariance": "diagonal", "restarts": "bipop"}}, nil, 8},
		"levels, rates":      {object{"name": "cma_es", "options": object{"levels": []int{7}, "adapt_rates": true}}, nil, 8},
		"random":             {object{"name": "random"}, nil, 6},
		"grid":               {object{"name": "grid", "options": object{"levels": []int{2}}}, nil, 8},
		"nsga2":              {object{"name": "nsga2"}, halves, 12},
		"map_elites":         {object{"name": "map_elites", "options": object{"bins": 5}}, halves, 12},
		"cycle_qd":           {object{"name": "cycle_qd"}, two, 8},
	} {
		t.Run(name, func(t *testing.T) {
			spec := object{
				"name": "small", "base": base, "sources": sources, "groups": "model", "optimizer": c.optimizer,
				"trials": c.trials, "population": 4, "sample_size": 8, "validate_top": 1, "seed": 5, "alias": "winner",
			}
			if c.objectives == nil {
				spec["task"] = "ja-math"
			} else {
				spec["objectives"] = c.objectives
			}
			id := s.call("POST", "/v1/searches", spec).text("id")
			found := s.awaitSearch(id)
			require.Equal(t, found.object("winner").text("model"), s.call("GET", "/v1/models/winner", nil).text("target"))
			trials := s.trials(id)
			require.Len(t, trials, c.trials)
			if c.objectives == nil {
				return
			}
			front := found.list("front")
			require.NotEmpty(t, front)
			for _, member := range front {
				require.Len(t, member["values"], len(c.objectives))
				require.NotEmpty(t, member.object("recipe"))
			}
			for _, row := range found.list("scores") {
				require.Len(t, row["values"], len(c.objectives))
			}
			if name == "nsga2" {
				return
			}
			cells := s.call("GET", "/v1/searches/"+id+"/cells", nil).list("data")
			require.NotEmpty(t, cells)
			recipe := cells[0].object("trial").object("recipe")
			require.NotEmpty(t, s.call("POST", "/v1/recipes", object{"recipe": recipe}).text("id"), "any cell can be served")
		})
	}
}
