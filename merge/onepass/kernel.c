// The kernel: 32 entries at a time, with everything in registers between the loads
// of the operands and the store of the result, which goes past the caches: it is not
// read again soon, and a line that is written whole need not be read first.
//
// Every loop over sources is one over both halves of a step too, and does a little
// of the work for all of them. The chains of operations are long, those of draws
// above all; side by side they keep the processor busy, one after another they would
// wait for their own results.

#include "kernel.h"

#include <string.h>

// A compiler that has the header knows the instructions.
#if defined(__x86_64__) && __has_include(<avx512bf16intrin.h>)

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt,bmi")))
#define INLINE AVX512 static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 16")
#define EACH_HALF UNROLLED for (int h = 0; h < HALVES; h++)
#define EACH UNROLLED for (int k = 0; k < way.sources; k++) EACH_HALF

enum {
    LANES = 16,
    HALVES = ONEPASS_STEP / LANES,
    AHEAD = 2048, // bytes that are asked for before they are read: memory does not look beyond its pages of 4096
};

// A way is what is constant to the compiler.
struct way {
    enum onepass_dtype dtype;
    enum onepass_keeps keeps;
    bool elects; // not everyone is heard
    int sources;
};

// A step's numbers of each source.
typedef __m512 floats[ONEPASS_SOURCES][HALVES];
typedef __m512i integers[ONEPASS_SOURCES][HALVES];
typedef __mmask16 masks[ONEPASS_SOURCES][HALVES];

bool onepass_supported(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

INLINE size_t width(enum onepass_dtype dtype) { return dtype == ONEPASS_BFLOAT16 ? 2 : 4; }

INLINE __m512 load(enum onepass_dtype dtype, const void *x, size_t at) {
    if (dtype == ONEPASS_FLOAT32) return _mm512_loadu_ps((const float *)x + at);
    __m256i half = _mm256_loadu_si256((const __m256i *)((const uint16_t *)x + at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// load_some loads those that there are, and zeros.
INLINE __m512 load_some(enum onepass_dtype dtype, const void *x, size_t at, __mmask16 there) {
    if (dtype == ONEPASS_FLOAT32) return _mm512_maskz_loadu_ps(there, (const float *)x + at);
    __m256i half = _mm256_maskz_loadu_epi16(there, (const uint16_t *)x + at);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// rounded gives bfloat16 bits in the upper halves, ties to even; a NaN stays one.
// The instruction for it takes subnormal numbers for zero.
INLINE __m512i rounded(__m512 x) {
    __m512i bits = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_or_epi32(sum, nan, bits, _mm512_set1_epi32(0x400000));
}

// store writes a step.
INLINE void store(enum onepass_dtype dtype, void *y, size_t at, const __m512 *sum) {
    if (dtype == ONEPASS_FLOAT32) {
        EACH_HALF {
            __m512i bits = _mm512_and_si512(rounded(sum[h]), _mm512_set1_epi32((int)0xffff0000u));
            _mm512_stream_si512((__m512i *)((float *)y + at + LANES * h), bits);
        }
        return;
    }
    __m256i low = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(sum[0]), 16));
    __m256i high = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded(sum[1]), 16));
    _mm512_stream_si512((__m512i *)((uint16_t *)y + at), _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}

// --- what is kept ------------------------------------------------------------------

INLINE __m512i size_bits(__m512 x) { return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)); }

// up_to tells which entries do not come after a pivot, by the bits of their sizes.
INLINE __mmask16 up_to(struct onepass_pivot pivot, __m512i size, uint32_t at) {
    __m512i least = _mm512_set1_epi32(pivot.bits + (at > pivot.position));
    if (__builtin_expect(at <= pivot.position && pivot.position < at + LANES - 1, 0)) {
        __mmask16 later = 0xffff << (pivot.position - at + 1);
        least = _mm512_mask_add_epi32(least, later, least, _mm512_set1_epi32(1));
    }
    return _mm512_cmpge_epu32_mask(size, least);
}

INLINE __m512i shifted(__m512i n, int by) { return _mm512_xor_si512(n, _mm512_srli_epi32(n, by)); }

