#ifndef KERNEL_ATTENTION_H
#define KERNEL_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

enum { ATTENTION_WIDTH = 256 }; // of a head, at most

// Grouped-query attention of the newest tokens of each row over a KV cache, all of
// it bfloat16: q and y [rows, tokens, heads, width], keys and values [rows, groups,
// columns, width]. Token t lies in column `column`+t and looks at the columns from
// start[row] on up to its own; with a window above 0 only at the last ones. What
// sees nothing gives zeros.
struct attention {
    const uint16_t *q, *keys, *values;
    uint16_t *y;
    const int32_t *start;
    size_t rows, tokens, heads, groups, columns, width;
    int64_t column, window;
    float scale, cap; // scores are multiplied, and bounded softly unless cap is 0
};

// attention_parts is the number of parts that it is computed in: up to 64 queries
// that look at the same keys each.
size_t attention_parts(const struct attention *a);

// attention_part computes one of them. Several may be computed at the same time.
void attention_part(const void *attention, size_t part);

#endif
