#ifndef KERNEL_NORM_H
#define KERNEL_NORM_H

#include <stddef.h>
#include <stdint.h>

// RMSNorm of each row of x [rows, width] by a weight [width], giving y; all bfloat16.
// Weights that count from an offset are applied before rounding to bfloat16, others
// after it, as transformers does.
struct norm {
    const uint16_t *x, *weight;
    uint16_t *y;
    size_t rows, width;
    float epsilon, offset;
};

size_t norm_parts(const struct norm *n); // of a few rows each

// norm_part computes one of them. Several may be computed at the same time.
void norm_part(const void *norm, size_t part);

#endif
