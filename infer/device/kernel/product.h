#ifndef KERNEL_PRODUCT_H
#define KERNEL_PRODUCT_H

#include <stddef.h>
#include <stdint.h>

enum { PRODUCT_WEIGHTS = 3, PRODUCT_COLUMNS = 32 };

// What becomes of the sums of a product before they are rounded and stored.
enum finish {
    SIDE_BY_SIDE, // the columns of all weights, those of the first first
    ADDED,        // to those of the addend
    SILU_GATED,   // silu(x · weight[0]ᵀ) times x · weight[1]ᵀ
    GELU_GATED,   // the same with GELU, in the approximation called tanh
};

// A product y = x · weightᵀ of bfloat16 matrices, each row after row without
// gaps: x [rows, in], weight[i] [out[i], in], y and addend [rows, columns].
struct product {
    enum finish finish;
    const uint16_t *x, *weight[PRODUCT_WEIGHTS], *addend;
    uint16_t *y;
    size_t rows, in, weights, out[PRODUCT_WEIGHTS];
};

// product_parts is the number of parts that a product is computed in: up to
// PRODUCT_COLUMNS columns of a weight each, and if it is gated those of the other.
size_t product_parts(const struct product *p);

// product_part computes one of them. Several may be computed at the same time.
void product_part(const void *product, size_t part);

#endif
