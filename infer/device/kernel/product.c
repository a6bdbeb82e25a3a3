// The kernel. Each element of y is a sum over `in`, taken in an order that depends
// on nothing but `in`: 16 lanes take the elements 2l and 2l+1 of every 32 (that is
// what the instruction does), the lanes are added up pairwise at the end of every
// DEPTH elements, and those sums one after another. So a row's results are the
// same bits whatever other rows there are, and whichever thread computes them.
//
// With few rows it is the weight, read from memory once, that takes the time. With
// many it is the multiplications: two instructions a cycle at best, which takes the
// weight's part of a tile in the first level cache and ROWS x DEPTH of x in the second.

#include "product.h"

#include "simd.h"

#ifdef HAVE_SIMD

enum {
    STEP = 32,         // elements of a register
    TILE_ROWS = 3,     // a tile's 3 x 8 sums, 3 pieces of x
    TILE_COLUMNS = 8,  // and one of the weight fill 28 of 32 registers
    ROWS = 192,        // of x at a time
    DEPTH = 1024,      // elements of a row at a time
};

// Where a tile has its part of the weight from. Rows of a matrix often lie a power
// of two apart and drive each other out of the cache, so the first of the tiles
// that share a part leaves a copy without gaps to the others.
enum source { MATRIX, MATRIX_TO_COPY, COPY };

// soon is what will be read next from memory: so many rows of the weight. The
// tiles that share a part of it ask for the next part together, a few rows each;
// memory would stand idle while all but the first compute.
struct soon {
    const uint16_t *from;
    size_t rows;
};

INLINE __m512bh piece(const uint16_t *from) { return (__m512bh)_mm512_loadu_si512(from); }

INLINE __m512bh last_piece(const uint16_t *from, size_t n) {
    return (__m512bh)_mm512_maskz_loadu_epi16(first32(n), from);
}

// totals adds up the lanes of each of four registers.
INLINE __m128 totals(const __m512 *s) {
    __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
    __m512 b = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
    __m512d c = _mm512_castps_pd(a), d = _mm512_castps_pd(b);
    __m512 all = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(c, d)), _mm512_castpd_ps(_mm512_unpackhi_pd(c, d)));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

// tile multiplies a few rows of x by a few of the weight over some depth, and adds
// the results to `to`, or writes them there if this is the start of the rows. rows,
// columns and source are constants to the compiler.
INLINE void tile(const int rows, const int columns, const enum source source, const uint16_t *x, const uint16_t *weight,
                 size_t in, size_t depth, uint16_t *copy, struct soon soon, float (*to)[PRODUCT_COLUMNS], bool start) {
    __m512 sum[TILE_ROWS][TILE_COLUMNS];
    UNROLLED for (int i = 0; i < rows; i++) {
        UNROLLED for (int j = 0; j < TILE_COLUMNS; j++) sum[i][j] = _mm512_setzero_ps();
    }
    __m512bh row[TILE_ROWS];
    size_t k = 0;
    for (; k + STEP <= depth; k += STEP) {
        if (source != MATRIX)
            for (size_t j = 0; j < soon.rows; j++) _mm_prefetch((const char *)(soon.from + j * in + k), _MM_HINT_T0);
        UNROLLED for (int i = 0; i < rows; i++) row[i] = piece(x + i * in + k);
        UNROLLED for (int j = 0; j < columns; j++) {
            uint16_t *copied = copy + k * TILE_COLUMNS + j * STEP;
            __m512bh w = piece(source == COPY ? copied : weight + j * in + k);
            if (source == MATRIX_TO_COPY) _mm512_store_si512(copied, (__m512i)w);
            UNROLLED for (int i = 0; i < rows; i++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], row[i], w);
        }
    }
    if (k < depth) {
        UNROLLED for (int i = 0; i < rows; i++) row[i] = last_piece(x + i * in + k, depth - k);
        UNROLLED for (int j = 0; j < columns; j++) {
            __m512bh w = last_piece(weight + j * in + k, depth - k);
            UNROLLED for (int i = 0; i < rows; i++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], row[i], w);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++) {
        UNROLLED for (int j = 0; j < columns; j += 4) {
            __mmask8 which = columns - j < 4 ? (1 << (columns - j)) - 1 : 0xf;
            __m128 before = start ? _mm_setzero_ps() : _mm_maskz_loadu_ps(which, to[i] + j);
            _mm_mask_storeu_ps(to[i] + j, which, _mm_add_ps(before, totals(sum[i] + j)));
        }
    }
}

// tiles picks the code for a tile's size.
AVX512 static void tiles(size_t rows, size_t columns, enum source source, const uint16_t *x, const uint16_t *weight,
                         size_t in, size_t depth, uint16_t *copy, struct soon soon, float (*to)[PRODUCT_COLUMNS], bool start) {
#define TILE(R, C, S) tile(R, C, S, x, weight, in, depth, copy, soon, to, start)
#define TILE_OF(R)                                          \
    case R:                                                 \
        if (columns < TILE_COLUMNS)                         \
            TILE(R, 1, MATRIX);                             \
        else if (source == COPY)                            \
            TILE(R, TILE_COLUMNS, COPY);                    \
        else if (source == MATRIX_TO_COPY)                  \
            TILE(R, TILE_COLUMNS, MATRIX_TO_COPY);          \
        else                                                \
            TILE(R, TILE_COLUMNS, MATRIX);                  \
        break;
    switch (rows) {
        TILE_OF(1)
        TILE_OF(2)
        TILE_OF(3)
    }
#undef TILE_OF
#undef TILE
}

