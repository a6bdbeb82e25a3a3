package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
)

func TestLifeOfAKeyOverHTTP(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"root"} })
	root := bearer("root")
	r := b.send("POST", "/v1/keys", `{"name": "ci", "scopes": ["inference"], "limits": {"requests_per_minute": 60}, "expires_at": "2999-01-02T03:04:05.6+01:00"}`, root)
	require.Equal(t, 201, r.status, r.body)
	var made NewAPIKey
	r.into(t, &made)
	require.Equal(t, "/v1/keys/"+made.ID, r.header.Get("Location"))
	require.Equal(t, "api_key", made.Object)
	require.Equal(t, []string{"inference"}, made.Scopes)
	require.Equal(t, KeyLimits{Requests: 60}, made.Limits)
	require.Equal(t, "2999-01-02T02:04:05Z", made.ExpiresAt.Format(time.RFC3339))
	require.Nil(t, made.UsedAt)
	require.NotNil(t, made.CreatedAt)

	require.Equal(t, 200, b.send("POST", chatPath, ask(""), bearer(made.Secret)).status)
	r = b.send("GET", "/v1/keys", "", root)
	require.NotContains(t, r.body, made.Secret)
	var list APIKeyList
	r.into(t, &list)
	require.Len(t, list.Data, 1, "the plain ones are nobody's to see")
	require.NotNil(t, list.Data[0].UsedAt)
	require.False(t, list.Data[0].Configured)

	r = b.send("DELETE", "/v1/keys/"+made.ID, "", root)
	require.Equal(t, 200, r.status)
	require.JSONEq(t, fmt.Sprintf(`{"id": %q, "object": "api_key", "deleted": true}`, made.ID), r.body)
	b.send("POST", chatPath, ask(""), bearer(made.Secret)).requireError(t, 401, "invalid_api_key", "")
	b.send("DELETE", "/v1/keys/"+made.ID, "", root).requireError(t, 404, "not_found", "")
	b.send("DELETE", "/v1/keys/"+strings.Repeat("x", 1000), "", root).requireError(t, 404, "not_found", "")
	require.NotContains(t, b.log.String(), made.Secret)
	require.Contains(t, b.log.String(), "key="+made.ID)
}

func TestKeysThatCantBeMade(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"root"}; o.Limits.Keys = 1 })
	for _, c := range []struct{ body, param string }{
		{`{"scopes": ["inference"]}`, "name"},
		{`{"name": "a"}`, "scopes"},
		{`{"name": "a", "scopes": ["admin"]}`, "scopes"},
		{`{"name": "a", "scopes": ["search"], "limits": {"requests_per_minute": -1}}`, "limits.requests_per_minute"},
		{`{"name": "a", "scopes": ["search"], "limits": {"rpm": 1}}`, "rpm"},
		{`{"name": "a", "scopes": ["search"], "expires_at": "2001-01-01T00:00:00Z"}`, "expires_at"},
		{`{"name": 1}`, "name"},
	} {
		b.send("POST", "/v1/keys", c.body, bearer("root")).requireError(t, 400, "invalid", c.param)
	}
	b.send("POST", "/v1/keys", `{"name": "a", "scopes": ["search"], "expires_at": "soon"}`, bearer("root")).requireError(t, 400, "invalid", "")
	require.Equal(t, 201, b.send("POST", "/v1/keys", `{"name": "a", "scopes": ["search"]}`, bearer("root")).status)
	b.send("POST", "/v1/keys", `{"name": "b", "scopes": ["search"]}`, bearer("root")).requireError(t, 409, "conflict", "")

	b.keys.fail = fault.New(fault.Unavailable, "the store is away")
	b.send("GET", "/v1/keys", "", bearer("root")).requireError(t, 503, "unavailable", "")
	b.send("POST", "/v1/keys", `{"name": "b", "scopes": ["search"]}`, bearer("root")).requireError(t, 503, "unavailable", "")
}

