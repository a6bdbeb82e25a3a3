// Package onepass merges tensors in host memory by weighted sums: one pass reads the
// operands once, and writes the result once. It is what a processor with AVX-512 runs
// in place of the graph of package merge, whose results it has, bit for bit: XLA's
// code for the same takes several times as long.
//
// All memory is C's, as that of a device's buffers is.
package onepass

/*
#cgo CFLAGS: -O2
#include "kernel.h"
*/
import "C"

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// MaxSources is how many sources a merge may have.
const MaxSources = C.ONEPASS_SOURCES

// piece is how many entries a thread merges at a time: a fraction of a millisecond.
const piece = 1 << 17

// DType is what the entries of all tensors are.
type DType int

// The dtypes. The results are bfloat16 numbers in either.
const (
	Float32  DType = C.ONEPASS_FLOAT32
	BFloat16 DType = C.ONEPASS_BFLOAT16
)

// size is that of an entry, in bytes.
func (d DType) size() int {
	if d == BFloat16 {
		return 2
	}
	return 4
}

// Keeps says which entries of a source's difference from the base are kept.
type Keeps int

// The ways to choose entries.
const (
	All     Keeps = C.ONEPASS_ALL
	Largest Keeps = C.ONEPASS_LARGEST // up to one pivot, and not up to another
	Drawn   Keeps = C.ONEPASS_DRAWN   // by the generator of package merge
)

// Hears says which of the sources that keep an entry have a say in it.
type Hears int

// The ways to choose sources.
const (
	Everyone    Hears = C.ONEPASS_EVERYONE
	SignOfSum   Hears = C.ONEPASS_SIGN_OF_SUM
	SignOfCount Hears = C.ONEPASS_SIGN_OF_COUNT
)

// Source is one of those that are merged, and what is done with it.
type Source struct {
	Tensor               unsafe.Pointer
	Factor, Vote, Weight float32 // of its difference in the sum, in the election, in the divisor
	Last, Skip           *uint32 // positions of the pivots; nil for none
	Key                  [2]uint32
	Limit                uint32 // the largest draw that is kept
}

// Merge is a merge of one tensor. The result has to lie at a multiple of 64 bytes.
type Merge struct {
	DType      DType
	Keeps      Keeps
	Hears      Hears
	Normalizes bool
	Base       unsafe.Pointer // nil for none
	Result     unsafe.Pointer
	Entries    int
	Sources    []Source
}

// Supported tells whether this processor has what the kernel is made of.
func Supported() bool { return bool(C.onepass_supported()) }

// Run merges, on all processors, and gives the context's error if it ends meanwhile.
// Then the results are worth nothing.
func Run(ctx context.Context, merges []Merge) error {
	prepared := make([]C.struct_onepass_merge, len(merges))
	lengths := make([]int, len(merges))
	for i, m := range merges {
		prepared[i], lengths[i] = m.prepared(), m.Entries
	}
	return inPieces(ctx, lengths, func(_, i, from, to int) {
		C.onepass_run(&prepared[i], C.size_t(from), C.size_t(to))
	})
}

// prepared is the merge as the kernel reads it.
func (m Merge) prepared() C.struct_onepass_merge {
	out := C.struct_onepass_merge{
		dtype: C.enum_onepass_dtype(m.DType), keeps: C.enum_onepass_keeps(m.Keeps), hears: C.enum_onepass_hears(m.Hears),
		normalizes: C.bool(m.Normalizes && m.Hears != Everyone),
		base:       m.Base, y: m.Result, sources: C.int(len(m.Sources)),
	}
	for k, s := range m.Sources {
		to := &out.source[k]
		to.x, to.factor, to.vote, to.weight = s.Tensor, C.float(s.Factor), C.float(s.Vote), C.float(s.Weight)
		to.key, to.limit = [2]C.uint32_t{C.uint32_t(s.Key[0]), C.uint32_t(s.Key[1])}, C.uint32_t(s.Limit)
		sizes := Sizes{DType: m.DType, Base: m.Base, Tensor: s.Tensor, Entries: m.Entries}
		to.last = C.struct_onepass_pivot{position: ^C.uint32_t(0)} // everything
		if s.Last != nil {
			to.last = sizes.pivot(*s.Last)
		}
		if to.skips = C.bool(s.Skip != nil); s.Skip != nil {
			to.skip = sizes.pivot(*s.Skip)
		}
	}
	C.onepass_prepare(&out)
	return out
}

// inPieces calls do for pieces of all lengths, by as many threads as there are
// processors, of which it is told the number: (thread, index of the length, from, to).
func inPieces(ctx context.Context, lengths []int, do func(thread, i, from, to int)) error {
	ends := make([]int64, len(lengths)) // in pieces, of all before and this one
	var total int64
	for i, n := range lengths {
		total += int64((n + piece - 1) / piece)
		ends[i] = total
	}
	var taken atomic.Int64
	work := func(thread int) {
		i := 0
		for ctx.Err() == nil {
			next := taken.Add(1) - 1
			if next >= total {
				return
			}
			for next >= ends[i] {
				i++
			}
			from := (int(next-ends[i]) + (lengths[i]+piece-1)/piece) * piece
			do(thread, i, from, min(from+piece, lengths[i]))
		}
	}
	var others sync.WaitGroup
	for thread := 1; thread < threads() && int64(thread) < total; thread++ {
		others.Go(func() { work(thread) })
	}
	work(0)
	others.Wait()
	return ctx.Err()
}

// threads is how many work at once.
func threads() int { return runtime.GOMAXPROCS(0) }
