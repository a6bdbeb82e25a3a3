package device

import (
	"syscall"
	"unsafe"
)

// madvCollapse is MADV_COLLAPSE, which Linux has since 6.1.
const madvCollapse = 25

// collapse moves memory to pages of 2 MiB, as far as it can. The system wants to be
// asked about whole pages.
func collapse(data []byte) {
	page := syscall.Getpagesize()
	if skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(data)))) & (page - 1); skip < len(data) {
		data = data[skip:]
		data = data[:len(data)&^(page-1)]
		if len(data) > 0 {
			_ = syscall.Madvise(data, madvCollapse)
		}
	}
}
