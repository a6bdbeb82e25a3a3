package catalog

import (
	"sync"
	"time"

	"github.com/mergeway/mergeway/infer"
	"github.com/mergeway/mergeway/infer/device"
)

// residents are the models whose weights are on the device or on their way
// there. They share the device's memory with each other and with KV caches; when
// it is short, the least recently used model that nobody holds makes room.
type residents struct {
	memory *device.Memory
	freed  func(*resident) // frees a model that nobody holds; called without the lock

	now func() time.Time

	mu       sync.Mutex
	clock    int64 // counts uses, so that the least recent is known
	byKey    map[string]*resident
	draining map[string]int // models out of the table that somebody still holds
}

func newResidents(memory *device.Memory, now func() time.Time, freed func(*resident)) *residents {
	rs := &residents{memory: memory, now: now, freed: freed, byKey: map[string]*resident{}, draining: map[string]int{}}
	memory.OnPressure(rs.evict)
	return rs
}

// resident is one model.
type resident struct {
	key   string        // empty for a candidate, which is in no table
	done  chan struct{} // closed when it is ready or has failed
	model *infer.Model
	err   error

	// The lock of residents guards what follows.
	bytes   int64
	holders int       // leases, callers that wait for it, and who is making it
	last    int64     // residents.clock at the latest use
	idle    time.Time // when the last holder let go
	pinned  bool      // stays however short memory is
	dropped bool      // out of the table; freed by its last holder
	share   float64   // of it that is made, before it is done
}

// hold gives the resident of a key with one more holder. fresh says that it was
// not there, and that the caller has to make it and settle it; until then that
// is a holder more, for those who wait may all leave.
func (rs *residents) hold(key string) (r *resident, fresh bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.clock++
	if r = rs.byKey[key]; r != nil && !r.failed() {
		r.holders++
		r.last = rs.clock
		return r, false
	}
	r = &resident{key: key, done: make(chan struct{}), holders: 2, last: rs.clock}
	rs.byKey[key] = r
	return r, true
}

// holdReady gives the resident of a key with one more holder if its model is there;
// else nil.
func (rs *residents) holdReady(key string) *resident {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byKey[key]
	if r == nil || r.model == nil {
		return nil
	}
	rs.clock++
	r.holders++
	r.last = rs.clock
	return r
}

// progress notes how much of a resident is made.
func (rs *residents) progress(r *resident, done, total int) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.share = float64(done) / float64(max(total, 1))
}

// candidate is a model that no name leads to, with one holder. Its bytes are
// reserved already.
func (rs *residents) candidate(model *infer.Model, bytes int64) *resident {
	return &resident{model: model, bytes: bytes, holders: 1, dropped: true}
}

// failed reports whether it has been tried in vain. The caller holds the lock.
func (r *resident) failed() bool {
	select {
	case <-r.done:
		return r.err != nil
	default:
		return false
	}
}

// settle ends the making of a fresh resident, for better or worse.
func (rs *residents) settle(r *resident, model *infer.Model, bytes int64, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.model, r.bytes, r.err = model, bytes, err
	close(r.done)
	rs.letGo(r)
}

// release takes one holder away.
func (rs *residents) release(r *resident) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.letGo(r)
}

// letGo is release for who holds the lock.
func (rs *residents) letGo(r *resident) {
	r.holders--
	r.idle = rs.now()
	if r.holders > 0 || !r.dropped {
		return
	}
	rs.drained(r)
	if r.model != nil {
		rs.free(r)
	}
}

// drained notes that nobody holds a dropped resident any more. The caller holds
// the lock.
func (rs *residents) drained(r *resident) {
	if rs.draining[r.key]--; rs.draining[r.key] <= 0 {
		delete(rs.draining, r.key)
	}
}

// evict frees the model that was used the longest ago of those that nobody
// holds; it tells whether there was one.
func (rs *residents) evict() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	idle := rs.leastRecent()
	if idle == nil {
		return false
	}
	rs.forget(idle)
	rs.free(idle)
	return true
}

// leastRecent is the idle model that was used the longest ago; nil if none is
// idle. The caller holds the lock.
func (rs *residents) leastRecent() *resident {
	var oldest *resident
	for _, r := range rs.byKey {
		if r.holders == 0 && r.model != nil && !r.pinned && (oldest == nil || r.last < oldest.last) {
			oldest = r
		}
	}
	return oldest
}

// forget takes a resident out of the table. The caller holds the lock.
func (rs *residents) forget(r *resident) {
	if rs.byKey[r.key] == r {
		delete(rs.byKey, r.key)
	}
	r.dropped = true
}

// free frees a resident that is out of the table and that nobody holds. The
// caller holds the lock, which is let go of meanwhile.
func (rs *residents) free(r *resident) {
	left := rs.memory.Leave()
	rs.mu.Unlock()
	defer rs.mu.Lock()
	rs.freed(r)
	left(r.bytes)
}

// has tells whether a model is here or on its way.
func (rs *residents) has(key string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byKey[key]
	return r != nil && !r.failed()
}

// drop takes a model out of the table; its last holder frees it. It tells whether
// it was there.
func (rs *residents) drop(key string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byKey[key]
	if r == nil {
		return false
	}
	rs.forget(r)
	switch {
	case r.holders > 0:
		rs.draining[key]++
	case r.model != nil:
		rs.free(r)
	}
	return true
}

// pin keeps a model whatever memory others want, or no longer does; it tells
// whether the model is there.
func (rs *residents) pin(key string, pinned bool) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byKey[key]
	if r == nil || r.failed() {
		return false
	}
	r.pinned = pinned
	return true
}

// expire frees the models that nobody has held for so long.
func (rs *residents) expire(ttl time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var old []*resident
	for _, r := range rs.byKey {
		if r.holders == 0 && r.model != nil && !r.pinned && rs.now().Sub(r.idle) >= ttl {
			old = append(old, r)
		}
	}
	for _, r := range old {
		rs.forget(r)
	}
	for _, r := range old {
		rs.free(r)
	}
}

// dropAll drops every model.
func (rs *residents) dropAll() {
	rs.mu.Lock()
	keys := make([]string, 0, len(rs.byKey))
	for key := range rs.byKey {
		keys = append(keys, key)
	}
	rs.mu.Unlock()
	for _, key := range keys {
		rs.drop(key)
	}
}

// count gives the number of models that are ready, and the bytes they take.
func (rs *residents) count() (models int, bytes int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.byKey {
		if r.model != nil {
			if r.model.Weights != nil { // and no vision part
				models++
			}
			bytes += r.bytes
		}
	}
	return models, bytes
}

// ready gives the model of a key if it is there. Its weights are the caller's to
// use only under a hold.
func (rs *residents) ready(key string) *infer.Model {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.byKey[key]; r != nil {
		return r.model
	}
	return nil
}

// describe fills in what a resident says of an entry.
func (rs *residents) describe(key string, e *Entry) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	e.State = Unloaded
	r := rs.byKey[key]
	if r == nil {
		if rs.draining[key] > 0 {
			e.State = Draining
		}
		return
	}
	e.Pinned = r.pinned
	select {
	case <-r.done:
		if r.err != nil {
			e.State, e.Error = Failed, r.err.Error()
			return
		}
		e.State, e.Bytes = Ready, r.bytes
	default:
		e.State, e.Progress = Loading, r.share
	}
}
