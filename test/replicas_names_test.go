package test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// weighted is a recipe that nobody else makes.
func weighted(a, b float64) object {
	return object{"recipe": object{
		"method": "task_arithmetic", "base_model": base,
		"sources": []object{{"model": sources[0], "weight": []float64{a}}, {"model": sources[1], "weight": []float64{b}}},
	}}
}

// Many clients of both replicas want the same names at the same time.
func TestReplicasRaceForNames(t *testing.T) {
	r := startReplicas(t)
	const clients, rounds = 8, 12
	at := func(i int) *server { return r.all[i%2] }
	together := func(do func(i int)) {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() { do(i) })
		}
		wg.Wait()
		require.False(t, t.Failed())
	}
	type answer struct {
		status int
		body   object
	}
	try := func(i int, method, path string, body any) answer {
		reply, err := at(i).try(method, path, body)
		if !assert.NoError(t, err) {
			return answer{}
		}
		return answer{reply.status, reply.object(t)}
	}
	current := base
	at(0).call("PUT", "/v1/aliases/wanted", object{"target": current})
	for round := range rounds {
		// One recipe under many names: all are told of the one that is kept.
		answers := make([]answer, clients)
		together(func(i int) {
			body := weighted(0.5, float64(round))
			body["name"] = fmt.Sprintf("name-%d-%d", round, i)
			answers[i] = try(i, "POST", "/v1/recipes", body)
		})
		id := answers[0].body.text("id")
		for _, a := range answers {
			require.Equal(t, http.StatusCreated, a.status, "%v", a.body)
			require.Equal(t, answers[0].body, a.body)
		}
		for _, s := range r.all {
			s.wait("the recipe", requestTime, func() bool { return s.send("GET", "/v1/recipes/"+id, nil).status == http.StatusOK })
			require.Equal(t, answers[0].body, s.call("GET", "/v1/recipes/"+id, nil))
		}

		// Many move the alias from where it is: one does.
		together(func(i int) {
			target := []string{sources[0], sources[1], id}[i%3]
			answers[i] = try(i, "PUT", "/v1/aliases/wanted", object{"target": target, "if_target": current})
		})
		winners := 0
		for _, a := range answers {
			switch a.status {
			case http.StatusOK:
				// To move it to where it is already is no move.
				if a.body.text("target") != current {
					winners++
				}
			default:
				require.Equal(t, http.StatusConflict, a.status, "%v", a.body)
				require.Equal(t, "if_target", a.body.object("error").text("param"))
			}
		}
		require.Equal(t, 1, winners)

		// The alias is moved to the recipe, and the recipe deleted.
		alias := fmt.Sprint("fresh-", round)
		other := weighted(0.25, float64(round))
		doomed := at(round).call("POST", "/v1/recipes", other).text("id")
		for _, s := range r.all {
			s.wait("the recipe", requestTime, func() bool { return s.send("GET", "/v1/recipes/"+doomed, nil).status == http.StatusOK })
		}
		together(func(i int) {
			if i%4 < 2 {
				answers[i] = try(i, "PUT", "/v1/aliases/"+alias, object{"target": doomed})
			} else {
				answers[i] = try(i, "DELETE", "/v1/recipes/"+doomed, nil)
			}
		})
		set, deleted := 0, 0
		for i, a := range answers {
			require.Contains(t, []int{http.StatusOK, http.StatusNotFound, http.StatusConflict}, a.status, "%v", a.body)
			if a.status == http.StatusOK && i%4 < 2 {
				set++
			} else if a.status == http.StatusOK {
				deleted++
			}
		}
		require.True(t, set > 0 && deleted == 0 || set == 0 && deleted == 1, "%d set it, %d deleted it", set, deleted)

		current = at(0).target("wanted")
		r.all[1].wait("the replicas to agree", requestTime, func() bool {
			current = r.all[0].target("wanted")
			return current == r.all[1].target("wanted")
		})
	}
	require.Equal(t, at(0).call("GET", "/v1/aliases/wanted", nil), at(1).call("GET", "/v1/aliases/wanted", nil))
}