// stir is mix of merge/mask.go without the shifts by 16 at its ends.
INLINE void stir(struct way way, integers n) {
    EACH n[k][h] = _mm512_mullo_epi32(n[k][h], _mm512_set1_epi32(0x7feb352d));
    EACH n[k][h] = shifted(n[k][h], 15);
    EACH n[k][h] = _mm512_mullo_epi32(n[k][h], _mm512_set1_epi32((int)0x846ca68bu));
}

// draw tells which entries the generator of merge/mask.go keeps. Of its six shifts it
// does three, for the others change nothing that is looked at:
//   - at the end of the first mix and at the beginning of the second there is
//     n ^= n >> 16; n ^= key; n ^= n >> 16, in which n >> 16 cancels itself out;
//   - after that at the end of the second n is compared with a limit. It changes the
//     lower half of n by the upper one, and so matters only where the upper halves of
//     both are equal: then it changes n by the limit's.
INLINE void draw(struct way way, const struct onepass_source *s, size_t at, masks kept) {
    const uint32_t weyl = 2654435769u;
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i lanes = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)weyl));
    integers n;
    EACH n[k][h] = _mm512_add_epi32(lanes, _mm512_set1_epi32((int)(((uint32_t)at + LANES * h) * weyl + s[k].key[0])));
    EACH n[k][h] = shifted(n[k][h], 16);
    stir(way, n);
    EACH n[k][h] = _mm512_xor_si512(n[k][h], _mm512_set1_epi32((int)(s[k].key[1] ^ s[k].key[1] >> 16)));
    stir(way, n);
    EACH n[k][h] = _mm512_xor_si512(n[k][h], _mm512_set1_epi32((int)(s[k].limit >> 16)));
    EACH kept[k][h] = _mm512_cmple_epu32_mask(n[k][h], _mm512_set1_epi32((int)s[k].limit));
}

// keep tells which entries of each source are kept.
INLINE void keep(struct way way, const struct onepass_source *s, size_t at, floats x, const __m512 *base, masks kept) {
    if (way.keeps == ONEPASS_ALL) EACH kept[k][h] = 0xffff;
    if (way.keeps == ONEPASS_DRAWN) draw(way, s, at, kept);
    if (way.keeps != ONEPASS_LARGEST) return;
    EACH {
        __m512i size = size_bits(_mm512_sub_ps(x[k][h], base[h]));
        kept[k][h] = up_to(s[k].last, size, at + LANES * h);
        if (s[k].skips) kept[k][h] &= ~up_to(s[k].skip, size, at + LANES * h);
    }
}

// --- who is heard --------------------------------------------------------------------

INLINE __m512 sign_of(__m512 x) {
    __mmask16 some = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_OQ);
    return _mm512_maskz_or_ps(some, _mm512_and_ps(x, _mm512_set1_ps(-0.0f)), _mm512_set1_ps(1));
}

// elect leaves of those who are kept those who are heard.
INLINE void elect(struct way way, const struct onepass_merge *m, floats x, const __m512 *base, masks kept) {
    const struct onepass_source *s = m->source;
    floats vote;
    __m512 total[HALVES];
    EACH_HALF total[h] = _mm512_setzero_ps();
    EACH {
        vote[k][h] = _mm512_mul_ps(_mm512_sub_ps(x[k][h], base[h]), _mm512_set1_ps(s[k].vote));
        if (way.keeps != ONEPASS_ALL) vote[k][h] = _mm512_maskz_mov_ps(kept[k][h], vote[k][h]);
        total[h] = _mm512_add_ps(total[h], m->hears == ONEPASS_SIGN_OF_COUNT ? sign_of(vote[k][h]) : vote[k][h]);
    }
    EACH { // the vote, its sign turned if the total is negative; a total of nothing is +0
        __m512i turned = _mm512_ternarylogic_epi32(_mm512_castps_si512(vote[k][h]), _mm512_castps_si512(total[h]),
                                                   _mm512_set1_epi32((int)0x80000000u), 0x78);
        kept[k][h] = _mm512_cmp_ps_mask(_mm512_castsi512_ps(turned), _mm512_setzero_ps(), _CMP_GT_OQ);
    }
}

// --- the sum -------------------------------------------------------------------------

