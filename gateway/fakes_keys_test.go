package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/keys"
	"github.com/mergeway/mergeway/store"
)

// fakeKeyStore is a store of keys in memory.
type fakeKeyStore struct {
	mu   sync.Mutex
	keys []store.Key
	fail error
}

func (f *fakeKeyStore) PutKey(_ context.Context, k store.Key) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, k)
	return f.fail
}

func (f *fakeKeyStore) ListKeys(context.Context) ([]store.Key, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.keys), f.fail
}

func (f *fakeKeyStore) TouchKey(context.Context, string, time.Time) error { return f.fail }

func (f *fakeKeyStore) DeleteKey(_ context.Context, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := slices.IndexFunc(f.keys, func(k store.Key) bool { return k.ID == id })
	if at < 0 {
		return fault.New(fault.NotFound, "there is no key %q", id)
	}
	f.keys = slices.Delete(f.keys, at, at+1)
	return f.fail
}

// newRing is a ring of the keys of a store in memory.
func newRing(t *testing.T, s *fakeKeyStore, configured ...keys.Entry) *keys.Ring {
	t.Helper()
	ring, err := keys.Open(t.Context(), s, configured, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return ring
}

// newKey makes a key on a bench, and gives the header that shows it.
func (b *bench) newKey(s keys.Spec) (keys.Key, string) {
	b.t.Helper()
	if s.Name == "" {
		s.Name = "test"
	}
	k, secret, err := b.gateway.keys.Create(b.t.Context(), s)
	require.NoError(b.t, err)
	return k, secret
}

func bearer(secret string) func(*http.Request) { return header("Authorization", "Bearer "+secret) }
