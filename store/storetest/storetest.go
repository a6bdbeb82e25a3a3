package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Open gives an empty store, which the test closes or its cleanup does.
type Open = func(t *testing.T) store.Store

// Run tests a store against the whole contract.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, part := range []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"recipes", recipes},
		{"aliases", aliases},
		{"keys", keys},
		{"searches", searches},
		{"trials", trials},
		{"samples", samples},
		{"documents", documents},
		{"responses", responses},
		{"claims", claims},
		{"records", records},
		{"refusals", refusals},
		{"failures", failures},
		{"concurrency", concurrency},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open) })
	}
}

// RequireAllIsThereAfter fills an empty store, has the same state opened again,
// and wants to find all of it.
func RequireAllIsThereAfter(t *testing.T, s store.Store, reopen func() store.Store) {
	t.Helper()
	want := fill(t, s)
	require.Equal(t, want, read(t, s))
	require.Equal(t, want, read(t, reopen()))
}

// at is a moment some seconds after the beginning of the tests' time. It has
// nanoseconds, which have to come back.
func at(seconds int) time.Time {
	return time.Date(2026, 3, 29, 1, 59, 30, 123456789, time.UTC).Add(time.Duration(seconds) * time.Second)
}

func requireCode(t *testing.T, want fault.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, fault.CodeOf(err), "%v", err)
}

// requireInvalid also wants the field at fault to be named.
func requireInvalid(t *testing.T, param string, err error) {
	t.Helper()
	requireCode(t, fault.Invalid, err)
	var f *fault.Error
	require.True(t, errors.As(err, &f))
	require.Equal(t, param, f.Param, "%v", err)
}

// contents is all that a store holds.
type contents struct {
	Recipes  []store.Recipe
	Aliases  []store.Alias
	Keys     []store.Key
	Searches []store.Search
	Trials   map[string][]store.Trial
	Response store.Response // the one that fill writes
}

// fill writes some of everything and gives what a reader has to find.
func fill(t *testing.T, s store.Store) contents {
	t.Helper()
	ctx := t.Context()
	want := contents{
		Recipes: []store.Recipe{
			{ID: "r1", Name: "算数", Body: []byte(`{"method":"ties"}`), Digest: "sha256:00", CreatedAt: at(1)},
			{ID: "r2", CreatedAt: at(2)},
		},
		Keys: []store.Key{
			{ID: "k1", Body: []byte(`{"name":"ci"}`), CreatedAt: at(1), UsedAt: at(9)},
			{ID: "k2", CreatedAt: at(2)},
		},
		Searches: []store.Search{
			{ID: "s1", State: "running", Body: []byte(`{"generation":3}`), CreatedAt: at(1), UpdatedAt: at(9)},
			{ID: "s2", State: "done", CreatedAt: at(2), UpdatedAt: at(3)},
		},
		Trials: map[string][]store.Trial{
			"s1": {{SearchID: "s1", Number: 0, Body: []byte(`[0]`)}, {SearchID: "s1", Number: 1, Body: []byte(`[1]`)}},
			"s2": {},
		},
		Response: store.Response{ID: "resp", Owner: "o", Body: []byte(`{"output":[]}`), CreatedAt: at(1), ExpiresAt: never},
	}
	require.NoError(t, s.PutResponse(ctx, want.Response, many))
	for _, r := range want.Recipes {
		putRecipe(t, s, r)
	}
	for _, k := range want.Keys {
		require.NoError(t, s.PutKey(ctx, k))
	}
	for i, target := range []string{"r1", "r2"} {
		_, err := s.PutAlias(ctx, "best", store.To(target), at(i))
		require.NoError(t, err)
	}
	want.Aliases = []store.Alias{{Name: "best", Target: "r2", UpdatedAt: at(1), History: []store.AliasChange{{Target: "r1", At: at(0)}}}}
	for _, search := range want.Searches {
		require.NoError(t, s.PutSearchWithTrials(ctx, search, want.Trials[search.ID]))
	}
	return want
}

// read gives all that a store holds.
func read(t *testing.T, s store.Store) contents {
	t.Helper()
	ctx := t.Context()
	got := contents{Trials: map[string][]store.Trial{}}
	var err error
	got.Recipes, err = s.ListRecipes(ctx)
	require.NoError(t, err)
	got.Aliases, err = s.ListAliases(ctx)
	require.NoError(t, err)
	got.Keys, err = s.ListKeys(ctx)
	require.NoError(t, err)
	got.Searches, err = s.ListSearches(ctx)
	require.NoError(t, err)
	for _, search := range got.Searches {
		got.Trials[search.ID], err = s.ListTrials(ctx, search.ID)
		require.NoError(t, err)
	}
	got.Response, err = s.GetResponse(ctx, "resp")
	require.NoError(t, ignoreMissing(err))
	return got
}

// call is a method of a store, called with arguments that are in order.
type call struct {
	name string
	do   func(ctx context.Context, s store.Store) error
}

// putRecipe keeps a recipe that can be kept.
func putRecipe(t *testing.T, s store.Store, r store.Recipe) {
	t.Helper()
	_, err := s.PutRecipe(t.Context(), r)
	require.NoError(t, err)
}