// merge_step merges 32 entries. The sum is a chain in which each product is fused with
// the addition that it goes into, which is how XLA compiles the graph of merge/graph.go.
INLINE void merge_step(struct way way, const struct onepass_merge *m, size_t at, __m512 *sum) {
    __m512 base[HALVES], shares[HALVES];
    floats x, share;
    masks heard;
    EACH_HALF base[h] = m->base ? load(way.dtype, m->base, at + LANES * h) : _mm512_setzero_ps();
    EACH x[k][h] = load(way.dtype, m->source[k].x, at + LANES * h);
    keep(way, m->source, at, x, base, heard);
    if (way.elects) elect(way, m, x, base, heard);
    if (way.keeps == ONEPASS_ALL && !way.elects) {
        const int all = (1 << way.sources) - 1;
        EACH share[k][h] = _mm512_set1_ps(m->share[k][all]);
        EACH_HALF shares[h] = _mm512_set1_ps(m->shares[all]);
    } else {
        __m512i who[HALVES];
        EACH_HALF who[h] = _mm512_setzero_si512();
        EACH who[h] = _mm512_mask_or_epi32(who[h], heard[k][h], who[h], _mm512_set1_epi32(1 << k));
        EACH share[k][h] = _mm512_permutexvar_ps(who[h], _mm512_loadu_ps(m->share[k]));
        EACH_HALF shares[h] = _mm512_permutexvar_ps(who[h], _mm512_loadu_ps(m->shares));
    }
    EACH_HALF sum[h] = _mm512_fnmadd_ps(base[h], shares[h], base[h]);
    if (!m->base) { // the first two are products
        EACH_HALF sum[h] = way.sources > 1 ? _mm512_mul_ps(x[1][h], share[1][h]) : _mm512_setzero_ps();
    }
    EACH if (k != 1 || m->base) sum[h] = _mm512_fmadd_ps(x[k][h], share[k][h], sum[h]);
}

// merge_steps merges whole steps.
INLINE void merge_steps(struct way way, const struct onepass_merge *m, size_t first, size_t end) {
    const size_t bytes = width(way.dtype);
    for (size_t at = first; at < end; at += ONEPASS_STEP) {
        for (size_t next = bytes * at + AHEAD; next < bytes * (at + ONEPASS_STEP) + AHEAD; next += 64) {
            if (m->base) _mm_prefetch((const char *)m->base + next, _MM_HINT_T0);
            for (int k = 0; k < way.sources; k++) _mm_prefetch((const char *)m->source[k].x + next, _MM_HINT_T0);
        }
        __m512 sum[HALVES];
        merge_step(way, m, at, sum);
        store(way.dtype, m->y, at, sum);
    }
    _mm_sfence();
}

// merge_whole picks the code for a way.
AVX512 static void merge_whole(const struct onepass_merge *m, size_t first, size_t end) {
#define STEPS(D, K, E, N) case N: merge_steps((struct way){D, K, E, N}, m, first, end); break;
#define BY_SOURCES(D, K, E) switch (m->sources) { STEPS(D, K, E, 1) STEPS(D, K, E, 2) STEPS(D, K, E, 3) STEPS(D, K, E, 4) }
#define BY_HEARD(D, K) case K: if (m->hears == ONEPASS_EVERYONE) BY_SOURCES(D, K, false) else BY_SOURCES(D, K, true) break;
#define BY_KEPT(D) switch (m->keeps) { BY_HEARD(D, ONEPASS_ALL) BY_HEARD(D, ONEPASS_LARGEST) BY_HEARD(D, ONEPASS_DRAWN) }
    if (m->dtype == ONEPASS_BFLOAT16)
        BY_KEPT(ONEPASS_BFLOAT16)
    else
        BY_KEPT(ONEPASS_FLOAT32)
}

// before is where `first` entries before a copy would be: what is read or written
// through it begins at `first`.
static void *before(void *copy, size_t bytes) { return (void *)((uintptr_t)copy - bytes); }