func TestTheFirstKeyClosesTheDoor(t *testing.T) {
	b := newBench(t)
	require.Equal(t, 200, b.send("GET", "/v1/models", "").status)
	b.send("POST", "/v1/keys", `{"name": "ci", "scopes": ["inference"]}`).requireError(t, 400, "invalid", "scopes")
	r := b.send("POST", "/v1/keys", `{"name": "root", "scopes": ["manage"]}`)
	require.Equal(t, 201, r.status, r.body)
	var made NewAPIKey
	r.into(t, &made)
	b.send("GET", "/v1/models", "").requireError(t, 401, "invalid_api_key", "")
	require.Equal(t, 200, b.send("GET", "/v1/models", "", bearer(made.Secret)).status)
	named := func(r *http.Request) { r.Host = "models.example.com" }
	require.Equal(t, 200, b.send("GET", "/healthz", "", named).status, "with keys, any name will do")
	require.Equal(t, 200, b.send("DELETE", "/v1/keys/"+made.ID, "", bearer(made.Secret)).status)
	require.Equal(t, 200, b.send("GET", "/v1/models", "").status)
	require.Equal(t, 403, b.send("GET", "/healthz", "", named).status)
}

func TestExpiredKeysAreRefusedAndStillKeys(t *testing.T) {
	entry, secret, err := keys.NewEntry(keys.Spec{Name: "old", Scopes: keys.Scopes(), ExpiresAt: time.Unix(1_000_000_000, 0).UTC()})
	require.NoError(t, err)
	b := newBench(t, func(o *Options) { o.Keys = newRing(t, &fakeKeyStore{}, entry) })
	e := b.send("GET", "/v1/models", "", bearer(secret)).requireError(t, 401, "invalid_api_key", "")
	require.Contains(t, e.Message, "expired at 2001-09-09")
	b.send("GET", "/v1/models", "").requireError(t, 401, "invalid_api_key", "")
}

func TestKeysOfTheConfigurationStay(t *testing.T) {
	entry, secret, err := keys.NewEntry(keys.Spec{Name: "fixed", Scopes: keys.Scopes()})
	require.NoError(t, err)
	b := newBench(t, func(o *Options) { o.Keys = newRing(t, &fakeKeyStore{}, entry) })
	r := b.send("GET", "/v1/keys", "", bearer(secret))
	var list APIKeyList
	r.into(t, &list)
	require.True(t, list.Data[0].Configured)
	require.Nil(t, list.Data[0].CreatedAt)
	b.send("DELETE", "/v1/keys/"+list.Data[0].ID, "", bearer(secret)).requireError(t, 409, "conflict", "")
}

func TestKeysInAnthropicsHeader(t *testing.T) {
	b := newBench(t, func(o *Options) { o.APIKeys = []string{"root"} })
	require.Equal(t, 200, b.send("GET", "/v1/models", "", header("X-Api-Key", "root")).status)
	b.send("GET", "/v1/models", "", header("X-Api-Key", "wrong")).requireError(t, 401, "invalid_api_key", "")
	b.send("GET", "/v1/models", "", header("X-Api-Key", "root"), bearer("wrong")).requireError(t, 401, "invalid_api_key", "")
}

