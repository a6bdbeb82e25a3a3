package storetest

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// refusals tests that what can't be kept is refused by name, and leaves nothing.
func refusals(t *testing.T, open Open) {
	s := open(t)
	ctx := t.Context()
	search := store.Search{ID: "s"}
	require.NoError(t, s.PutSearch(ctx, search))
	putAlias := func(name, target string) error { _, err := s.PutAlias(ctx, name, store.To(target), at(0)); return err }
	recipe := func(r store.Recipe) error { _, err := s.PutRecipe(ctx, r); return err }
	page := func(offset, limit int) error { _, _, err := s.PageTrials(ctx, "s", offset, limit); return err }
	long := strings.Repeat("x", store.MaxKey+1)
	broken := json.RawMessage(`{"cut":`)
	deep := json.RawMessage(strings.Repeat("[", 10000) + strings.Repeat("]", 10000)) // a record around it can't be read
	late := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)                             // RFC 3339 has four digits
	for _, c := range []struct {
		name, param string
		err         error
	}{
		{"recipe without id", "id", recipe(store.Recipe{})},
		{"recipe with a long id", "id", recipe(store.Recipe{ID: long})},
		{"recipe with an id that is not UTF-8", "id", recipe(store.Recipe{ID: "\xff"})},
		{"recipe with a broken body", "body", recipe(store.Recipe{ID: "r", Body: broken})},
		{"recipe with two bodies", "body", recipe(store.Recipe{ID: "r", Body: json.RawMessage(`1 2`)})},
		{"recipe with a body too deep", "body", recipe(store.Recipe{ID: "r", Body: deep})},
		{"recipe of the year 10000", "body", recipe(store.Recipe{ID: "r", CreatedAt: late})},
		{"alias without name", "name", putAlias("", "t")},
		{"alias with a long name", "name", putAlias(long, "t")},
		{"alias with a name that is not UTF-8", "name", putAlias("a\xff", "t")},
		{"alias without target", "target", putAlias("a", "")},
		{"alias with a long target", "target", putAlias("a", long)},
		{"alias with a target that is not UTF-8", "target", putAlias("a", "\xe3\x81")},
		{"key without id", "id", s.PutKey(ctx, store.Key{})},
		{"key with a long id", "id", s.PutKey(ctx, store.Key{ID: long})},
		{"key with a broken body", "body", s.PutKey(ctx, store.Key{ID: "k", Body: broken})},
		{"key of the year 10000", "body", s.PutKey(ctx, store.Key{ID: "k", UsedAt: late})},
		{"search without id", "id", s.PutSearch(ctx, store.Search{})},
		{"search with a long id", "id", s.PutSearch(ctx, store.Search{ID: long})},
		{"search with a broken body", "body", s.PutSearch(ctx, store.Search{ID: "q", Body: broken})},
		{"checkpoint with a broken trial", "body", s.PutSearchWithTrials(ctx, store.Search{ID: "q"}, []store.Trial{{Body: broken}})},
		{"checkpoint with another's trial", "search_id", s.PutSearchWithTrials(ctx, store.Search{ID: "q"}, []store.Trial{{SearchID: "s"}})},
		{"checkpoint with a trial too deep", "body", s.PutSearchWithTrials(ctx, store.Search{ID: "q"}, []store.Trial{{}, {Body: deep}})},
		{"trials of no search", "search_id", s.PutTrials(ctx, "", "", nil)},
		{"trials of another search", "search_id", s.PutTrials(ctx, "s", "", []store.Trial{{SearchID: "q"}})},
		{"trial below zero", "number", s.PutTrials(ctx, "s", "", []store.Trial{{Number: -1}})},
		{"trial beyond exact numbers", "number", s.PutTrials(ctx, "s", "", []store.Trial{{Number: 1<<53 + 1}})},
		{"trial with a broken body", "body", s.PutTrials(ctx, "s", "", []store.Trial{{Body: broken}})},
		{"page before the first", "offset", page(-1, 1)},
		{"page of none", "limit", page(0, 0)},
		{"page of less than none", "limit", page(0, -1)},
		{"response without id", "id", s.PutResponse(ctx, store.Response{ExpiresAt: never}, 1)},
		{"response with a long id", "id", s.PutResponse(ctx, made(long, 0), 1)},
		{"response with a broken body", "body", s.PutResponse(ctx, store.Response{ID: "resp", Body: broken, ExpiresAt: never}, 1)},
		{"response with a body too deep", "body", s.PutResponse(ctx, store.Response{ID: "resp", Body: deep, ExpiresAt: never}, 1)},
		{"response that expires in the year 10000", "body", s.PutResponse(ctx, store.Response{ID: "resp", ExpiresAt: late}, 1)},
		{"response where none may be", "most", s.PutResponse(ctx, made("resp", 0), 0)},
	} {
		t.Run(c.name, func(t *testing.T) { requireInvalid(t, c.param, c.err) })
	}
	search.CreatedAt, search.UpdatedAt = search.CreatedAt.UTC(), search.UpdatedAt.UTC()
	require.Equal(t, contents{
		Recipes: []store.Recipe{}, Aliases: []store.Alias{}, Keys: []store.Key{}, Searches: []store.Search{search}, Trials: map[string][]store.Trial{"s": {}},
	}, read(t, s))
}

// failures tests what a store says when it can't answer.
func failures(t *testing.T, open Open) {
	t.Run("an open store answers", func(t *testing.T) {
		require.NoError(t, open(t).Ping(t.Context()))
	})
	t.Run("a closed store is unavailable, also when closed twice", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Close())
		RequireEveryMethodFails(t, t.Context(), s, fault.Unavailable)
		require.NoError(t, s.Close())
		RequireEveryMethodFails(t, t.Context(), s, fault.Unavailable)
	})
	t.Run("a context that ended is cancelled, and writes nothing", func(t *testing.T) {
		s := open(t)
		before := fill(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		RequireEveryMethodFails(t, ctx, s, fault.Cancelled)
		require.ErrorIs(t, s.Ping(ctx), context.Canceled)
		require.Equal(t, before, read(t, s))
		past, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
		defer cancel()
		RequireEveryMethodFails(t, past, s, fault.Cancelled)
		require.ErrorIs(t, s.Ping(past), context.DeadlineExceeded)
	})
}
