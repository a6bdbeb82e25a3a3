package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/mergeway/mergeway/fault"
)

// Mirror is a [Redis] whose recipes, aliases and keys are also kept in memory, for a
// process that reads them at every request and shares them with others.
//
//   - Reads don't wait for the network, and go on with what is known while Redis is
//     out of reach. Only a recipe that isn't known is looked for in Redis: it may
//     have been made through another Mirror a moment ago.
//   - Writes go to Redis. When one has returned, reads through this Mirror see it;
//     those through others see it when they hear of it, which takes as long as a
//     message does. Should that get lost, two looks at the version tell: it takes
//     twice [MirrorOptions.Interval] then, for as long as Redis can be reached.
//   - Without Redis, these writes fail with fault.Unavailable at once. When it is
//     back, the Mirror catches up by itself.
//   - Should Redis come back with less than it had, because it was not configured
//     to keep what it acknowledged, each Mirror puts back what it knows and Redis
//     doesn't: recipes, which are values; keys and aliases that are missing; and
//     moves of aliases that were forgotten. Aliases that were moved meanwhile stay.
//     A deletion that was forgotten stays undone.
//   - A database with the state of others is never written to: the Mirror goes on
//     serving what it knows, and says so.
//
// Searches, trials and claims are read and written as with Redis alone.
type Mirror struct {
	*Redis
	log      *slog.Logger
	interval time.Duration

	stop     context.CancelFunc // of following
	follower sync.WaitGroup

	mu      sync.RWMutex
	view    *view
	lost    error     // why the view may be behind; nil while it is kept up
	since   time.Time // when that last changed
	closed  bool
	changed func(Change)
}

var _ Store = (*Mirror)(nil)

// MirrorOptions are what a Mirror is made with.
type MirrorOptions struct {
	Logger *slog.Logger // slog.Default if nil
	// Interval is the time between two looks at whether something has changed.
	// Default: 250 ms.
	Interval time.Duration
}

// NewMirror mirrors what is in a Redis, which it closes when it is closed itself,
// or fails.
func NewMirror(ctx context.Context, r *Redis, o MirrorOptions) (*Mirror, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Interval <= 0 {
		o.Interval = 250 * time.Millisecond
	}
	m := &Mirror{Redis: r, log: o.Logger, interval: o.Interval, since: time.Now()}
	var err error
	if m.view, err = r.snapshot(ctx); err != nil {
		_ = r.Close()
		return nil, err
	}
	if m.view.lineage == "" { // it was emptied just now, and will be marked again
		m.view.lineage = r.lineage
	}
	ctx, m.stop = context.WithCancel(context.WithoutCancel(ctx))
	m.follower.Go(func() { m.follow(ctx) })
	return m, nil
}

// OnChange has a function called for everything that others change. It must
// return soon: what comes later waits.
func (m *Mirror) OnChange(tell func(Change)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = tell
}

// Close implements [Store].
func (m *Mirror) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop()
	m.follower.Wait()
	return m.Redis.Close()
}

// MirrorStatus says how a [Mirror] is.
type MirrorStatus struct {
	Lost    error     // why Redis isn't followed; nil if it is
	Since   time.Time // since when that is so
	Version int64     // of the changes all of which are known
}

// Status says how the mirror is.
func (m *Mirror) Status() MirrorStatus {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return MirrorStatus{Lost: m.lost, Since: m.since, Version: m.view.version}
}

// ErrOtherState says that a Redis holds the state of others, with records that
// this process knows nothing of.
var ErrOtherState = fault.New(fault.Unavailable, "Redis holds the state of other gateways now")

// --- reading -------------------------------------------------------------------

// read looks at the view, if the mirror is open and the caller still waits.
func (m *Mirror) read(ctx context.Context, look func(v *view) error) error {
	if err := goOn(ctx); err != nil {
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return errMirrorClosed
	}
	return look(m.view)
}

var errMirrorClosed = fault.New(fault.Unavailable, "the store is closed")

// GetRecipe implements [Store].
func (m *Mirror) GetRecipe(ctx context.Context, id string) (r Recipe, err error) {
	followed := false
	err = m.read(ctx, func(v *view) (err error) {
		followed = m.lost == nil
		r, err = find(v.recipes, kindRecipe, id)
		return err
	})
	if fault.CodeOf(err) != fault.NotFound || !followed {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, missTime)
	defer cancel()
	if fresh, unheard := m.Redis.GetRecipe(ctx, id); unheard == nil {
		return fresh, nil
	}
	return r, err
}

