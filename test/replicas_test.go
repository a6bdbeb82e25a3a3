package test

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store/redistest"
)

// replicas are two gateways on one Redis.
type replicas struct {
	t     *testing.T
	redis *redistest.Server
	all   []*server
}

func startReplicas(t *testing.T) *replicas {
	t.Helper()
	r := &replicas{t: t, redis: redistest.Start(t), all: make([]*server, 2)}
	for i := range r.all {
		r.all[i] = start(t, r.options())
	}
	return r
}

func (r *replicas) options() options {
	return options{args: []string{"--redis", "redis://" + r.redis.Addr + "/0", "--claim-ttl", "3s"}}
}

// target is where an alias stands on a replica.
func (s *server) target(alias string) string {
	s.t.Helper()
	return s.call("GET", "/v1/aliases/"+alias, nil).text("target")
}

// readiness is what a replica says of itself: "ready" or "degraded".
func (s *server) readiness() string {
	s.t.Helper()
	return s.call("GET", "/readyz", nil).text("status")
}

// users talk to an alias on one replica without a break.
type users struct {
	s     *server
	alias string
	said  map[string]string // target -> what it says

	mu      sync.Mutex
	known   map[string]bool // the targets that may answer a request that begins now
	changes int             // of known

	answered atomic.Int64
	stop     atomic.Bool
	wg       sync.WaitGroup
}

const asked = "太郎はりんごを27個持っています。花子から35個もらいました。全部で何個ですか？"

// talk begins n conversations.
func talk(s *server, alias string, said map[string]string, n int) *users {
	u := &users{s: s, alias: alias, said: said}
	u.expect(s.target(alias))
	for range n {
		u.wg.Go(func() {
			for !u.stop.Load() && u.ask() {
				u.answered.Add(1)
			}
		})
	}
	return u
}

// part ends the conversations. It has to be called before the test ends.
func part(all []*users) {
	for _, u := range all {
		u.stop.Store(true)
	}
	for _, u := range all {
		u.wg.Wait()
	}
}

// expect says which targets may answer from now on.
func (u *users) expect(targets ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known = map[string]bool{}
	for _, target := range targets {
		u.known[u.said[target]] = true
	}
	u.changes++
}

// ask makes one request: its answer has to be that of a model that the alias could
// stand for.
func (u *users) ask() bool {
	u.mu.Lock()
	allowed, at := u.known, u.changes
	u.mu.Unlock()
	text, err := u.s.tryAsk(u.alias, asked)
	if !assert.NoError(u.s.t, err, "nothing disturbs those who ask") {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.changes != at { // the alias may have stood for any of them meanwhile
		allowed = map[string]bool{}
		for _, said := range u.said {
			allowed[said] = true
		}
	}
	return assert.True(u.s.t, allowed[text], "%q is not what %s says now", text, u.alias)
}

// more waits for answers to requests that begin from now on.
func (u *users) more() {
	u.s.t.Helper()
	seen := u.answered.Load()
	u.s.wait("more answers", requestTime, func() bool { return u.answered.Load() > seen+2 || u.s.t.Failed() })
}

// An alias that is swapped on one replica is swapped on the other, while users of
// both get the answers of one model or the other, and the old one's no more once
// the swap is seen.
func TestAliasSwapReachesTheOtherReplica(t *testing.T) {
	r := startReplicas(t)
	recipe := r.all[0].call("POST", "/v1/recipes", average("average")).text("id")
	targets := []string{sources[0], sources[1], recipe}
	said := map[string]string{}
	for _, target := range targets {
		said[target] = r.all[0].ask(target, asked)
		require.Equal(t, said[target], r.all[1].ask(target, asked), "each makes the same weights")
	}
	require.NotEqual(t, said[targets[0]], said[targets[1]])

	r.all[0].call("PUT", "/v1/aliases/shared", object{"target": targets[0]})
	r.all[1].wait("the alias", requestTime, func() bool {
		return r.all[1].send("GET", "/v1/aliases/shared", nil).status == http.StatusOK
	})
	both := []*users{talk(r.all[0], "shared", said, 2), talk(r.all[1], "shared", said, 2)}
	defer part(both)
	var delays []time.Duration
	for i := range 24 {
		from, to := targets[i%3], targets[(i+1)%3]
		for _, u := range both {
			u.expect(from, to)
		}
		here, there := r.all[i%2], r.all[1-i%2]
		here.call("PUT", "/v1/aliases/shared", object{"target": to, "if_target": from})
		acknowledged := time.Now()
		for there.target("shared") != to {
			require.Less(t, time.Since(acknowledged), requestTime)
			time.Sleep(time.Millisecond)
		}
		delays = append(delays, time.Since(acknowledged))
		require.Equal(t, to, here.target("shared"), "who swaps sees it")
		for _, u := range both {
			u.expect(to)
		}
		for _, u := range both {
			u.more()
		}
		require.False(t, t.Failed())
	}
	slices.Sort(delays)
	t.Logf("from the acknowledgement of a swap until the other replica shows it: median %v, longest %v", delays[len(delays)/2], delays[len(delays)-1])

	back := r.all[1].call("POST", "/v1/aliases/shared/rollback", object{"if_target": targets[0]})
	require.Equal(t, targets[2], back.text("target"))
	for _, u := range both {
		u.expect(targets[0], targets[2])
	}
	r.all[0].wait("the rollback", requestTime, func() bool { return r.all[0].target("shared") == targets[2] })
}
