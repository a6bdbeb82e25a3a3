package test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store/redistest"
)

// as gives the same server to somebody with another key.
func (s *server) as(key string) *server {
	other := *s
	other.key = key
	return &other
}

// A key is made on the command line while the server runs, and used, limited and
// revoked; another over HTTP outlives the server.
func TestLifeOfAKey(t *testing.T) {
	data := t.TempDir()
	s := start(t, options{data: data})
	addr := strings.TrimPrefix(s.url, "http://")
	key := func(secret string, args ...string) string {
		t.Helper()
		return succeed(t, []string{"MERGEWAY_API_KEY=" + secret}, append([]string{"key"}, append(args, "--data", data, "--addr", addr)...)...)
	}
	s.ask(base, "3+4") // whatever has to be compiled is compiled before anything is counted
	root := strings.TrimSpace(key("", "create", "--name", "root", "--scope", "manage"))
	require.Equal(t, "invalid_api_key", s.refusal(401, "GET", "/v1/models", nil).text("code"))
	ci := strings.TrimSpace(key(root, "create", "--name", "ci", "--scope", "inference", "--rpm", "2"))

	for left := 1; left >= 0; left-- {
		r := s.as(ci).send("POST", "/v1/chat/completions", chatWith(base))
		require.Equal(t, 200, r.status, "%s", r.body)
		require.Equal(t, strconv.Itoa(left), r.header.Get("x-ratelimit-remaining-requests"))
	}
	r := s.as(ci).send("POST", "/v1/chat/completions", chatWith(base))
	require.Equal(t, 429, r.status)
	require.Equal(t, "rate_limit_exceeded", r.object(t).object("error").text("code"))
	wait, err := strconv.Atoi(r.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, wait)

	for _, c := range []struct{ secret, method, path, scope string }{
		{ci, "GET", "/v1/keys", "manage"}, {ci, "GET", "/v1/searches", "search"}, {root, "POST", "/v1/chat/completions", "inference"},
	} {
		refusal := s.as(c.secret).refusal(403, c.method, c.path, object{})
		require.Equal(t, "insufficient_scope", refusal.text("code"))
		require.Equal(t, "permission_error", refusal.text("type"))
		require.Contains(t, refusal.text("message"), "scope "+c.scope)
	}

	made := s.as(root).call("POST", "/v1/keys", object{"name": "tokens", "scopes": []string{"inference"}, "limits": object{"tokens_per_minute": 5}})
	s.as(made.text("secret")).call("POST", "/v1/chat/completions", chatWith(base))
	s.wait("the tokens to be counted", requestTime, func() bool {
		return s.as(made.text("secret")).send("POST", "/v1/chat/completions", chatWith(base)).status == 429
	})

	table := key(root, "list")
	require.NotContains(t, table, ci)
	require.Regexp(t, `(?m)^key-\S+ +ci +inference +2 +- +- +20\S+ \S+ +20`, table, "made and used")
	key(root, "revoke", "ci")
	s.as(ci).refusal(401, "GET", "/v1/models", nil)
	require.Zero(t, s.stop())

	// Without a server, the file is asked; what was known is still known.
	require.Regexp(t, `(?m)^key-\S+ +tokens +inference +- +5 +- +20\S+ \S+ +20`, key("", "list"))
	s = start(t, options{data: data})
	s.as(root).call("GET", "/v1/keys", nil)
	s.refusal(401, "GET", "/v1/models", nil)
}

func TestKeysOfTheConfigurationFile(t *testing.T) {
	entry := succeed(t, nil, "key", "create", "--name", "web", "--scope", "inference,manage", "--for-config")
	first, _, _ := strings.Cut(entry, "\n")
	secret := first[strings.LastIndex(first, " ")+1:]
	s := start(t, options{args: []string{"--config", configFile(t, entry)}})
	s.refusal(401, "GET", "/v1/models", nil)
	listed := s.as(secret).call("GET", "/v1/keys", nil).list("data")
	require.Len(t, listed, 1)
	require.Equal(t, true, listed[0]["configured"])
	s.as(secret).call("POST", "/v1/chat/completions", chatWith(base))
	s.as(secret).refusal(409, "DELETE", "/v1/keys/"+listed[0].text("id"), nil)
}

// Gateways on one Redis share keys and what was counted for them, and each goes on
// by itself while Redis is away.
func TestReplicasShareKeysAndLimits(t *testing.T) {
	redis := redistest.Start(t)
	o := options{args: []string{"--redis", "redis://" + redis.Addr + "/0", "--api-keys", "root"}}
	one, two := start(t, o), start(t, o)
	made := one.as("root").call("POST", "/v1/keys", object{"name": "shared", "scopes": []string{"inference"}, "limits": object{"requests_per_minute": 4}})
	secret := made.text("secret")
	two.wait("the key on the other gateway", requestTime, func() bool { return two.as(secret).send("GET", "/v1/models", nil).status == 200 })
	for _, s := range []*server{one, two} { // whatever has to be compiled is compiled before anything is counted
		s.as("root").ask(base, "3+4")
	}
	for i, s := range []*server{one, two, two, one} {
		r := s.as(secret).send("POST", "/v1/chat/completions", chatWith(base))
		require.Equal(t, 200, r.status, "%s", r.body)
		require.Equal(t, strconv.Itoa(3-i), r.header.Get("x-ratelimit-remaining-requests"))
	}
	for _, s := range []*server{one, two} {
		s.as(secret).refusal(429, "POST", "/v1/chat/completions", chatWith(base))
	}

	redis.Kill()
	for left := 3; left >= 0; left-- { // each has a bucket of its own now
		r := one.as(secret).send("POST", "/v1/chat/completions", chatWith(base))
		require.Equal(t, 200, r.status, "%s", r.body)
		require.Equal(t, strconv.Itoa(left), r.header.Get("x-ratelimit-remaining-requests"))
	}
	one.as(secret).refusal(429, "POST", "/v1/chat/completions", chatWith(base))

	redis.Restart(t)
	one.wait("Redis to be asked again", requestTime, func() bool {
		return one.as("root").send("DELETE", "/v1/keys/"+made.text("id"), nil).status == 200
	})
	began := time.Now()
	two.wait("the key to be revoked on the other gateway", requestTime, func() bool { return two.as(secret).send("GET", "/v1/models", nil).status == 401 })
	t.Logf("revoked on the other gateway after %v", time.Since(began))
}
