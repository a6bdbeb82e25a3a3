package gateway

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/search"
)

const someSearch = `{"task": "ja-math", "base": "base", "sources": ["a"], "trials": 60}`

func TestASearchKnowsWhoseKeyAskedForIt(t *testing.T) {
	b := newBench(t)
	var got Search
	b.send("POST", "/v1/searches", someSearch).into(t, &got)
	require.Empty(t, got.Key)
	k, secret := b.newKey(keys.Spec{Scopes: []keys.Scope{keys.Search}})
	b.send("POST", "/v1/searches", someSearch, bearer(secret)).into(t, &got)
	require.Equal(t, k.ID, got.Key)
	b.send("POST", "/v1/searches/search-1/clone", "", bearer(secret)).into(t, &got)
	require.Equal(t, k.ID, got.Key)
}

func TestAKeyHasSoManySearches(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeySearches = 1 })
	_, secret := b.newKey(keys.Spec{Scopes: []keys.Scope{keys.Search}})
	_, other := b.newKey(keys.Spec{Scopes: []keys.Scope{keys.Search}})
	require.Equal(t, 201, b.send("POST", "/v1/searches", someSearch, bearer(secret)).status)
	for _, path := range []string{"/v1/searches", "/v1/searches/search-1/clone"} {
		r := b.send("POST", path, someSearch, bearer(secret))
		r.requireError(t, 429, string(rateLimited), "")
		require.Equal(t, "60", r.header.Get("Retry-After"))
	}
	require.Equal(t, 201, b.send("POST", "/v1/searches", someSearch, bearer(other)).status, "which is another's business")
}

func TestAKeyHasSoManyTrialsADay(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Limits.KeyTrials = 100 })
	_, secret := b.newKey(keys.Spec{Scopes: []keys.Scope{keys.Search}})
	b.send("POST", "/v1/searches", `{"task": "ja-math", "base": "base", "sources": ["a"], "trials": 101}`, bearer(secret)).requireError(t, 400, "invalid", "trials")
	b.searches.search.CreatedAt = time.Now().Add(-time.Hour)
	require.Equal(t, 201, b.send("POST", "/v1/searches", someSearch, bearer(secret)).status)
	r := b.send("POST", "/v1/searches", someSearch, bearer(secret))
	r.requireError(t, 429, string(rateLimited), "trials")
	wait, err := strconv.Atoi(r.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Positive(t, wait)
	require.LessOrEqual(t, wait, 23*60*60)
}

func TestHowTrialsAreCounted(t *testing.T) {
	now := epoch
	one := func(ago time.Duration, state search.State, planned, done int) search.Search {
		return search.Search{State: state, CreatedAt: now.Add(-ago), Spec: search.Spec{Trials: planned}, Progress: search.Progress{Trials: done}}
	}
	chained := one(time.Hour, search.Running, 40, 0)
	chained.Spec.Then = &search.Spec{Trials: 30}
	followed := chained
	followed.Next = "search-2"
	for name, c := range map[string]struct {
		had   []search.Search
		retry time.Duration // 0: it may
	}{
		"nothing":                             {nil, 0},
		"what has ended counts as done":       {[]search.Search{one(time.Hour, search.Done, 90, 40)}, 0},
		"what runs counts as planned":         {[]search.Search{one(time.Hour, search.Running, 90, 10)}, 23 * time.Hour},
		"with what follows":                   {[]search.Search{chained}, 23 * time.Hour},
		"unless that counts for itself":       {[]search.Search{followed}, 0},
		"yesterday's is forgotten":            {[]search.Search{one(24*time.Hour, search.Done, 90, 90)}, 0},
		"the oldest goes first":               {[]search.Search{one(time.Hour, search.Done, 30, 30), one(20*time.Hour, search.Done, 30, 30)}, 4 * time.Hour},
		"two have to go before there is room": {[]search.Search{one(time.Hour, search.Done, 10, 10), one(20*time.Hour, search.Done, 10, 10), one(2*time.Hour, search.Done, 80, 80)}, 22 * time.Hour},
	} {
		retry, err := Limits{KeySearches: 9, KeyTrials: 100}.searchQuota(c.had, 60, now)
		require.Equal(t, c.retry, retry, name)
		if c.retry > 0 {
			require.Equal(t, rateLimited, fault.CodeOf(err), name)
		} else {
			require.NoError(t, err, name)
		}
	}
}
