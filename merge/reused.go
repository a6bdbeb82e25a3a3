package merge

import (
	"sync"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/mergeway/mergeway/infer/device"
)

// reused are merged tensors that are in a file by now: the next block's are merged
// into the same memory. An export then takes new pages for its first blocks alone;
// for the system to clear them takes longer than to merge.
type reused struct {
	mu   sync.Mutex
	free pile
	done bool
}

// put gives a tensor away.
func (w *reused) put(t *tensors.Tensor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		device.Free(t)
		return
	}
	w.free = append(w.free, t)
}

// take gives a tensor of a shape, if there is one.
func (w *reused) take(shape shapes.Shape) (*tensors.Tensor, bool) {
	if w == nil {
		return nil, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.free.take(shape)
}

// close frees what there is, and what is put from now on.
func (w *reused) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
	device.Free(w.free...)
	w.free = nil
}
