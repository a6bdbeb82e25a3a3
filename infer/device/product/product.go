// Package product is a kernel for the one operation that takes nearly all of a
// language model's time on a processor: few or many rows of activations times a
// large weight, in bfloat16, y = x·weightᵀ. XLA calls it from compiled graphs.
//
// XLA's own kernel reads the weight at half the speed of the memory when there are
// few rows, and makes three quarters of the multiplications that the processor
// could when there are many.
package product

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "handler.h"
#include "kernel.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Target is the name under which compiled graphs call the kernel. Its operands are
// x [..., in] and the weight [out, in], its result is y [..., out]; all bfloat16,
// row after row.
const Target = "mergeway_product"

// Supported tells whether this processor has the instructions (AVX512-BF16) that
// the kernel is made of.
func Supported() bool { return bool(C.product_supported()) }

// Register makes the kernel known to the PJRT plugin that has been loaded from a
// path. Doing so again does nothing.
func Register(plugin string) error {
	path, target := C.CString(plugin), C.CString(Target)
	defer C.free(unsafe.Pointer(path))
	defer C.free(unsafe.Pointer(target))
	if problem := C.product_register(path, target); problem != nil {
		return errors.New(C.GoString(problem))
	}
	return nil
}
