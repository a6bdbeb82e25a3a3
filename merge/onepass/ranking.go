package onepass

/*
#include "kernel.h"
*/
import "C"

import (
	"context"
	"slices"
	"sync"
	"unsafe"
)

// Sizes are the sizes of the entries of a tensor's difference from a base.
type Sizes struct {
	DType        DType
	Base, Tensor unsafe.Pointer
	Entries      int
}

// c is what the kernel reads.
func (s Sizes) c() C.struct_onepass_sizes {
	return C.struct_onepass_sizes{dtype: C.enum_onepass_dtype(s.DType), base: s.Base, x: s.Tensor}
}

// pivot is the entry at a position, with the bits of its size.
func (s Sizes) pivot(position uint32) C.struct_onepass_pivot {
	return C.struct_onepass_pivot{position: C.uint32_t(position), bits: C.uint32_t(s.bits(position))}
}

// bits are those of the size of one entry.
func (s Sizes) bits(position uint32) uint32 {
	c := s.c()
	return uint32(C.onepass_bits(&c, C.size_t(position)))
}

// maxPivots is how many pivots a ranking remembers.
const maxPivots = 64

// Ranking knows how many entries there are of each class of sizes, which are some
// hundreds or thousands, so that a pivot takes one more look at the tensor and not a
// sorting of it; and the pivots that have been asked for. It is safe for concurrent
// use.
type Ranking struct {
	classes []class // the largest first

	mu     sync.Mutex
	pivots map[int]uint32
}

// class is how many entries share the upper bits of their size.
type class struct{ upper, entries uint32 }

// Rank counts.
func Rank(ctx context.Context, s Sizes) (*Ranking, error) {
	counts := make([][]uint32, threads())
	c := s.c()
	err := inPieces(ctx, []int{s.Entries}, func(thread, _, from, to int) {
		if counts[thread] == nil {
			counts[thread] = make([]uint32, 4*C.ONEPASS_CLASSES)
		}
		C.onepass_count_classes(&c, C.size_t(from), C.size_t(to), (*C.uint32_t)(&counts[thread][0]))
	})
	if err != nil {
		return nil, err
	}
	r := &Ranking{pivots: map[int]uint32{}}
	for upper := C.ONEPASS_CLASSES - 1; upper >= 0; upper-- {
		var entries uint32
		for _, tables := range counts {
			for at := upper; at < len(tables); at += C.ONEPASS_CLASSES {
				entries += tables[at]
			}
		}
		if entries > 0 {
			r.classes = append(r.classes, class{uint32(upper), entries})
		}
	}
	r.classes = slices.Clip(r.classes)
	return r, nil
}

// Bytes is about how much memory the ranking takes.
func (r *Ranking) Bytes() int64 { return int64(len(r.classes))*8 + maxPivots*16 }

// Pivot gives the position of the entry that comes after `rank` others, the largest
// first, equal ones in order of position. s is what the ranking was made of.
func (r *Ranking) Pivot(ctx context.Context, s Sizes, rank int) (uint32, error) {
	r.mu.Lock()
	position, ok := r.pivots[rank]
	r.mu.Unlock()
	if ok {
		return position, nil
	}
	position, err := r.find(ctx, s, rank)
	if err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pivots) >= maxPivots {
		clear(r.pivots)
	}
	r.pivots[rank] = position
	return position, nil
}

// find looks for a pivot: for its size among those of its class, then for its place
// among those of its size.
func (r *Ranking) find(ctx context.Context, s Sizes, rank int) (uint32, error) {
	i := 0
	for ; rank >= int(r.classes[i].entries); i++ {
		rank -= int(r.classes[i].entries)
	}
	c, of := s.c(), r.classes[i]
	// Between numbers of bfloat16 that are close there are few differences, and a
	// class has one member: that of the first entry is all that has to be counted.
	any := C.onepass_find_class(&c, 0, C.size_t(s.Entries), C.uint32_t(of.upper))
	bits := s.bits(uint32(any))
	equal, total, err := s.countEqual(ctx, bits)
	if err == nil && total != int(of.entries) {
		if bits, rank, err = s.member(ctx, of.upper, rank); err == nil {
			equal, _, err = s.countEqual(ctx, bits)
		}
	}
	if err != nil {
		return 0, err
	}
	at := 0
	for ; rank >= equal[at]; at++ {
		rank -= equal[at]
	}
	from, to := at*piece, min((at+1)*piece, s.Entries)
	return uint32(C.onepass_find_equal(&c, C.size_t(from), C.size_t(to), C.uint32_t(bits), C.size_t(rank))), nil
}

// countEqual counts the entries whose size has these bits, in each piece and in all.
func (s Sizes) countEqual(ctx context.Context, bits uint32) (pieces []int, total int, err error) {
	c := s.c()
	pieces = make([]int, (s.Entries+piece-1)/piece)
	err = inPieces(ctx, []int{s.Entries}, func(_, _, from, to int) {
		pieces[from/piece] = int(C.onepass_count_equal(&c, C.size_t(from), C.size_t(to), C.uint32_t(bits)))
	})
	for _, n := range pieces {
		total += n
	}
	return pieces, total, err
}

// member finds the bits of the size that comes after `rank` others of its class, and
// how many of those have the same.
func (s Sizes) member(ctx context.Context, upper uint32, rank int) (bits uint32, before int, err error) {
	c := s.c()
	counts := make([][]uint32, threads())
	err = inPieces(ctx, []int{s.Entries}, func(thread, _, from, to int) {
		if counts[thread] == nil {
			counts[thread] = make([]uint32, C.ONEPASS_MEMBERS)
		}
		C.onepass_count_members(&c, C.size_t(from), C.size_t(to), C.uint32_t(upper), (*C.uint32_t)(&counts[thread][0]))
	})
	if err != nil {
		return 0, 0, err
	}
	for lower := C.ONEPASS_MEMBERS - 1; ; lower-- {
		n := 0
		for _, of := range counts {
			if of != nil {
				n += int(of[lower])
			}
		}
		if rank < n {
			return upper<<C.ONEPASS_CLASS_SHIFT | uint32(lower), rank, nil
		}
		rank -= n
	}
}
