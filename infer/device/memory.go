package device

import (
	"sync"

	"github.com/mergeway/mergeway/fault"
)

// Memory is a budget of bytes for all that stays on a device: weights, KV caches,
// saved prefixes and what was made of pictures count against the same number. It
// allocates nothing itself; who allocates reserves first. It is safe for concurrent
// use.
type Memory struct {
	mu      sync.Mutex
	room    *sync.Cond // tells that used or leaving has become less
	total   int64
	used    int64
	leaving int   // those that are being freed and are still counted in used
	kept    int64 // bytes that nobody uses, kept to be used again
	reclaim []func() bool
}

// NewMemory makes a budget of so many bytes.
func NewMemory(total int64) *Memory {
	m := &Memory{total: total}
	m.room = sync.NewCond(&m.mu)
	return m
}

// OnPressure adds a way to make room. It is called without locks while a
// reservation does not fit, may release something that nobody uses, and tells
// whether it did. Those added first are asked first, so what is cheapest to make
// again should be added first.
func (m *Memory) OnPressure(reclaim func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reclaim = append(m.reclaim, reclaim)
}

// Reserve takes bytes from the budget, making room if there is too little. It
// waits for what is being freed already, and for nothing else: what is in use
// may be so for long, and two callers who wait for each other would wait for
// ever. The error is fault.OutOfMemory with the numbers.
func (m *Memory) Reserve(bytes int64) error {
	if bytes > m.total {
		return fault.New(fault.OutOfMemory, "it takes %d bytes, and the budget of this device is %d", bytes, m.total)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.used+m.kept+bytes > m.total {
		if m.makeRoom() {
			continue
		}
		if m.used+m.kept+bytes <= m.total {
			break
		}
		if m.leaving == 0 {
			return fault.New(fault.OutOfMemory, "it takes %d bytes; of the budget of %d all but %d are in use at the moment", bytes, m.total, m.total-m.used)
		}
		m.room.Wait()
	}
	m.used += bytes
	return nil
}

// makeRoom asks those that can for room. The caller holds the lock, which is
// let go of meanwhile.
func (m *Memory) makeRoom() bool {
	ways := m.reclaim
	m.mu.Unlock()
	defer m.mu.Lock()
	for _, reclaim := range ways {
		if reclaim() {
			return true
		}
	}
	return false
}

// Release gives bytes back.
func (m *Memory) Release(bytes int64) { m.Leave()(bytes) }

// Leave says that something is about to be freed; the function that it gives
// must be called with its bytes when it has been. Meanwhile reservations wait
// instead of failing.
func (m *Memory) Leave() func(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaving++
	return func(bytes int64) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.leaving--
		m.used -= bytes
		m.room.Broadcast()
	}
}

// Keep counts bytes beside those in use: of memory that is not given back, so that
// it can be used again soon. Who keeps some gives it up under pressure (see
// [Memory.OnPressure]), or takes it back into use, with the same number below zero.
func (m *Memory) Keep(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept += bytes
	m.room.Broadcast()
}

// Usage gives the budget, and how much of it is taken.
func (m *Memory) Usage() (total, used int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total, m.used
}
