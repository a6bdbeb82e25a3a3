package device

import "github.com/gomlx/gomlx/core/tensors"

// Free gives tensors back to the device. Those that are nil or already given
// away are passed over. The error is of no use to anyone: the buffer is either
// freed or was never there.
func Free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil && t.Ok() {
			_ = t.FinalizeAll()
		}
	}
}