// calls are all methods that can fail because of the store.
func calls() []call {
	return []call{
		{"Ping", func(ctx context.Context, s store.Store) error { return s.Ping(ctx) }},
		{"PutRecipe", func(ctx context.Context, s store.Store) error {
			_, err := s.PutRecipe(ctx, store.Recipe{ID: "r"})
			return err
		}},
		{"GetRecipe", func(ctx context.Context, s store.Store) error { _, err := s.GetRecipe(ctx, "r"); return err }},
		{"ListRecipes", func(ctx context.Context, s store.Store) error { _, err := s.ListRecipes(ctx); return err }},
		{"DeleteRecipe", func(ctx context.Context, s store.Store) error { return s.DeleteRecipe(ctx, "r") }},
		{"PutAlias", func(ctx context.Context, s store.Store) error {
			_, err := s.PutAlias(ctx, "a", store.To("r"), at(0))
			return err
		}},
		{"GetAlias", func(ctx context.Context, s store.Store) error { _, err := s.GetAlias(ctx, "a"); return err }},
		{"ListAliases", func(ctx context.Context, s store.Store) error { _, err := s.ListAliases(ctx); return err }},
		{"DeleteAlias", func(ctx context.Context, s store.Store) error { return s.DeleteAlias(ctx, "a") }},
		{"PutKey", func(ctx context.Context, s store.Store) error { return s.PutKey(ctx, store.Key{ID: "k"}) }},
		{"ListKeys", func(ctx context.Context, s store.Store) error { _, err := s.ListKeys(ctx); return err }},
		{"TouchKey", func(ctx context.Context, s store.Store) error { return s.TouchKey(ctx, "k", at(0)) }},
		{"DeleteKey", func(ctx context.Context, s store.Store) error { return s.DeleteKey(ctx, "k") }},
		{"PutSearch", func(ctx context.Context, s store.Store) error {
			return s.PutSearch(ctx, store.Search{ID: "s"})
		}},
		{"PutSearchWithTrials", func(ctx context.Context, s store.Store) error {
			return s.PutSearchWithTrials(ctx, store.Search{ID: "s"}, []store.Trial{{}})
		}},
		{"GetSearch", func(ctx context.Context, s store.Store) error { _, err := s.GetSearch(ctx, "s"); return err }},
		{"ListSearches", func(ctx context.Context, s store.Store) error { _, err := s.ListSearches(ctx); return err }},
		{"PutTrials", func(ctx context.Context, s store.Store) error {
			return s.PutTrials(ctx, "s", "", []store.Trial{{}})
		}},
		{"ListTrials", func(ctx context.Context, s store.Store) error { _, err := s.ListTrials(ctx, "s"); return err }},
		{"ClaimSearch", func(ctx context.Context, s store.Store) error {
			_, err := s.ClaimSearch(ctx, "s", "o", time.Hour)
			return err
		}},
		{"RenewClaim", func(ctx context.Context, s store.Store) error {
			_, err := s.RenewClaim(ctx, store.Claim{SearchID: "s"}, time.Hour)
			return err
		}},
		{"EndClaim", func(ctx context.Context, s store.Store) error {
			return s.EndClaim(ctx, store.Claim{SearchID: "s"}, false)
		}},
		{"AskOf", func(ctx context.Context, s store.Store) error { return s.AskOf(ctx, "s", store.WishCancel) }},
		{"FreeSearches", func(ctx context.Context, s store.Store) error { _, err := s.FreeSearches(ctx); return err }},
		{"PageTrials", func(ctx context.Context, s store.Store) error {
			_, _, err := s.PageTrials(ctx, "s", 0, 1)
			return err
		}},
		{"TrialSamples", func(ctx context.Context, s store.Store) error { _, err := s.TrialSamples(ctx, "s", 0); return err }},
		{"CreateDocument", func(ctx context.Context, s store.Store) error {
			return s.CreateDocument(ctx, store.Document{Kind: "k", ID: rand.Text()})
		}},
		{"PutDocument", func(ctx context.Context, s store.Store) error {
			return s.PutDocument(ctx, store.Document{Kind: "k", ID: "d"})
		}},
		{"GetDocument", func(ctx context.Context, s store.Store) error { _, err := s.GetDocument(ctx, "k", "d"); return err }},
		{"DocumentData", func(ctx context.Context, s store.Store) error { _, err := s.DocumentData(ctx, "k", "d"); return err }},
		{"ListDocuments", func(ctx context.Context, s store.Store) error { _, err := s.ListDocuments(ctx, "k"); return err }},
		{"DeleteDocument", func(ctx context.Context, s store.Store) error { return s.DeleteDocument(ctx, "k", "d") }},
		{"PutResponse", func(ctx context.Context, s store.Store) error { return s.PutResponse(ctx, made("resp2", 0), many) }},
		{"GetResponse", func(ctx context.Context, s store.Store) error { _, err := s.GetResponse(ctx, "resp"); return err }},
		{"DeleteResponse", func(ctx context.Context, s store.Store) error { return s.DeleteResponse(ctx, "resp") }},
	}
}

// RequireEveryMethodFails calls every method and wants this code from each.
func RequireEveryMethodFails(t *testing.T, ctx context.Context, s store.Store, want fault.Code) {
	t.Helper()
	for _, c := range calls() {
		require.Equal(t, want, fault.CodeOf(c.do(ctx, s)), c.name)
	}
}