// Each route's scope is a decision: a new route has to be put here, too.
func TestEveryRouteNeedsItsScope(t *testing.T) {
	const open keys.Scope = "none: no key is needed"
	want := map[string]keys.Scope{
		"GET /": open, "GET /docs": open, "GET /assets/:file": open, "GET /openapi.json": open, "GET /healthz": open, "GET /readyz": open,
		"GET /metrics": anyScope, "GET /v1/tasks": anyScope, "GET /v1/tasks/:name": anyScope, "GET /v1/tasks/:name/preview": keys.Search, "GET /v1/tasks/:name/pictures/*file": keys.Search, "POST /v1/tasks": keys.Search, "DELETE /v1/tasks/:name": keys.Search,
		"POST /v1/chat/completions": keys.Inference, "POST /v1/completions": keys.Inference, "POST /v1/embeddings": keys.Inference,
		"POST /v1/responses": keys.Inference, "GET /v1/responses/:id": keys.Inference, "DELETE /v1/responses/:id": keys.Inference, "GET /v1/responses/:id/input_items": keys.Inference,
		"POST /tokenize": keys.Inference, "POST /detokenize": keys.Inference, "GET /tokenizer_info": keys.Inference, "POST /apply-template": keys.Inference,
		"POST /v1/tokenize": keys.Inference, "POST /v1/detokenize": keys.Inference, "GET /v1/tokenizer_info": keys.Inference, "POST /v1/apply-template": keys.Inference,
		"POST /v1/messages": keys.Inference, "POST /v1/messages/count_tokens": keys.Inference,
		"GET /v1/models": anyScope, "GET /v1/models/*model": anyScope, "POST /v1/models/*model": keys.Manage, "DELETE /v1/models/*model": keys.Manage,
		"GET /v1/recipes": anyScope, "GET /v1/recipes/*id": anyScope, "POST /v1/recipes": keys.Manage, "DELETE /v1/recipes/*id": keys.Manage,
		"POST /v1/recipes/*id": keys.Manage, "GET /v1/exports": keys.Manage, "GET /v1/exports/:id": keys.Manage, "POST /v1/exports/:id/cancel": keys.Manage,
		"GET /v1/aliases": anyScope, "GET /v1/aliases/*name": anyScope, "PUT /v1/aliases/*name": keys.Manage, "POST /v1/aliases/*name": keys.Manage, "DELETE /v1/aliases/*name": keys.Manage,
		"GET /v1/keys": keys.Manage, "POST /v1/keys": keys.Manage, "DELETE /v1/keys/:id": keys.Manage,
		"GET /v1/searches": keys.Search, "POST /v1/searches": keys.Search, "GET /v1/searches/:id": keys.Search, "GET /v1/searches/:id/trials": keys.Search,
		"GET /v1/searches/:id/events": keys.Search, "POST /v1/searches/:id/cancel": keys.Search,
		"GET /v1/workers": keys.Search, "GET /v1/searches/:id/plot.svg": keys.Search,
		"GET /v1/searches/:id/trials/:trial/recipe": keys.Search, "POST /v1/searches/:id/pause": keys.Search, "POST /v1/searches/:id/resume": keys.Search,
		"GET /v1/searches/:id/trials/:trial/samples": keys.Search, "GET /v1/searches/:id/cells": keys.Search,
		"POST /v1/evaluations": keys.Search, "GET /v1/evaluations": keys.Search, "GET /v1/evaluations/:id": keys.Search, "GET /v1/evaluations/:id/samples": keys.Search,
		"GET /v1/evaluations/:id/events": keys.Search, "POST /v1/evaluations/:id/cancel": keys.Search,
		"POST /v1/searches/:id/clone": keys.Search, "POST /v1/searches/:id/promote": keys.Search,
	}
	b := newBench(t)
	secrets := map[keys.Scope]string{}
	for _, scope := range keys.Scopes() {
		_, secrets[scope] = b.newKey(keys.Spec{Scopes: []keys.Scope{scope}})
	}
	b.catalog.entries = nil // nothing is there to be changed
	for _, route := range b.gateway.router.Routes() {
		at := route.Method + " " + route.Path
		needed, known := want[at]
		require.True(t, known, "which scope does %s need?", at)
		path := strings.NewReplacer(":id", "none", "*id", "none", "*model", "none/load", "*name", "none", ":file", "none").Replace(route.Path)
		if needed != open {
			require.Equal(t, 401, b.send(route.Method, path, "").status, at)
		}
		for scope, secret := range secrets {
			r := b.send(route.Method, path, "", bearer(secret))
			if needed == open || needed == anyScope || needed == scope {
				require.NotContains(t, []int{401, 403}, r.status, "%s with %s: %s", at, scope, r.body)
				continue
			}
			if strings.HasPrefix(path, messagesPath) {
				e := r.requireMessageError(t, 403, "permission_error", "")
				require.Contains(t, e.Message, "scope "+string(needed), "%s with %s", at, scope)
				continue
			}
			e := r.requireError(t, 403, "insufficient_scope", "")
			require.Equal(t, "permission_error", e.Type)
			require.Contains(t, e.Message, "scope "+string(needed), "%s with %s", at, scope)
		}
	}
}

func TestOneKeyMayHaveSeveralScopes(t *testing.T) {
	b := newBench(t)
	_, secret := b.newKey(keys.Spec{Scopes: []keys.Scope{keys.Search, keys.Inference}})
	require.Equal(t, 200, b.send("POST", chatPath, ask(""), bearer(secret)).status)
	require.Equal(t, 200, b.send("GET", "/v1/searches", "", bearer(secret)).status)
	b.send("GET", "/v1/keys", "", bearer(secret)).requireError(t, 403, "insufficient_scope", "")
}

// A reply's JSON has null, and not nothing, where there is no time.
func TestTimesOfKeysAreNullWhereThereAreNone(t *testing.T) {
	data, err := json.Marshal(newAPIKey(keys.Key{ID: "key-1", Spec: keys.Spec{Name: "a", Scopes: []keys.Scope{keys.Search}}}))
	require.NoError(t, err)
	require.JSONEq(t, `{"id": "key-1", "object": "api_key", "name": "a", "scopes": ["search"], "limits": {}, "configured": false,
		"created_at": null, "last_used_at": null, "expires_at": null}`, string(data))
}
