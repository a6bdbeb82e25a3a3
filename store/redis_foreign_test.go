package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/redistest"
)

func TestRedisKeysOfAnotherProgramAreDamaged(t *testing.T) {
	keysOfAnotherProgramAreDamaged(t, miniredis.RunT(t).Addr())
}

func TestRedisKeysOfAnotherProgramAreDamagedOnARealServer(t *testing.T) {
	keysOfAnotherProgramAreDamaged(t, redistest.Start(t).Addr)
}

func keysOfAnotherProgramAreDamaged(t *testing.T, addr string) {
	s := openRedis(t, addr)
	other := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	occupy := func(key string) {
		require.NoError(t, other.Del(t.Context(), key).Err())
		require.NoError(t, other.LPush(t.Context(), key, "a list").Err())
	}
	requireDamaged := func(calls map[string]func(ctx context.Context) error) {
		t.Helper()
		for name, call := range calls {
			err := call(t.Context())
			require.Equal(t, fault.Damaged, fault.CodeOf(err), "%s: %v", name, err)
			require.ErrorContains(t, err, "another program", name)
		}
	}
	before := store.Search{ID: "s", State: "before"}
	trials := []store.Trial{{Number: 1}}
	require.NoError(t, s.PutSearch(t.Context(), before))

	occupy("mergeway:trials:s")
	requireDamaged(map[string]func(ctx context.Context) error{
		"PutSearchWithTrials": func(ctx context.Context) error {
			return s.PutSearchWithTrials(ctx, store.Search{ID: "s", State: "after"}, trials)
		},
		"PutTrials":  func(ctx context.Context) error { return s.PutTrials(ctx, "s", "", trials) },
		"ListTrials": func(ctx context.Context) error { _, err := s.ListTrials(ctx, "s"); return err },
	})
	got, err := s.GetSearch(t.Context(), "s")
	require.NoError(t, err)
	require.Equal(t, before.State, got.State, "a checkpoint is written whole or not at all")

	response := store.Response{ID: "r", ExpiresAt: time.Now().Add(time.Hour)}
	occupy("mergeway:response:r")
	requireDamaged(map[string]func(ctx context.Context) error{
		"PutResponse":    func(ctx context.Context) error { return s.PutResponse(ctx, response, 1) },
		"GetResponse":    func(ctx context.Context) error { _, err := s.GetResponse(ctx, "r"); return err },
		"DeleteResponse": func(ctx context.Context) error { return s.DeleteResponse(ctx, "r") },
	})
	require.NoError(t, other.Del(t.Context(), "mergeway:response:r").Err())

	for _, key := range []string{"recipes", "aliases", "keys", "searches", "responses"} {
		occupy("mergeway:" + key)
	}
	requireDamaged(map[string]func(ctx context.Context) error{
		"PutRecipe":    func(ctx context.Context) error { _, err := s.PutRecipe(ctx, store.Recipe{ID: "r"}); return err },
		"GetRecipe":    func(ctx context.Context) error { _, err := s.GetRecipe(ctx, "r"); return err },
		"ListRecipes":  func(ctx context.Context) error { _, err := s.ListRecipes(ctx); return err },
		"DeleteRecipe": func(ctx context.Context) error { return s.DeleteRecipe(ctx, "r") },
		"PutAlias": func(ctx context.Context) error {
			_, err := s.PutAlias(ctx, "a", store.To("r"), time.Unix(1, 0))
			return err
		},
		"ListAliases": func(ctx context.Context) error { _, err := s.ListAliases(ctx); return err },
		"PutKey":      func(ctx context.Context) error { return s.PutKey(ctx, store.Key{ID: "k"}) },
		"ListKeys":    func(ctx context.Context) error { _, err := s.ListKeys(ctx); return err },
		"TouchKey":    func(ctx context.Context) error { return s.TouchKey(ctx, "k", time.Unix(1, 0)) },
		"DeleteKey":   func(ctx context.Context) error { return s.DeleteKey(ctx, "k") },
		"PutSearch":   func(ctx context.Context) error { return s.PutSearch(ctx, before) },
		"GetSearch":   func(ctx context.Context) error { _, err := s.GetSearch(ctx, "s"); return err },
		"checkpoint of a new search": func(ctx context.Context) error {
			return s.PutSearchWithTrials(ctx, store.Search{ID: "new"}, trials)
		},
		"PageTrials":     func(ctx context.Context) error { _, _, err := s.PageTrials(ctx, "s", 0, 1); return err },
		"PutResponse":    func(ctx context.Context) error { return s.PutResponse(ctx, response, 1) },
		"DeleteResponse": func(ctx context.Context) error { return s.DeleteResponse(ctx, "r") },
	})
	left, err := other.Exists(t.Context(), "mergeway:trials:new").Result()
	require.NoError(t, err)
	require.Zero(t, left, "nor are its trials")
	left, err = other.Exists(t.Context(), "mergeway:response:r").Result()
	require.NoError(t, err)
	require.Zero(t, left)
}
