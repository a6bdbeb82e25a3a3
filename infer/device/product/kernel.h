#ifndef PRODUCT_KERNEL_H
#define PRODUCT_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A product y = x · weightᵀ of bfloat16 matrices, each row after row without
// gaps: x [rows, in], weight [out, in], y [rows, out].
struct product {
    const uint16_t *x, *weight;
    uint16_t *y;
    size_t rows, in, out;
};

enum { PRODUCT_COLUMNS = 32 }; // of y that one call computes

// product_supported tells whether this processor has what the kernel needs.
bool product_supported(void);

// product_columns computes columns first, first+1, … of y. Calls for different
// columns may run at the same time.
void product_columns(const struct product *p, size_t first);

#endif
