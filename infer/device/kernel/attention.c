// Attention in blocks of columns, with a running maximum and sum for each query
// (Milakov and Gimelshein 2018; FlashAttention, Dao et al. 2022), so that the scores
// never leave the caches. A row's blocks are counted from the column where it
// starts: its results are the same bits in whatever columns it lies, in whatever
// pieces its prompt is computed, and whatever rows are beside it.
//
// Both products are of the form a · b with few rows of `a`, read as pairs of
// neighbours; b is packed first, so that a register holds a pair of each of 16
// columns: what the instruction for pairs wants, and no lanes to add up.

#include "attention.h"

#include "simd.h"

enum { QUERIES = 64, BLOCK = 64 }; // at a time

#ifdef HAVE_SIMD

// lowest is where maxima begin: finite, so that differences are no NaN.
#define LOWEST -1e30f

// What a part has at hand, all of it row after row. Rows of q, values and sums are as
// wide as a head, rounded up to a multiple of 16; what is missing is zero.
struct tile {
    _Alignas(64) uint16_t q[QUERIES * ATTENTION_WIDTH], shares[QUERIES][BLOCK];
    _Alignas(64) uint16_t keys[ATTENTION_WIDTH / 2][BLOCK][2], values[BLOCK * ATTENTION_WIDTH]; // packed
    _Alignas(64) float scores[QUERIES][BLOCK], sums[QUERIES * ATTENTION_WIDTH];
    float most[QUERIES], total[QUERIES];
    size_t wide;
};

// multiply4 gives out [rows, 16·vectors] (+)= a · b, over a depth in pairs.
// Strides count elements; rows and vectors are constants to the compiler.
INLINE void multiply4(const int rows, const int vectors, const uint16_t *a, size_t a_stride, const uint16_t *b,
                      size_t b_stride, size_t pairs, float *out, size_t out_stride, bool add) {
    __m512 sum[4][4];
    UNROLLED for (int i = 0; i < rows; i++) {
        UNROLLED for (int j = 0; j < vectors; j++)
            sum[i][j] = add ? _mm512_loadu_ps(out + i * out_stride + 16 * j) : _mm512_setzero_ps();
    }
    for (size_t k = 0; k < pairs; k++) {
        __m512bh column[4];
        UNROLLED for (int j = 0; j < vectors; j++) column[j] = (__m512bh)_mm512_load_si512(b + k * b_stride + 32 * j);
        UNROLLED for (int i = 0; i < rows; i++) {
            int32_t pair;
            __builtin_memcpy(&pair, a + i * a_stride + 2 * k, sizeof pair);
            __m512bh row = (__m512bh)_mm512_set1_epi32(pair);
            UNROLLED for (int j = 0; j < vectors; j++) sum[i][j] = _mm512_dpbf16_ps(sum[i][j], row, column[j]);
        }
    }
    UNROLLED for (int i = 0; i < rows; i++) {
        UNROLLED for (int j = 0; j < vectors; j++) _mm512_storeu_ps(out + i * out_stride + 16 * j, sum[i][j]);
    }
}

// multiply does so for any number of rows and up to `width` columns, a multiple of 16.
AVX512 static void multiply(size_t rows, size_t width, const uint16_t *a, size_t a_stride, const uint16_t *b, size_t b_stride,
                            size_t pairs, float *out, size_t out_stride, bool add) {
#define MULTIPLY(R, V)                                                                                                   \
    case 10 * R + V:                                                                                                     \
        multiply4(R, V, a + i * a_stride, a_stride, b + 2 * j, b_stride, pairs, out + i * out_stride + j, out_stride, add); \
        break;
    for (size_t j = 0; j < width; j += 64) {
        for (size_t i = 0, some; i < rows; i += some) {
            some = rows - i < 4 ? 1 : 4;
            switch (10 * some + least(4, (width - j) / 16)) {
                MULTIPLY(1, 1) MULTIPLY(1, 2) MULTIPLY(1, 3) MULTIPLY(1, 4)
                MULTIPLY(4, 1) MULTIPLY(4, 2) MULTIPLY(4, 3) MULTIPLY(4, 4)
            }
        }
    }
#undef MULTIPLY
}