// GetAlias implements [Store].
func (m *Mirror) GetAlias(ctx context.Context, name string) (a Alias, err error) {
	err = m.read(ctx, func(v *view) (err error) { a, err = find(v.aliases, kindAlias, name); return err })
	return a, err
}

func find[T any](records map[string]T, kind, key string) (T, error) {
	record, there := records[key]
	if !there {
		return record, missing(kind, key)
	}
	return record, nil
}

// ListRecipes implements [Store].
func (m *Mirror) ListRecipes(ctx context.Context) (all []Recipe, err error) {
	err = m.change(ctx, func(v *view) error { all = v.sortedRecipes(); return nil })
	return all, err
}

// ListAliases implements [Store].
func (m *Mirror) ListAliases(ctx context.Context) (all []Alias, err error) {
	err = m.change(ctx, func(v *view) error { all = v.sortedAliases(); return nil })
	return all, err
}

// ListKeys implements [Store].
func (m *Mirror) ListKeys(ctx context.Context) (all []Key, err error) {
	err = m.change(ctx, func(v *view) error { all = v.sortedKeys(); return nil })
	return all, err
}

// change is read for who changes the view, if only by sorting it.
func (m *Mirror) change(ctx context.Context, do func(v *view) error) error {
	if err := goOn(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errMirrorClosed
	}
	return do(m.view)
}

// --- writing -------------------------------------------------------------------

// PutRecipe implements [Store].
func (m *Mirror) PutRecipe(ctx context.Context, r Recipe) (kept Recipe, err error) {
	err = m.write(ctx, func(ctx context.Context, lineage string) (n notice, err error) {
		kept, n, err = m.putRecipe(ctx, lineage, r)
		return n, err
	})
	return kept, err
}

// DeleteRecipe implements [Store].
func (m *Mirror) DeleteRecipe(ctx context.Context, id string) error {
	return m.write(ctx, func(ctx context.Context, lineage string) (notice, error) {
		return m.deleteRecipe(ctx, lineage, id)
	})
}

// PutAlias implements [Store].
func (m *Mirror) PutAlias(ctx context.Context, name string, move Move, at time.Time) (alias Alias, err error) {
	err = m.write(ctx, func(ctx context.Context, lineage string) (n notice, err error) {
		alias, n, err = m.putAlias(ctx, lineage, name, move, at)
		return n, err
	})
	return alias, err
}

// DeleteAlias implements [Store].
func (m *Mirror) DeleteAlias(ctx context.Context, name string) error {
	return m.write(ctx, func(ctx context.Context, lineage string) (notice, error) {
		return m.deleteRecord(ctx, lineage, kindAlias, keyAliases, name)
	})
}

// PutKey implements [Store].
func (m *Mirror) PutKey(ctx context.Context, k Key) error {
	return m.write(ctx, func(ctx context.Context, lineage string) (notice, error) { return m.putKey(ctx, lineage, k) })
}

// TouchKey implements [Store].
func (m *Mirror) TouchKey(ctx context.Context, id string, at time.Time) error {
	return m.write(ctx, func(ctx context.Context, lineage string) (notice, error) {
		return m.touchKey(ctx, lineage, id, at)
	})
}

// DeleteKey implements [Store].
func (m *Mirror) DeleteKey(ctx context.Context, id string) error {
	return m.write(ctx, func(ctx context.Context, lineage string) (notice, error) {
		return m.deleteRecord(ctx, lineage, kindKey, keyKeys, id)
	})
}

// write changes Redis and then the view, so that who wrote reads what it wrote.
func (m *Mirror) write(ctx context.Context, do func(ctx context.Context, lineage string) (notice, error)) error {
	var lineage string
	err := m.read(ctx, func(v *view) error {
		lineage = v.lineage
		return m.writable()
	})
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	n, err := do(limited, lineage)
	if limited.Err() != nil && ctx.Err() == nil && err != nil {
		err = fault.Wrap(err, fault.Unavailable, "Redis at %s does not answer: whether it made the change is unknown", m.addr)
	}
	if err != nil || n.version == 0 {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.view.hear(n)
}

// writable says why nothing can be written now. The caller holds the lock.
func (m *Mirror) writable() error {
	if m.lost == nil {
		return nil
	}
	var why *fault.Error
	message := m.lost.Error()
	if errors.As(m.lost, &why) {
		message = why.Message
	}
	return fault.Wrap(m.lost, fault.Unavailable, "what is stored can't be changed now, only used: %s (since %s)",
		message, m.since.UTC().Format(time.RFC3339))
}
