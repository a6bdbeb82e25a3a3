package device

import (
	"syscall"
	"unsafe"
)

// madvCollapse is MADV_COLLAPSE, which Linux has since 6.1.
const madvCollapse = 25

// collapse moves memory to pages of 2 MiB, as far as it can.
func collapse(data []byte) { advise(data, madvCollapse) }

// expect asks for pages of 2 MiB for memory that has not been written to.
func expect(data []byte) { advise(data, syscall.MADV_HUGEPAGE) }

// advise tells the system about the whole pages in data, of which alone it wants to
// be told.
func advise(data []byte, what int) {
	page := syscall.Getpagesize()
	if skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(data)))) & (page - 1); skip < len(data) {
		data = data[skip:]
		data = data[:len(data)&^(page-1)]
		if len(data) > 0 {
			_ = syscall.Madvise(data, what)
		}
	}
}