// block multiplies up to ROWS rows of x by up to TILE_COLUMNS of the weight, over a
// depth of up to DEPTH.
INLINE void block(size_t rows, size_t columns, const uint16_t *x, const uint16_t *weight, size_t in, size_t depth,
                  uint16_t *copy, float (*to)[PRODUCT_COLUMNS], bool start) {
    const size_t sharing = (rows + TILE_ROWS - 1) / TILE_ROWS; // tiles, each part of the weight
    const size_t share = (TILE_COLUMNS + sharing - 1) / sharing;
    size_t asked = 0; // asking for what lies past the weight's end does nothing
    for (size_t i = 0; i < rows; i += TILE_ROWS) {
        enum source source = sharing == 1 ? MATRIX : i == 0 ? MATRIX_TO_COPY : COPY;
        struct soon soon = {weight + (TILE_COLUMNS + asked) * in, least(share, TILE_COLUMNS - asked)};
        asked += soon.rows;
        tiles(least(TILE_ROWS, rows - i), columns, source, x + i * in, weight, in, depth, copy, soon, to + i, start);
    }
}

// sums multiplies up to ROWS rows of x by up to PRODUCT_COLUMNS of a weight. What a
// weight's part is multiplied with stays in the cache while the next one is read. A
// tile's rows do so whole: then each row of the weight is read from end to end, which
// is how memory gives most, and what the processor foresees by itself.
AVX512 static void sums(size_t rows, size_t columns, const uint16_t *x, const uint16_t *weight, size_t in,
                        float (*to)[PRODUCT_COLUMNS]) {
    _Alignas(64) uint16_t copy[DEPTH * TILE_COLUMNS];
    const size_t reach = rows <= TILE_ROWS ? in : DEPTH;
    for (size_t from = 0; from < in; from += reach) {
        for (size_t j = 0, width; j < columns; j += width) {
            width = columns - j < TILE_COLUMNS ? 1 : TILE_COLUMNS;
            for (size_t k = from; k < from + reach && k < in; k += DEPTH)
                block(rows, width, x + k, weight + j * in + k, in, least(DEPTH, in - k), copy,
                      (float (*)[PRODUCT_COLUMNS])(to[0] + j), k == 0);
        }
    }
}

// gelu is x · Φ(x), where Φ(x) is taken for (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2,
// which is the logistic function of twice what the tanh is of.
INLINE __m512 gelu(__m512 x) {
    __m512 cube = _mm512_mul_ps(_mm512_mul_ps(x, x), x);
    __m512 inner = _mm512_fmadd_ps(cube, _mm512_set1_ps(0.044715f), x);
    return share(x, _mm512_mul_ps(inner, _mm512_set1_ps(1.5957691216f)));
}

// finished makes 16 results of the sums: the product's own, and those of the weight
// that it is multiplied with or of the addend.
INLINE __m512 finished(enum finish finish, __m512 sum, __m512 other) {
    switch (finish) {
    case ADDED:
        return _mm512_add_ps(sum, other);
    case SILU_GATED:
        return _mm512_mul_ps(share(sum, sum), other);
    case GELU_GATED:
        return _mm512_mul_ps(gelu(sum), other);
    default:
        return sum;
    }
}

static bool gated(const struct product *p) { return p->finish == SILU_GATED || p->finish == GELU_GATED; }

static size_t parts_of(size_t out) { return (out + PRODUCT_COLUMNS - 1) / PRODUCT_COLUMNS; }

size_t product_parts(const struct product *p) {
    size_t parts = parts_of(p->out[0]);
    for (size_t i = 1; i < p->weights && !gated(p); i++) parts += parts_of(p->out[i]);
    return parts;
}

AVX512 void product_part(const void *product, size_t part) {
    const struct product *p = product;
    float own[ROWS][PRODUCT_COLUMNS], gate[ROWS][PRODUCT_COLUMNS];
    const size_t in = p->in;
    size_t weight = 0, before = 0, stride = p->out[0]; // columns of y before the weight's, and all
    if (!gated(p)) {
        for (; part >= parts_of(p->out[weight]); weight++) part -= parts_of(p->out[weight]), before += p->out[weight];
        for (size_t i = 1; i < p->weights; i++) stride += p->out[i];
    }
    const size_t first = part * PRODUCT_COLUMNS, columns = least(PRODUCT_COLUMNS, p->out[weight] - first);
    for (size_t row = 0; row < p->rows; row += ROWS) {
        const size_t rows = least(ROWS, p->rows - row);
        sums(rows, columns, p->x + row * in, p->weight[weight] + first * in, in, own);
        if (gated(p)) sums(rows, columns, p->x + row * in, p->weight[1] + first * in, in, gate);
        for (size_t i = 0; i < rows; i++) {
            const size_t at = (row + i) * stride + before + first;
            for (size_t j = 0; j < columns; j += 16) {
                __mmask16 which = first16(columns - j);
                __m512 other = p->finish == SIDE_BY_SIDE ? _mm512_setzero_ps()
                               : p->finish == ADDED      ? widen(which, p->addend + at + j)
                                                         : _mm512_maskz_loadu_ps(which, gate[i] + j);
                round_to(p->y + at + j, which, finished(p->finish, _mm512_maskz_loadu_ps(which, own[i] + j), other));
            }
        }
    }
}

#else

size_t product_parts(const struct product *p) { return (void)p, 0; }
void product_part(const void *product, size_t part) { (void)product, (void)part; }

#endif
