package keys

import (
	"context"
	"crypto/subtle"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mergeway/mergeway/fault"
	"github.com/mergeway/mergeway/store"
)

// Store is what a Ring needs of a store.Store.
type Store interface {
	PutKey(ctx context.Context, k store.Key) error
	ListKeys(ctx context.Context) ([]store.Key, error)
	TouchKey(ctx context.Context, id string, at time.Time) error
	DeleteKey(ctx context.Context, id string) error
}

const (
	// lookEvery is how often a Ring looks for what others changed: what is
	// revoked elsewhere is refused here within twice that.
	lookEvery = 500 * time.Millisecond
	// storePatience is how long one look may take.
	storePatience = 2 * time.Second
	// useGrain is how exactly the last use of a key is known.
	useGrain = time.Minute
)

// Ring knows all keys: those of the store and those of the configuration.
type Ring struct {
	store      Store
	log        *slog.Logger
	configured []Key
	all        atomic.Pointer[[]Key]

	changing sync.Mutex // one at a time makes, revokes or looks

	mu     sync.Mutex
	used   map[string]time.Time // the latest use of each key that was noted
	unsaid map[string]bool      // those that the store does not know of yet
}

// Open makes a Ring of the keys that a store has, and of those of a configuration.
func Open(ctx context.Context, s Store, configured []Entry, log *slog.Logger) (*Ring, error) {
	r := &Ring{store: s, log: log, used: map[string]time.Time{}, unsaid: map[string]bool{}}
	for _, e := range configured {
		r.configured = append(r.configured, e.key())
	}
	return r, r.look(ctx)
}

// Run looks for what others change, and tells the store which keys are used,
// until ctx ends.
func (r *Ring) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	blind := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience)
			defer cancel()
			r.tell(last)
			return
		case <-ticker.C:
		}
		err := r.look(ctx)
		switch {
		case err != nil && !blind && ctx.Err() == nil:
			r.log.Warn("the store can't be asked for API keys: those known so far stay as they are", "error", err)
		case err == nil && blind:
			r.log.Info("the store can be asked for API keys again")
		}
		if blind = err != nil; !blind {
			r.tell(ctx)
		}
	}
}

// look reads all keys anew.
func (r *Ring) look(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	records, err := r.store.ListKeys(ctx)
	if err != nil {
		return err
	}
	all := slices.Clone(r.configured)
	for _, record := range records {
		k, err := read(record)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(r.configured, func(c Key) bool { return c.ID == k.ID }) {
			all = append(all, k)
		}
	}
	r.all.Store(&all)
	return nil
}

// Empty tells whether there are no keys at all. Keys that have expired are keys:
// a server does not open its doors because one runs out.
func (r *Ring) Empty() bool { return len(*r.all.Load()) == 0 }

// Find gives the key that somebody shows, and notes that it was used.
func (r *Ring) Find(secret string) (Key, bool) {
	// Digests have one length, and every key is compared to the end: the time
	// taken tells nothing about how near a guess was.
	given, all, found := DigestOf(secret), *r.all.Load(), -1
	for i := range all {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(given[:], all[i].digest[:]), i, found)
	}
	if found < 0 {
		return Key{}, false
	}
	r.note(all[found].ID, time.Now())
	return all[found], true
}

// List gives all keys, those of the configuration first, then the oldest first.
func (r *Ring) List(ctx context.Context) ([]Key, error) {
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	all := slices.Clone(*r.all.Load())
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range all {
		if used := r.used[k.ID]; used.After(k.UsedAt) {
			all[i].UsedAt = used
		}
	}
	return all, nil
}

// Create makes a key and gives it, with its secret, which nobody can find again.
func (r *Ring) Create(ctx context.Context, s Spec) (Key, string, error) {
	now := time.Now().UTC()
	if err := s.Check(); err != nil {
		return Key{}, "", err
	}
	if !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now) {
		return Key{}, "", fault.Bad("expires_at", "expires_at is in the past")
	}
	secret := NewSecret()
	k := Key{ID: DigestOf(secret).id(), Spec: s, CreatedAt: now, digest: DigestOf(secret)}
	record, err := k.record()
	if err != nil {
		return Key{}, "", err
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	if err := r.store.PutKey(ctx, record); err != nil {
		return Key{}, "", err
	}
	all := append(slices.Clone(*r.all.Load()), k)
	r.all.Store(&all)
	return k, secret, nil
}

// Revoke takes a key away. Requests that run with it come to their end.
func (r *Ring) Revoke(ctx context.Context, id string) error {
	if slices.ContainsFunc(r.configured, func(k Key) bool { return k.ID == id }) {
		return fault.New(fault.Conflict, "key %s is part of the configuration: take it out there", id)
	}
	r.changing.Lock()
	defer r.changing.Unlock()
	if err := r.store.DeleteKey(ctx, id); err != nil {
		return err
	}
	all := slices.DeleteFunc(slices.Clone(*r.all.Load()), func(k Key) bool { return k.ID == id })
	r.all.Store(&all)
	return nil
}
