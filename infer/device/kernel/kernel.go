// Package kernel holds kernels for what a language model does in bfloat16 on a
// processor: products with weights, few or many rows at a time, attention over a KV
// cache, and norms. XLA calls them from compiled graphs.
//
// XLA's own reads a weight at half the speed of the memory when there are few rows,
// makes three quarters of the multiplications that the processor could when there are
// many, and between products copies what need not be copied.
package kernel

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "attention.h"
#include "handlers.h"
#include "product.h"
*/
import "C"

import (
	"errors"
	"unsafe"
)

// The names under which compiled graphs call the kernels. All operands and results
// are row after row, and bfloat16 unless it says otherwise.
const (
	// Product multiplies x [..., in] with up to [MostWeights] weights [out, in], whose
	// columns lie side by side in the result [..., sum of out].
	Product = "mergeway_product"
	// ProductAdded adds a third operand to the product of x with one weight.
	ProductAdded = "mergeway_product_added"
	// ProductSiLU and ProductGELU multiply act(x · gateᵀ) with x · upᵀ, element by
	// element; the operands are x, gate and up.
	ProductSiLU = "mergeway_product_silu"
	ProductGELU = "mergeway_product_gelu"
	// Attention of q [B, T, H, E] over keys and values [B, K, C, E], with start int32
	// [B] and column int32, and float32 [3]: scale, cap and window. E is [MostWidth]
	// at most.
	Attention = "mergeway_attention"
	// Norm is RMSNorm of x [..., D] with a weight [D], and float32 [2]: epsilon and the
	// offset of weights.
	Norm = "mergeway_norm"
)

const (
	// MostWeights is how many weights one product has at most.
	MostWeights = C.PRODUCT_WEIGHTS
	// MostWidth is how wide a head of attention is at most.
	MostWidth = C.ATTENTION_WIDTH
)

// Supported tells whether this processor has the instructions (AVX512-BF16) that
// the kernels are made of.
func Supported() bool { return bool(C.kernels_supported()) }

// Register makes the kernels known to the PJRT plugin that has been loaded from a
// path. Doing so again does nothing.
func Register(plugin string) error {
	path := C.CString(plugin)
	defer C.free(unsafe.Pointer(path))
	if problem := C.kernels_register(path); problem != nil {
		return errors.New(C.GoString(problem))
	}
	return nil
}