// merge_last merges the entries after the last whole step, in copies as long as one.
AVX512 static void merge_last(const struct onepass_merge *m, size_t first, size_t end) {
    _Alignas(64) char copies[ONEPASS_SOURCES + 2][4 * ONEPASS_STEP] = {0};
    const size_t skipped = width(m->dtype) * first, bytes = width(m->dtype) * (end - first);
    struct onepass_merge last = *m;
    char *y = copies[ONEPASS_SOURCES], *base = copies[ONEPASS_SOURCES + 1];
    last.y = before(y, skipped);
    if (m->base) {
        memcpy(base, (const char *)m->base + skipped, bytes);
        last.base = before(base, skipped);
    }
    for (int k = 0; k < m->sources; k++) {
        memcpy(copies[k], (const char *)m->source[k].x + skipped, bytes);
        last.source[k].x = before(copies[k], skipped);
    }
    merge_whole(&last, first, first + ONEPASS_STEP);
    memcpy((char *)m->y + skipped, y, bytes);
}

void onepass_prepare(struct onepass_merge *m) {
    for (int who = 0; who < 1 << ONEPASS_SOURCES; who++) {
        float weight = 0;
        for (int k = 0; k < m->sources; k++)
            if (m->normalizes && who >> k & 1) weight += m->source[k].weight;
        if (weight == 0) weight = 1;
        m->shares[who] = 0;
        for (int k = 0; k < m->sources; k++) {
            m->share[k][who] = who >> k & 1 ? m->source[k].factor / weight : 0;
            m->shares[who] += m->share[k][who];
        }
    }
}

void onepass_run(const struct onepass_merge *m, size_t first, size_t end) {
    size_t whole = end & ~(size_t)(ONEPASS_STEP - 1);
    merge_whole(m, first, whole);
    if (whole < end) merge_last(m, whole, end);
}

// --- norms ---------------------------------------------------------------------------

INLINE void norms(struct way way, const struct onepass_merge *m, bool squares, size_t first, size_t end, double *sums) {
    __m512d all = _mm512_setzero_pd(), some = all;
    for (size_t at = first; at < end; at += ONEPASS_STEP) {
        floats x;
        __m512 base[HALVES];
        __mmask16 there[HALVES];
        masks kept;
        EACH_HALF {
            size_t left = end - at < LANES * h ? 0 : end - at - LANES * h;
            there[h] = left < LANES ? (1 << left) - 1 : 0xffff;
            x[0][h] = load_some(way.dtype, m->source[0].x, at + LANES * h, there[h]);
            base[h] = load_some(way.dtype, m->base, at + LANES * h, there[h]);
        }
        keep(way, m->source, at, x, base, kept);
        EACH_HALF { // what isn't there is 0
            __m512 size = _mm512_castsi512_ps(size_bits(_mm512_sub_ps(x[0][h], base[h])));
            __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(size)), high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(size, 1));
            if (squares) low = _mm512_mul_pd(low, low), high = _mm512_mul_pd(high, high);
            all = _mm512_add_pd(all, _mm512_add_pd(low, high));
            some = _mm512_mask_add_pd(some, kept[0][h], some, low);
            some = _mm512_mask_add_pd(some, kept[0][h] >> 8, some, high);
        }
    }
    sums[0] = _mm512_reduce_add_pd(all);
    sums[1] = _mm512_reduce_add_pd(some);
}

AVX512 void onepass_norms(const struct onepass_merge *m, bool squares, size_t first, size_t end, double sums[2]) {
#define NORMS(D, K) if (m->dtype == D && m->keeps == K) norms((struct way){D, K, false, 1}, m, squares, first, end, sums);
    NORMS(ONEPASS_BFLOAT16, ONEPASS_LARGEST)
    NORMS(ONEPASS_BFLOAT16, ONEPASS_DRAWN)
    NORMS(ONEPASS_FLOAT32, ONEPASS_LARGEST)
    NORMS(ONEPASS_FLOAT32, ONEPASS_DRAWN)
}

// --- pivots --------------------------------------------------------------------------

// sizes gives the bits of 16 sizes, and which of them there are.
INLINE __m512i sizes(const struct onepass_sizes *s, size_t at, size_t end, __mmask16 *there) {
    *there = end - at < LANES ? (1 << (end - at)) - 1 : 0xffff;
    return size_bits(_mm512_sub_ps(load_some(s->dtype, s->x, at, *there), load_some(s->dtype, s->base, at, *there)));
}

AVX512 uint32_t onepass_bits(const struct onepass_sizes *s, size_t at) {
    __mmask16 there;
    return _mm_cvtsi128_si32(_mm512_castsi512_si128(sizes(s, at, at + 1, &there)));
}

