// The kernel. Each element of y is a sum over `in`, taken in an order that depends
// on nothing but `in`: 16 lanes take the elements 2l and 2l+1 of every 32 (that is
// what the instruction does), the lanes are added up pairwise at the end of every
// DEPTH elements, and those sums one after another. So a row's results are the
// same bits whatever other rows there are, and whichever thread computes them.
//
// With few rows it is the weight, read from memory once, that takes the time. With
// many it is the multiplications: two instructions a cycle at best, which takes the
// weight's part of a tile in the first level cache and ROWS x DEPTH of x in the second.

#include "kernel.h"

// A compiler that has the header knows the instructions.
#if defined(__x86_64__) && __has_include(<avx512bf16intrin.h>)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define INLINE AVX512 static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 8")

enum {
    STEP = 32,         // elements of a register
    TILE_ROWS = 3,     // a tile's 3 x 8 sums, 3 pieces of x
    TILE_COLUMNS = 8,  // and one of the weight fill 28 of 32 registers
    ROWS = 96,         // of x at a time
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

bool product_supported(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bf16");
}

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

INLINE __m512bh piece(const uint16_t *from) { return (__m512bh)_mm512_loadu_si512(from); }

INLINE __m512bh last_piece(const uint16_t *from, size_t n) {
    return (__m512bh)_mm512_maskz_loadu_epi16(((__mmask32)1 << n) - 1, from);
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

// store rounds sums to bfloat16.
AVX512 static void store(const float *sum, uint16_t *y, size_t n) {
    for (size_t j = 0; j < n; j += 16) {
        __mmask16 which = n - j < 16 ? (1 << (n - j)) - 1 : 0xffff;
        __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(which, sum + j));
        _mm256_mask_storeu_epi16(y + j, which, (__m256i)rounded);
    }
}

// block multiplies up to ROWS rows of x by up to PRODUCT_COLUMNS of the weight,
// over a depth of up to DEPTH.
AVX512 static void block(size_t rows, size_t columns, const uint16_t *x, const uint16_t *weight, size_t in, size_t depth,
                         float (*to)[PRODUCT_COLUMNS], bool start) {
    _Alignas(64) uint16_t copy[DEPTH * TILE_COLUMNS];
    const size_t sharing = (rows + TILE_ROWS - 1) / TILE_ROWS; // tiles, each part of the weight
    const size_t share = (TILE_COLUMNS + sharing - 1) / sharing;
    for (size_t j = 0, width; j < columns; j += width) {
        width = columns - j < TILE_COLUMNS ? 1 : TILE_COLUMNS;
        const uint16_t *part = weight + j * in;
        size_t asked = 0; // asking for what lies past the weight's end does nothing
        for (size_t i = 0; i < rows; i += TILE_ROWS) {
            enum source source = sharing == 1 ? MATRIX : i == 0 ? MATRIX_TO_COPY : COPY;
            struct soon soon = {part + (TILE_COLUMNS + asked) * in, least(share, TILE_COLUMNS - asked)};
            asked += soon.rows;
            tiles(least(TILE_ROWS, rows - i), width, source, x + i * in, part, in, depth, copy, soon,
                  (float (*)[PRODUCT_COLUMNS])(to[i] + j), start);
        }
    }
}

AVX512 void product_columns(const struct product *p, size_t first) {
    float sums[ROWS][PRODUCT_COLUMNS];
    const size_t in = p->in, columns = least(PRODUCT_COLUMNS, p->out - first);
    const uint16_t *weight = p->weight + first * in;
    for (size_t row = 0; row < p->rows; row += ROWS) {
        const size_t rows = least(ROWS, p->rows - row);
        const uint16_t *x = p->x + row * in;
        for (size_t k = 0; k < in; k += DEPTH) block(rows, columns, x + k, weight + k, in, least(DEPTH, in - k), sums, k == 0);
        for (size_t i = 0; i < rows; i++) store(sums[i], p->y + (row + i) * p->out + first, columns);
    }
}

#else

bool product_supported(void) { return false; }
void product_columns(const struct product *p, size_t first) { (void)p, (void)first; }

#endif
