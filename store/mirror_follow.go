package store

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// Bounds of patience with Redis.
const (
	writeTime = 5 * time.Second       // for a change
	lookTime  = 2 * time.Second       // for a small answer
	missTime  = time.Second           // for one that a request waits for
	loadTime  = 20 * time.Second      // for all that is mirrored
	maxResume = time.Second           // the longest pause before Redis is tried again
	minResume = 50 * time.Millisecond // the first
)

// follow keeps the view up with Redis until ctx ends.
func (m *Mirror) follow(ctx context.Context) {
	pause := minResume
	for ctx.Err() == nil {
		err := m.listen(ctx, func() { pause = minResume })
		if ctx.Err() != nil {
			return
		}
		m.lose(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, maxResume)
	}
}

// listen catches up, and then hears of changes until the connection breaks. What
// changes between the two is heard of, for it subscribes first.
func (m *Mirror) listen(ctx context.Context, connected func()) error {
	subscription := m.client.Subscribe(ctx, m.channel)
	defer subscription.Close()
	defer context.AfterFunc(ctx, func() { _ = subscription.Close() })()   // wakes the reader
	if _, err := subscription.ReceiveTimeout(ctx, lookTime); err != nil { // that it is one
		return m.fault(ctx, err)
	}
	if err := m.catchUp(ctx); err != nil {
		return err
	}
	m.regain()
	connected()
	looked, heard := time.Now(), int64(0)
	for {
		message, err := subscription.ReceiveTimeout(ctx, m.interval)
		var network net.Error
		if err != nil && !(errors.As(err, &network) && network.Timeout()) {
			return m.fault(ctx, err)
		}
		if message, ok := message.(*redis.Message); ok {
			if err := m.take(ctx, message.Payload); err != nil {
				return err
			}
		}
		if time.Since(looked) >= m.interval {
			if heard, err = m.look(ctx, heard); err != nil {
				return err
			}
			looked = time.Now()
		}
	}
}

// take takes in a notice.
func (m *Mirror) take(ctx context.Context, text string) error {
	n, err := parseNotice(text)
	if err != nil {
		return err
	}
	if n.kind == kindAll {
		return m.catchUp(ctx)
	}
	m.mu.Lock()
	before := m.view.target(n)
	err = m.view.hear(n)
	after := m.view.target(n)
	tell := m.changed
	m.mu.Unlock()
	if c, worthTelling := changeOf(n, before, after); worthTelling && n.by != m.name && err == nil && tell != nil {
		tell(c)
	}
	return err
}

// look asks Redis for the version, and gives it. Everything up to the version of the
// look before, due, has to have been heard of: if not, a message was lost.
func (m *Mirror) look(ctx context.Context, due int64) (version int64, err error) {
	known := m.known() // before the question: what is there can't be older then
	short, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	there, err := m.where(short)
	if err != nil {
		return 0, err
	}
	if there.follows(known) && m.known().version >= due {
		return there.version, nil
	}
	return there.version, m.catchUp(ctx)
}

// known is the state that the view is complete to.
func (m *Mirror) known() meta {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.view.meta
}

// catchUp makes the view what Redis has, after putting back what Redis has lost.
func (m *Mirror) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTime)
	defer cancel()
	for {
		known := m.known() // before the snapshot, which can't be older then
		there, err := m.snapshot(ctx)
		if err != nil {
			return err
		}
		if there.follows(known) {
			return m.adopt(there, known)
		}
		lost, err := m.putBack(ctx, known, there)
		if err != nil {
			return err
		}
		if !lost {
			return m.adopt(there, known)
		}
	}
}

// putBack finds out what a database lacks that has come to hold something else
// than the state that was known, and puts it there. It tells whether there was
// anything, so that the database has to be read again.
func (m *Mirror) putBack(ctx context.Context, known meta, there *view) (bool, error) {
	m.mu.Lock()
	lost := m.view.missedIn(there)
	m.mu.Unlock()
	switch {
	case there.lineage == "": // it was emptied, and has to be marked as ours again
	case lost.len() == 0:
		return false, nil
	case there.lineage != known.lineage && !there.empty():
		return false, ErrOtherState
	}
	next := meta{known.lineage, max(known.epoch, there.epoch) + 1, max(known.version, there.version) + 1}
	restored, err := m.restore(ctx, there.meta, next, lost)
	if restored {
		m.log.Warn("Redis had lost state, which was put back", "recipes", len(lost.recipes), "aliases", len(lost.aliases), "keys", len(lost.keys))
	}
	return true, err // if not restored, it was changed meanwhile
}

// adopt makes the view what a snapshot says that was made after known, and tells
// what others have changed.
func (m *Mirror) adopt(there *view, known meta) error {
	m.mu.Lock()
	old := m.view
	if there.follows(known) {
		if there.version <= old.version { // what was written through this Mirror is newer
			m.mu.Unlock()
			return nil
		}
		if err := there.carryOver(old); err != nil {
			m.mu.Unlock()
			return err
		}
	}
	m.view = there
	changes, tell := old.changesTo(there), m.changed
	m.mu.Unlock()
	if tell != nil {
		for _, c := range changes {
			tell(c)
		}
	}
	return nil
}

// lose notes that the view can't be kept up.
func (m *Mirror) lose(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost == nil {
		m.since = time.Now()
		m.log.Warn("Redis is not followed: what is known is served, and nothing can be changed", "error", err)
	}
	m.lost = err
}

// regain notes that the view is kept up again.
func (m *Mirror) regain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lost != nil {
		m.log.Info("Redis is followed again", "after", time.Since(m.since).Round(time.Millisecond), "version", m.view.version)
		m.lost, m.since = nil, time.Now()
	}
}