AVX512 void onepass_count_classes(const struct onepass_sizes *s, size_t first, size_t end, uint32_t *counts) {
    for (size_t at = first; at < end; at += LANES) {
        __mmask16 there;
        _Alignas(64) uint32_t class[LANES];
        _mm512_store_si512(class, _mm512_srli_epi32(sizes(s, at, end, &there), ONEPASS_CLASS_SHIFT));
        // Neighbours often are of one class: in four tables none waits for another.
        for (size_t i = 0; i < LANES && at + i < end; i++) counts[(i % 4) * ONEPASS_CLASSES + class[i]]++;
    }
}

INLINE __mmask16 of_class(__m512i bits, uint32_t class) {
    return _mm512_cmpeq_epu32_mask(_mm512_srli_epi32(bits, ONEPASS_CLASS_SHIFT), _mm512_set1_epi32((int)class));
}

AVX512 size_t onepass_find_class(const struct onepass_sizes *s, size_t first, size_t end, uint32_t class) {
    for (size_t at = first; at < end; at += LANES) {
        __mmask16 there;
        __m512i bits = sizes(s, at, end, &there);
        unsigned found = there & of_class(bits, class);
        if (found) return at + __builtin_ctz(found);
    }
    return end;
}

AVX512 void onepass_count_members(const struct onepass_sizes *s, size_t first, size_t end, uint32_t class, uint32_t *counts) {
    for (size_t at = first; at < end; at += LANES) {
        __mmask16 there;
        __m512i bits = sizes(s, at, end, &there);
        there &= of_class(bits, class);
        uint32_t members[LANES];
        _mm512_storeu_si512(members, _mm512_maskz_compress_epi32(there, bits));
        for (int i = 0, n = __builtin_popcount(there); i < n; i++) counts[members[i] % ONEPASS_MEMBERS]++;
    }
}

INLINE __mmask16 equal(const struct onepass_sizes *s, size_t at, size_t end, uint32_t bits) {
    __mmask16 there;
    __m512i all = sizes(s, at, end, &there);
    return there & _mm512_cmpeq_epu32_mask(all, _mm512_set1_epi32((int)bits));
}

AVX512 size_t onepass_count_equal(const struct onepass_sizes *s, size_t first, size_t end, uint32_t bits) {
    size_t n = 0;
    for (size_t at = first; at < end; at += LANES) n += __builtin_popcount(equal(s, at, end, bits));
    return n;
}

AVX512 size_t onepass_find_equal(const struct onepass_sizes *s, size_t first, size_t end, uint32_t bits, size_t before) {
    for (size_t at = first; at < end; at += LANES) {
        unsigned found = equal(s, at, end, bits);
        for (; found; found &= found - 1)
            if (!before--) return at + __builtin_ctz(found);
    }
    return end;
}

#else

// Nobody calls the rest where this says no.
bool onepass_supported(void) { return false; }
void onepass_prepare(struct onepass_merge *m) { (void)m; }
void onepass_run(const struct onepass_merge *m, size_t first, size_t end) { (void)m, (void)first, (void)end; }

void onepass_norms(const struct onepass_merge *m, bool squares, size_t first, size_t end, double sums[2]) {
    (void)m, (void)squares, (void)first, (void)end, (void)sums;
}

uint32_t onepass_bits(const struct onepass_sizes *s, size_t at) {
    (void)s, (void)at;
    return 0;
}

void onepass_count_classes(const struct onepass_sizes *s, size_t first, size_t end, uint32_t *counts) {
    (void)s, (void)first, (void)end, (void)counts;
}

size_t onepass_find_class(const struct onepass_sizes *s, size_t first, size_t end, uint32_t class) {
    (void)s, (void)first, (void)class;
    return end;
}

void onepass_count_members(const struct onepass_sizes *s, size_t first, size_t end, uint32_t class, uint32_t *counts) {
    (void)s, (void)first, (void)end, (void)class, (void)counts;
}

size_t onepass_count_equal(const struct onepass_sizes *s, size_t first, size_t end, uint32_t bits) {
    (void)s, (void)first, (void)end, (void)bits;
    return 0;
}

size_t onepass_find_equal(const struct onepass_sizes *s, size_t first, size_t end, uint32_t bits, size_t before) {
    (void)s, (void)first, (void)bits, (void)before;
    return end;
}

#endif
