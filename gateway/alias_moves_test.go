package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/catalog"
)

func ifMatch(tag string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("If-Match", tag) }
}

// moved sends a move that has to be made, and gives the alias and its tag.
func (b *bench) moved(method, path, body string, change ...func(*http.Request)) (a Alias, tag string) {
	b.t.Helper()
	r := b.send(method, path, body, change...)
	require.Equal(b.t, http.StatusOK, r.status, r.body)
	r.into(b.t, &a)
	require.Regexp(b.t, `^"[0-9a-f]{16}"$`, r.header.Get("ETag"))
	return a, r.header.Get("ETag")
}

func TestAnAliasIsMovedOnlyFromWhereItShouldBe(t *testing.T) {
	b := newBench(t)
	const path = "/v1/aliases/prod"
	to := func(target, from string) string { return `{"target": "` + target + `", "if_target": "` + from + `"}` }
	e := b.send("PUT", path, to("base", "broken")).requireError(t, 409, "conflict", "if_target")
	require.Contains(t, e.Message, `there is no "prod"`)
	b.moved("PUT", path, to("base", ""))
	b.send("PUT", path, to("broken", "")).requireError(t, 409, "conflict", "if_target")
	e = b.send("PUT", path, to("broken", "org/model")).requireError(t, 409, "conflict", "if_target")
	require.Contains(t, e.Message, `stands for "base" now`)
	a, _ := b.moved("PUT", path, to("broken", "base"))
	require.Equal(t, "broken", a.Target)
	b.moved("PUT", path, `{"target": "base", "if_target": null}`)
	b.send("PUT", path, `{"target": "base", "if_target": 5}`).requireError(t, 400, "invalid", "if_target")
	b.send("PUT", path, to("base", strings.Repeat("x", 257))).requireError(t, 400, "invalid", "if_target")
}

func TestAnAliasIsMovedOnlyFromTheStateThatWasRead(t *testing.T) {
	b := newBench(t)
	const path, move = "/v1/aliases/prod", `{"target": "broken"}`
	b.send("PUT", path, move, ifMatch(`*`)).requireError(t, 412, "precondition_failed", "If-Match")
	_, made := b.moved("PUT", path, `{"target": "base"}`)
	require.Equal(t, made, b.send("GET", path, "").header.Get("ETag"))
	_, next := b.moved("PUT", path, move, ifMatch(`"0123", `+made))
	require.NotEqual(t, made, next)
	e := b.send("PUT", path, `{"target": "base"}`, ifMatch(made)).requireError(t, 412, "precondition_failed", "If-Match")
	require.Contains(t, e.Message, `stands for "broken" now`)
	require.Contains(t, e.Message, next)
	_, back := b.moved("PUT", path, `{"target": "base"}`, ifMatch("*"))
	require.NotEqual(t, made, back, "the same target, but not the same state")
	b.send("PUT", path, move, ifMatch("W/"+back)).requireError(t, 412, "precondition_failed", "If-Match")
	for _, tag := range []string{`prod`, `"`, `"a", b`, strings.Repeat(`"a",`, 16) + `"a"`} {
		b.send("PUT", path, move, ifMatch(tag)).requireError(t, 400, "invalid", "If-Match")
	}
}

func TestAnAliasIsRolledBack(t *testing.T) {
	b := newBench(t)
	const path = "/v1/aliases/team/prod"
	for _, target := range []string{"org/model", "broken", "base"} {
		b.moved("PUT", path, `{"target": "`+target+`"}`)
	}
	_, tag := b.moved("POST", path+"/rollback", "")
	a, _ := b.moved("POST", path+"/rollback", `{"if_target": "broken"}`, ifMatch(tag))
	require.Equal(t, "base", a.Target)
	require.Len(t, a.History, 4)
	a, _ = b.moved("POST", path+"/rollback", `{"steps": 4}`)
	require.Equal(t, "org/model", a.Target)
	a, _ = b.moved("POST", path+"/rollback", `{"to": "broken"}`)
	require.Equal(t, "broken", a.Target)
	require.Equal(t, []catalog.Rollback{{}, {}, {Steps: 4}, {Target: "broken"}}, b.catalog.rollbacks)

	b.send("POST", path+"/rollback", `{"if_target": "base"}`).requireError(t, 409, "conflict", "if_target")
	b.send("POST", path+"/rollback", `{}`, ifMatch(tag)).requireError(t, 412, "precondition_failed", "If-Match")
	b.send("POST", "/v1/aliases/none/rollback", "").requireError(t, 404, "not_found", "")
	for _, c := range []struct{ path, body, param string }{
		{path, "", "name"},
		{path + "/rollforward", "", "name"},
		{"/v1/aliases/" + strings.Repeat("x", 257) + "/rollback", "", "name"},
		{path + "/rollback", `{"steps": 0}`, "steps"},
		{path + "/rollback", `{"steps": 33}`, "steps"},
		{path + "/rollback", `{"steps": 1.5}`, "steps"},
		{path + "/rollback", `{"steps": 1, "to": "base"}`, "steps"},
		{path + "/rollback", `{"to": "` + strings.Repeat("x", 257) + `"}`, "to"},
		{path + "/rollback", `{"target": "base"}`, "target"},
		{path + "/rollback", `[]`, ""},
	} {
		b.send("POST", c.path, c.body).requireError(t, 400, "invalid", c.param)
	}
	b.send("POST", "/v1/aliases", "").requireError(t, 405, "method_not_allowed", "")
}
