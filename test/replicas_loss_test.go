package test

import (
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Redis is killed under two replicas and comes back, first with all that it had,
// then with nothing.
func TestReplicasOutliveTheirRedis(t *testing.T) {
	r := startReplicas(t)
	recipe := r.all[0].call("POST", "/v1/recipes", average("average"))
	targets := []string{sources[0], recipe.text("id")}
	said := map[string]string{}
	for _, target := range targets {
		said[target] = r.all[0].ask(target, asked)
	}
	r.all[0].call("PUT", "/v1/aliases/shared", object{"target": targets[0]})
	r.all[1].wait("the alias", requestTime, func() bool {
		return r.all[1].send("GET", "/v1/aliases/shared", nil).status == http.StatusOK
	})
	both := []*users{talk(r.all[0], "shared", said, 1), talk(r.all[1], "shared", said, 1)}
	defer part(both)
	for round, comesBack := range []func(){
		func() {},
		func() { r.redis.Forget(t) },
	} {
		now, next := targets[round%2], targets[(round+1)%2]
		r.redis.Kill()
		for i, s := range r.all {
			s.wait("the loss to be noticed", requestTime, func() bool { return s.readiness() == "degraded" })
			part := s.call("GET", "/readyz", nil).list("parts")[0]
			require.Equal(t, "store", part.text("name"))
			require.Contains(t, part.text("reason"), "Redis is out of reach")
			require.NotEmpty(t, part.text("since"))
			both[i].more()
			require.Equal(t, now, s.target("shared"))
			require.Equal(t, said[targets[1]], s.ask(recipe.text("id"), asked))
			require.Equal(t, said[targets[1]], s.ask("average", asked))
			inline := s.call("POST", "/v1/chat/completions", object{
				"recipe": average("")["recipe"], "temperature": 0, "max_tokens": 32, "messages": []object{{"role": "user", "content": asked}},
			})
			require.Equal(t, said[targets[1]], inline.list("choices")[0].object("message").text("content"))
			require.NotEmpty(t, s.call("GET", "/v1/models", nil).list("data"))
			checkNothingCanBeChanged(t, s, recipe.text("id"))
		}
		comesBack()
		r.redis.Restart(t)
		for _, s := range r.all {
			s.wait("Redis to be followed again", requestTime, func() bool { return s.readiness() == "ready" })
		}
		for _, u := range both {
			u.expect(now, next)
		}
		r.all[1].call("PUT", "/v1/aliases/shared", object{"target": next, "if_target": now})
		r.all[0].wait("the swap", requestTime, func() bool { return r.all[0].target("shared") == next })
		for _, u := range both {
			u.expect(next)
			u.more()
		}
		require.False(t, t.Failed())
	}
	late := start(t, r.options())
	require.Equal(t, recipe.text("digest"), late.call("GET", "/v1/recipes/"+recipe.text("id"), nil).text("digest"))
	require.Equal(t, targets[0], late.target("shared"))
	require.Equal(t, said[targets[0]], late.ask("shared", asked))
}

// checkNothingCanBeChanged wants every write to be refused, and the caller to be
// told to come back.
func checkNothingCanBeChanged(t *testing.T, s *server, recipe string) {
	t.Helper()
	for _, write := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/v1/recipes", average("again")},
		{"DELETE", "/v1/recipes/" + recipe, nil},
		{"PUT", "/v1/aliases/shared", object{"target": base}},
		{"PUT", "/v1/aliases/new", object{"target": base}},
		{"POST", "/v1/aliases/shared/rollback", nil},
		{"DELETE", "/v1/aliases/shared", nil},
		{"POST", "/v1/searches", object{"task": "ja-math", "base": base, "sources": sources}},
	} {
		what := write.method + " " + write.path
		reply := s.send(write.method, write.path, write.body)
		require.Equal(t, http.StatusServiceUnavailable, reply.status, "%s: %s", what, reply.body)
		require.NotEmpty(t, reply.header.Get("Retry-After"), what)
		refusal := reply.object(t).object("error")
		require.Equal(t, "unavailable", refusal.text("code"), what)
		require.Contains(t, refusal.text("message"), "Redis", what)
	}
}

// A replica is killed while it takes writes: what it acknowledged is on the other
// one, and on itself when it comes back.
func TestAKilledReplicaLosesNothing(t *testing.T) {
	r := startReplicas(t)
	victim, survivor := r.all[0], r.all[1]
	var mu sync.Mutex
	digests := map[string]string{} // of the recipes that were acknowledged
	stood := []string{}            // what the alias was acknowledged to stand for
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				made, err := victim.try("POST", "/v1/recipes", weighted(0.1+float64(w), 0.001*float64(i+1)))
				if err != nil || made.status != http.StatusCreated {
					return
				}
				recipe := made.object(t)
				mu.Lock()
				digests[recipe.text("id")] = recipe.text("digest")
				mu.Unlock()
				if w > 0 {
					continue
				}
				moved, err := victim.try("PUT", "/v1/aliases/latest", object{"target": recipe.text("id")})
				mu.Lock()
				if err == nil && moved.status == http.StatusOK {
					stood = append(stood, recipe.text("id"))
				}
				mu.Unlock()
			}
		})
	}
	victim.wait("some writes", requestTime, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(digests) >= 40 && len(stood) >= 5
	})
	victim.kill()
	writers.Wait()
	t.Logf("%d recipes and %d moves acknowledged before the kill", len(digests), len(stood))

	again := start(t, r.options())
	for _, s := range []*server{survivor, again} {
		for id, digest := range digests {
			require.Equal(t, digest, s.call("GET", "/v1/recipes/"+id, nil).text("digest"))
		}
		alias := s.call("GET", "/v1/aliases/latest", nil)
		// One move may have been made whose acknowledgement died with the process.
		chain := []string{alias.text("target")}
		for _, was := range slices.Backward(alias.list("history")) {
			chain = append(chain, was.text("target"))
		}
		require.Contains(t, chain[:2], stood[len(stood)-1])
		require.Contains(t, s.call("GET", "/v1/recipes/"+chain[0], nil).text("id"), "recipe-")
	}
	require.Equal(t, survivor.ask("latest", "3+4"), again.ask("latest", "3+4"))
}
