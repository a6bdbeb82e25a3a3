package keys

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/require"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/quota"
	"github.com/mergeway/mergeway/store"
)

func openStore(t *testing.T) store.Store {
	t.Helper()
	s, err := store.OpenBolt(filepath.Join(t.TempDir(), "state.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func openRing(t *testing.T, s Store, configured ...Entry) *Ring {
	t.Helper()
	r, err := Open(t.Context(), s, configured, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return r
}

func spec(name string, scopes ...Scope) Spec { return Spec{Name: name, Scopes: scopes} }

func TestLifeOfAKey(t *testing.T) {
	s := openStore(t)
	r := openRing(t, s)
	require.True(t, r.Empty())
	asked := Spec{
		Name: "ci 鍵", Scopes: []Scope{Inference, Search}, Limits: quota.Limits{Requests: 60, Tokens: 1000, Concurrent: 2},
		ExpiresAt: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	made, secret, err := r.Create(t.Context(), asked)
	require.NoError(t, err)
	require.Regexp(t, regexp.MustCompile(`^mw-[a-z2-7]{52}$`), secret)
	require.Regexp(t, regexp.MustCompile(`^key-[0-9a-f]{16}$`), made.ID)
	require.Equal(t, asked, made.Spec)
	require.False(t, r.Empty())

	for _, ring := range []*Ring{r, openRing(t, s)} { // the second has read it back
		found, ok := ring.Find(secret)
		require.True(t, ok)
		require.Equal(t, made, found)
		require.True(t, found.Allows(Inference))
		require.False(t, found.Allows(Manage))
		for _, wrong := range []string{"", "mw-", secret[:len(secret)-1], secret + "a", made.ID, DigestOf(secret).String()} {
			_, ok := ring.Find(wrong)
			require.False(t, ok, wrong)
		}
	}
	records, err := s.ListKeys(t.Context())
	require.NoError(t, err)
	require.NotContains(t, string(records[0].Body), secret[len(secretPrefix):], "it is stored nowhere")

	require.NoError(t, r.Revoke(t.Context(), made.ID))
	_, ok := r.Find(secret)
	require.False(t, ok)
	require.True(t, r.Empty())
	require.Equal(t, fault.NotFound, fault.CodeOf(r.Revoke(t.Context(), made.ID)))
}

func TestSecretsAreNeverTheSame(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret := NewSecret()
		require.False(t, seen[secret])
		seen[secret] = true
	}
}

func TestKeysExpire(t *testing.T) {
	moment := time.Unix(1000, 0)
	k := Key{Spec: Spec{ExpiresAt: moment}}
	require.False(t, k.Expired(moment.Add(-time.Nanosecond)))
	require.True(t, k.Expired(moment))
	require.False(t, Key{}.Expired(moment))
	_, _, err := openRing(t, openStore(t)).Create(t.Context(), Spec{Name: "late", Scopes: []Scope{Search}, ExpiresAt: moment})
	require.Equal(t, fault.Invalid, fault.CodeOf(err))
}

func TestSpecsThatCantBe(t *testing.T) {
	for _, c := range []struct {
		name, param string
		change      func(*Spec)
	}{
		{"no name", "name", func(s *Spec) { s.Name = " " }},
		{"a long name", "name", func(s *Spec) { s.Name = string(make([]byte, MaxName+1)) }},
		{"control characters", "name", func(s *Spec) { s.Name = "a\x1b[2J" }},
		{"no scopes", "scopes", func(s *Spec) { s.Scopes = nil }},
		{"an unknown scope", "scopes", func(s *Spec) { s.Scopes = []Scope{"admin"} }},
		{"a scope twice", "scopes", func(s *Spec) { s.Scopes = []Scope{Search, Search} }},
		{"requests below zero", "limits.requests_per_minute", func(s *Spec) { s.Limits.Requests = -1 }},
		{"tokens beyond all", "limits.tokens_per_minute", func(s *Spec) { s.Limits.Tokens = quota.Max + 1 }},
		{"a negative number at once", "limits.concurrent_requests", func(s *Spec) { s.Limits.Concurrent = -5 }},
		{"the year 10000", "expires_at", func(s *Spec) { s.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := spec("ci", Inference)
			require.NoError(t, s.Check())
			c.change(&s)
			var f *fault.Error
			require.ErrorAs(t, s.Check(), &f)
			require.Equal(t, fault.Invalid, f.Code)
			require.Equal(t, c.param, f.Param)
		})
	}
}

func TestWhatOthersChangeIsNoticed(t *testing.T) {
	addr := "redis://" + miniredis.RunT(t).Addr()
	rings := make([]*Ring, 2)
	for i := range rings {
		s, err := store.OpenRedis(t.Context(), addr)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		rings[i] = openRing(t, s)
		running(t, rings[i])
	}
	k, secret, err := rings[0].Create(t.Context(), spec("shared", Inference))
	require.NoError(t, err)
	found := func() bool { _, ok := rings[1].Find(secret); return ok }
	require.Eventually(t, found, time.Minute, time.Millisecond)
	require.NoError(t, rings[0].Revoke(t.Context(), k.ID))
	require.Eventually(t, func() bool { return !found() }, time.Minute, time.Millisecond)
}

func TestKeysAreKnownWhileTheStoreIsAway(t *testing.T) {
	server := miniredis.RunT(t)
	s, err := store.OpenRedis(t.Context(), "redis://"+server.Addr()+"?max_retries=-1")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	var log bytes.Buffer
	r, err := Open(t.Context(), s, nil, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	_, secret, err := r.Create(t.Context(), spec("ci", Inference))
	require.NoError(t, err)

	server.Close()
	require.Error(t, r.look(t.Context()))
	_, ok := r.Find(secret)
	require.True(t, ok)
	_, err = r.List(t.Context())
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
	_, _, err = r.Create(t.Context(), spec("more", Inference))
	require.Equal(t, fault.Unavailable, fault.CodeOf(err), "what isn't kept isn't given")
	require.Len(t, *r.all.Load(), 1)
	require.NoError(t, server.Restart())
}

func TestLastUseIsToldToTheStore(t *testing.T) {
	s := openStore(t)
	configured, configuredSecret, err := NewEntry(spec("configured", Inference))
	require.NoError(t, err)
	r := openRing(t, s, configured)
	_, secret, err := r.Create(t.Context(), spec("ci", Inference))
	require.NoError(t, err)
	lastUse := func() time.Time {
		records, err := s.ListKeys(t.Context())
		require.NoError(t, err)
		return records[0].UsedAt
	}
	require.Zero(t, lastUse())

	before := time.Now()
	for range 3 {
		r.Find(secret)
		r.Find(configuredSecret)
	}
	listed, err := r.List(t.Context())
	require.NoError(t, err)
	for _, k := range listed {
		require.False(t, k.UsedAt.Before(before), "this process knows before the store does")
	}
	require.Zero(t, lastUse())
	r.tell(t.Context())
	require.False(t, lastUse().Before(before))
	require.Empty(t, r.unsaid, "those of the configuration are nothing to the store")

	r.Find(secret)
	require.Empty(t, r.unsaid, "a minute is exact enough")
	r.note(listed[1].ID, time.Now().Add(2*useGrain))
	require.Len(t, r.unsaid, 1)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Run(ctx) // a server that ends tells the rest
	require.True(t, lastUse().After(before.Add(useGrain)))
}

// running runs a ring until the test ends.
func running(t *testing.T, r *Ring) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func TestBrokenRecordsAreDamaged(t *testing.T) {
	s := openStore(t)
	require.NoError(t, s.PutKey(t.Context(), store.Key{ID: "k", Body: []byte(`{"hash":"md5:00"}`)}))
	_, err := Open(t.Context(), s, nil, slog.Default())
	require.Equal(t, fault.Damaged, fault.CodeOf(err))
}
