#ifndef KERNEL_SIMD_H
#define KERNEL_SIMD_H

// What the kernels have in common. A file that includes this is compiled to
// something only where HAVE_SIMD is defined: by a compiler for x86-64 that has the
// header and so knows the instructions. Whether the processor does is another
// question, which kernels_supported answers.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline size_t least(size_t a, size_t b) { return a < b ? a : b; }

#if defined(__x86_64__) && __has_include(<avx512bf16intrin.h>)
#define HAVE_SIMD

#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define INLINE AVX512 static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 8")

// first16 and first32 are masks of the first n lanes, all of them if n is larger.
INLINE __mmask16 first16(size_t n) { return n < 16 ? (1u << n) - 1 : 0xffff; }
INLINE __mmask32 first32(size_t n) { return n < 32 ? (1u << n) - 1 : 0xffffffff; }

// widen reads 16 numbers of bfloat16, those of the mask.
INLINE __m512 widen(__mmask16 which, const uint16_t *from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(which, from)), 16));
}

// round_to writes the lanes of the mask, rounded to bfloat16.
INLINE void round_to(uint16_t *to, __mmask16 which, __m512 x) {
    _mm256_mask_storeu_epi16(to, which, (__m256i)_mm512_cvtneps_pbh(x));
}

// exponential is e^x, within 2 units of the last place; 0 below -104, and NaN of
// NaN. x = n·ln 2 + r with |r| <= ln 2 / 2, for which a polynomial does (Cephes' expf).
INLINE __m512 exponential(__m512 x) {
    x = _mm512_min_ps(_mm512_set1_ps(88), _mm512_max_ps(_mm512_set1_ps(-120), x));
    __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    const float terms[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f, 1, 1};
    __m512 y = _mm512_set1_ps(terms[0]);
    UNROLLED for (int i = 1; i < 8; i++) y = _mm512_fmadd_ps(y, r, _mm512_set1_ps(terms[i]));
    return _mm512_scalef_ps(y, n);
}

// share is x / (1 + e^-a), as much of x as the logistic function of a says.
INLINE __m512 share(__m512 x, __m512 a) {
    __m512 one = _mm512_set1_ps(1);
    return _mm512_div_ps(x, _mm512_add_ps(one, exponential(_mm512_sub_ps(_mm512_setzero_ps(), a))));
}

#endif
#endif
