package store_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/store"
	"github.com/mergeway/mergeway/store/redistest"
)

// What a request pays to find out what an alias stands for.
func BenchmarkGetAlias(b *testing.B) {
	redis := "redis://" + redistest.Start(b).Addr
	for _, c := range []struct {
		name string
		open func() (store.Store, error)
	}{
		{"embedded", func() (store.Store, error) { return store.OpenBolt(filepath.Join(b.TempDir(), "state.db")) }},
		{"Redis", func() (store.Store, error) { return store.OpenRedis(b.Context(), redis) }},
		{"mirrored", func() (store.Store, error) {
			r, err := store.OpenRedis(b.Context(), redis)
			if err != nil {
				return nil, err
			}
			return store.NewMirror(b.Context(), r, store.MirrorOptions{Logger: slog.New(slog.DiscardHandler)})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := c.open()
			require.NoError(b, err)
			defer s.Close()
			_, err = s.PutAlias(b.Context(), "a", store.To("x"), time.Now())
			require.NoError(b, err)
			for b.Loop() {
				if _, err := s.GetAlias(b.Context(), "a"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
