package device

import "github.com/gomlx/gomlx/core/tensors"

// largeTensor is how many bytes a tensor has whose pages matter: below it, few pages
// of 2 MiB would fit in.
const largeTensor = 4 << 20

// UseLargePages asks the operating system to keep tensors in pages of 2 MiB, where it
// can. A product reads a weight from memory faster than its pages of 4 KiB can be
// looked up, above all in a virtual machine, where each look-up is two.
//
// It copies what lies in small pages, so it is for what is read often. That it may be
// refused is no error: nothing but speed depends on it.
func (d *Device) UseLargePages(all ...*tensors.Tensor) {
	if !d.IsCPU() {
		return
	}
	for _, t := range all {
		if t.ByteSize() >= largeTensor {
			_ = t.ConstBytes(collapse) // the device's memory itself, on a CPU
		}
	}
}
