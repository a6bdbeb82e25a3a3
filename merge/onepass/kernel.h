#ifndef ONEPASS_KERNEL_H
#define ONEPASS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum onepass_dtype { ONEPASS_FLOAT32, ONEPASS_BFLOAT16 };
enum onepass_keeps { ONEPASS_ALL, ONEPASS_LARGEST, ONEPASS_DRAWN };
enum onepass_hears { ONEPASS_EVERYONE, ONEPASS_SIGN_OF_SUM, ONEPASS_SIGN_OF_COUNT };

enum {
    ONEPASS_SOURCES = 4, // at most: for whose combinations there is a table
    ONEPASS_STEP = 32,   // entries that are merged together
};

// A pivot is an entry that divides the others: up to it are those whose differences
// from the base are larger, and of those with the same difference those before it.
struct onepass_pivot {
    uint32_t bits; // of the size of its difference, float32
    uint32_t position;
};

struct onepass_source {
    const void *x;
    float factor; // of the difference: lambda, weight and scale in one
    float weight; // in the divisor
    float vote;   // what the difference is multiplied with to elect a sign
    struct onepass_pivot last; // up to which entries are kept
    struct onepass_pivot skip; // up to which they are too large, if `skips`
    bool skips;
    uint32_t key[2], limit; // of draws, see merge/mask.go
};

// A merge of one tensor, entry by entry:
//
//   y = base + sum of factor * (x - base) over the sources that are kept and heard,
//
// the sum divided by that of their weights if `normalizes`. Computed in float32, as
// base - (sum of factor) * base + sum of factor * x, and rounded to bfloat16, ties to
// even.
struct onepass_merge {
    enum onepass_dtype dtype; // of all tensors; y holds bfloat16 numbers in either
    enum onepass_keeps keeps;
    enum onepass_hears hears;
    bool normalizes;  // only where not everyone is heard
    const void *base; // NULL for none
    void *y;          // at a multiple of 64 bytes
    int sources;
    struct onepass_source source[ONEPASS_SOURCES];
    // Filled in by onepass_prepare: what each source is multiplied with, and the sum of
    // that, by who is heard.
    float share[ONEPASS_SOURCES][1 << ONEPASS_SOURCES], shares[1 << ONEPASS_SOURCES];
};

// onepass_supported tells whether this processor has what all of this needs.
bool onepass_supported(void);

// onepass_prepare fills in what follows from the rest.
void onepass_prepare(struct onepass_merge *m);

// onepass_run merges the entries from first to end. Parts of a tensor may be merged
// at the same time, and begin at multiples of ONEPASS_STEP.
void onepass_run(const struct onepass_merge *m, size_t first, size_t end);

// onepass_norms adds up the sizes of the entries of the first source's difference from
// the base, or their squares: sums[0] of all, sums[1] of those that are kept.
void onepass_norms(const struct onepass_merge *m, bool squares, size_t first, size_t end, double sums[2]);

// --- pivots --------------------------------------------------------------------------

// The size of an entry is that of its difference from the base, a float32 that is not
// negative: it has the order of its bits, 31 of them. Those of a class have the same
// upper bits.
enum { ONEPASS_CLASS_SHIFT = 15, ONEPASS_CLASSES = 1 << 16, ONEPASS_MEMBERS = 1 << ONEPASS_CLASS_SHIFT };

struct onepass_sizes {
    enum onepass_dtype dtype;
    const void *base, *x;
};

// onepass_bits gives the bits of the size of one entry.
uint32_t onepass_bits(const struct onepass_sizes *s, size_t at);

// onepass_count_classes counts the entries of each class, into four tables by turns
// of which the sums are wanted: uint32_t counts[4][ONEPASS_CLASSES].
void onepass_count_classes(const struct onepass_sizes *s, size_t first, size_t end, uint32_t *counts);

// onepass_find_class gives the position of the first entry of a class; `end` if there
// is none.
size_t onepass_find_class(const struct onepass_sizes *s, size_t first, size_t end, uint32_t class);

// onepass_count_members counts the entries of one class by their lower bits: uint32_t
// counts[ONEPASS_MEMBERS].
void onepass_count_members(const struct onepass_sizes *s, size_t first, size_t end, uint32_t class, uint32_t *counts);

// onepass_count_equal gives how many entries have these bits.
size_t onepass_count_equal(const struct onepass_sizes *s, size_t first, size_t end, uint32_t bits);

// onepass_find_equal gives the position of the entry with these bits before which
// there are `before` of them; `end` if there is none.
size_t onepass_find_equal(const struct onepass_sizes *s, size_t first, size_t end, uint32_t bits, size_t before);

#endif
