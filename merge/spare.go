package merge

import (
	"sync"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/infer/device"
)

// spare keeps the memory of one merged model that has been freed for the next one
// that the kernel makes. For the system to clear new pages takes longer than to merge.
type spare struct {
	mu     sync.Mutex
	memory *device.Memory // nil: nothing is kept
	free   pile
}

// KeepSpare lets the executor keep the memory of the merged model that was freed last,
// for the next one. It is counted against the budget, and given up when that has no
// room for something else. To be called before the first merge.
func (x *Executor) KeepSpare(memory *device.Memory) {
	x.spare.memory = memory
	memory.OnPressure(x.spare.drop)
}

// keep takes over the tensors of a model, in place of those that it has.
func (s *spare) keep(all []*tensors.Tensor) bool {
	s.drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		return false
	}
	for _, t := range all {
		if t.Ok() {
			s.free = append(s.free, t)
			s.memory.Keep(t.ByteSize())
		}
	}
	return true
}

// take gives a tensor of a shape, if there is one.
func (s *spare) take(shape shapes.Shape) (*tensors.Tensor, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.free.take(shape)
	if ok {
		s.memory.Keep(-t.ByteSize())
	}
	return t, ok
}

// drop frees what there is, and tells whether there was anything.
func (s *spare) drop() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dropped := len(s.free) > 0
	for _, t := range s.free {
		bytes := t.ByteSize()
		device.Free(t)
		s.memory.Keep(-bytes)
	}
	s.free = nil
	return dropped
}

// close frees what there is, and keeps nothing from now on.
func (s *spare) close() {
	s.drop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = nil
}

// pile are tensors that may be written over.
type pile []*tensors.Tensor

// take gives a tensor of a shape, if there is one.
func (p *pile) take(shape shapes.Shape) (*tensors.Tensor, bool) {
	for i, t := range *p {
		if t.Shape().Equal(shape) {
			*p = append((*p)[:i], (*p)[i+1:]...)
			return t, true
		}
	}
	return nil, false
}