// transpose turns 16 registers of 16 pairs.
INLINE void transpose(__m512i *x) {
    __m512i y[16];
    UNROLLED for (int i = 0; i < 16; i += 2) {
        y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
        y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
    }
    UNROLLED for (int i = 0; i < 16; i += 4) {
        UNROLLED for (int j = 0; j < 2; j++) {
            x[i + 2 * j] = _mm512_unpacklo_epi64(y[i + j], y[i + 2 + j]);
            x[i + 2 * j + 1] = _mm512_unpackhi_epi64(y[i + j], y[i + 2 + j]);
        }
    }
    // Now lane l of x[4i+j] holds pair 4l+j of rows 4i to 4i+3.
    UNROLLED for (int j = 0; j < 4; j++) {
        __m512i a = _mm512_shuffle_i32x4(x[j], x[4 + j], 0x88), b = _mm512_shuffle_i32x4(x[j], x[4 + j], 0xdd);
        __m512i c = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0x88), d = _mm512_shuffle_i32x4(x[8 + j], x[12 + j], 0xdd);
        y[j] = _mm512_shuffle_i32x4(a, c, 0x88), y[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
        y[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88), y[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    UNROLLED for (int i = 0; i < 16; i++) x[i] = y[i];
}

// pack_keys takes n columns of keys; what is missing to a multiple of 16 is zero.
AVX512 static void pack_keys(struct tile *t, const uint16_t *keys, size_t n, size_t width) {
    for (size_t c = 0; c < n; c += 16) {
        for (size_t e = 0; e < width; e += 32) {
            __m512i x[16];
            UNROLLED for (size_t i = 0; i < 16; i++)
                x[i] = c + i < n ? _mm512_maskz_loadu_epi16(first32(width - e), keys + (c + i) * width + e) : _mm512_setzero_si512();
            transpose(x);
            UNROLLED for (size_t i = 0; i < 16; i++) _mm512_store_si512(t->keys[e / 2 + i][c], x[i]);
        }
    }
}

// pack_values takes n columns of values; what is missing to an even number is zero.
AVX512 static void pack_values(struct tile *t, const uint16_t *values, size_t n, size_t width) {
    const __m512i even = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4,
                                          35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i odd = _mm512_add_epi16(even, _mm512_set1_epi16(16));
    for (size_t c = 0; c < n; c += 2) {
        for (size_t e = 0; e < width; e += 32) {
            const uint16_t *from = values + c * width + e;
            __m512i x = _mm512_maskz_loadu_epi16(first32(width - e), from);
            __m512i y = c + 1 < n ? _mm512_maskz_loadu_epi16(first32(width - e), from + width) : _mm512_setzero_si512();
            uint16_t *to = t->values + c * t->wide + 2 * e;
            _mm512_store_si512(to, _mm512_permutex2var_epi16(x, even, y));
            if (e + 16 < t->wide) _mm512_store_si512(to + 32, _mm512_permutex2var_epi16(x, odd, y));
        }
    }
}

// weigh turns a query's scores for a block, of which it sees the columns of the
// mask, into shares of a total that has yet to be known, and takes what was summed
// up before to the same scale.
AVX512 static void weigh(const struct attention *a, struct tile *t, size_t query, uint64_t seen) {
    __m512 score[BLOCK / 16], most = _mm512_set1_ps(t->most[query]);
    for (size_t i = 0; i < BLOCK / 16; i++) {
        score[i] = _mm512_mul_ps(_mm512_load_ps(t->scores[query] + 16 * i), _mm512_set1_ps(a->scale));
        if (a->cap != 0) { // cap · tanh(score / cap)
            __m512 twice = _mm512_div_ps(_mm512_add_ps(score[i], score[i]), _mm512_set1_ps(a->cap));
            __m512 less = share(_mm512_set1_ps(2), _mm512_sub_ps(_mm512_setzero_ps(), twice));
            score[i] = _mm512_mul_ps(_mm512_sub_ps(_mm512_set1_ps(1), less), _mm512_set1_ps(a->cap));
        }
        most = _mm512_mask_max_ps(most, seen >> 16 * i, most, score[i]);
    }
    const __m512 now = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    const __m512 before = exponential(_mm512_sub_ps(_mm512_set1_ps(t->most[query]), now));
    __m512 total = _mm512_setzero_ps();
    for (size_t i = 0; i < BLOCK / 16; i++) {
        __m512 share = _mm512_maskz_mov_ps(seen >> 16 * i, exponential(_mm512_sub_ps(score[i], now)));
        total = _mm512_add_ps(total, share);
        round_to(t->shares[query] + 16 * i, 0xffff, share);
    }
    t->most[query] = _mm512_cvtss_f32(now);
    t->total[query] = t->total[query] * _mm512_cvtss_f32(before) + _mm512_reduce_add_ps(total);
    float *sums = t->sums + query * t->wide;
    for (size_t e = 0; e < t->wide; e += 16) _mm512_store_ps(sums + e, _mm512_mul_ps(_mm512_load_ps(sums + e), before));
}

static size_t tiles_of(const struct attention *a) {
    return (a->heads / a->groups * a->tokens + QUERIES - 1) / QUERIES;
}

size_t attention_parts(const struct attention *a) { return a->rows * a->groups * tiles_of(a); }

// query finds number r of the queries of a row that look at a group's keys: they
// are counted token by token.
static size_t query(const struct attention *a, size_t row, size_t group, size_t r) {
    const size_t heads = a->heads / a->groups;
    return ((row * a->tokens + r / heads) * a->heads + group * heads + r % heads) * a->width;
}

AVX512 void attention_part(const void *attention, size_t part) {
    const struct attention *a = attention;
    const size_t tiles = tiles_of(a), heads = a->heads / a->groups;
    const size_t group = part / tiles % a->groups, row = part / tiles / a->groups, first = part % tiles * QUERIES;
    const size_t queries = least(QUERIES, heads * a->tokens - first), wide = (a->width + 15) / 16 * 16;
    struct tile t;
    t.wide = wide;
    for (size_t i = 0; i < queries; i++) {
        const uint16_t *q = a->q + query(a, row, group, first + i);
        for (size_t e = 0; e < wide; e += 16)
            _mm256_store_si256((__m256i *)(t.q + i * wide + e), _mm256_maskz_loadu_epi16(first16(a->width - e), q + e));
        for (size_t e = 0; e < wide; e += 16) _mm512_store_ps(t.sums + i * wide + e, _mm512_setzero_ps());
        t.most[i] = LOWEST, t.total[i] = 0;
    }

    const int64_t begin = a->start[row] < 0 ? 0 : a->start[row];
    const int64_t oldest = a->column + (int64_t)(first / heads), newest = a->column + (int64_t)((first + queries - 1) / heads);
    const int64_t end = newest < (int64_t)a->columns ? newest + 1 : (int64_t)a->columns;
    int64_t c = begin;
    if (a->window > 0 && oldest - a->window >= begin) c += (oldest - a->window + 1 - begin) / BLOCK * BLOCK;
    for (; c < end; c += BLOCK) {
        const size_t n = least(BLOCK, end - c), lies = ((row * a->groups + group) * a->columns + c) * a->width;
        pack_keys(&t, a->keys + lies, n, a->width);
        multiply(queries, (n + 15) / 16 * 16, t.q, wide, t.keys[0][0], 2 * BLOCK, wide / 2, t.scores[0], BLOCK, false);
        for (size_t i = 0; i < queries; i++) {
            const int64_t own = a->column + (int64_t)((first + i) / heads) - c; // its column, counted from c
            uint64_t seen = own < 0 ? 0 : own >= BLOCK - 1 ? ~0ull : (1ull << (own + 1)) - 1;
            if (n < BLOCK) seen &= (1ull << n) - 1;
            if (a->window > 0 && own >= a->window) seen &= own - a->window >= BLOCK - 1 ? 0 : ~0ull << (own - a->window + 1);
            weigh(a, &t, i, seen);
        }
        pack_values(&t, a->values + lies, n, a->width);
        multiply(queries, wide, t.shares[0], BLOCK, t.values, 2 * wide, (n + 1) / 2, t.sums, wide, true);
    }

    for (size_t i = 0; i < queries; i++) {
        const __m512 part = _mm512_set1_ps(t.total[i] > 0 ? 1 / t.total[i] : 0);
        uint16_t *y = a->y + query(a, row, group, first + i);
        for (size_t e = 0; e < a->width; e += 16)
            round_to(y + e, first16(a->width - e), _mm512_mul_ps(_mm512_load_ps(t.sums + i * wide + e), part));
    }
}

#else

size_t attention_parts(const struct attention *a) { return (void)a, 0; }
void attention_part(const void *attention, size_t part) { (void)attention, (void)part; }

#endif
