#include "norm.h"

#include "simd.h"

enum { NORM_ROWS = 8 }; // a part

size_t norm_parts(const struct norm *n) { return (n->rows + NORM_ROWS - 1) / NORM_ROWS; }

#ifdef HAVE_SIMD

AVX512 void norm_part(const void *norm, size_t part) {
    const struct norm *n = norm;
    const size_t first = part * NORM_ROWS, rows = least(NORM_ROWS, n->rows - first);
    for (size_t i = first; i < first + rows; i++) {
        const uint16_t *x = n->x + i * n->width;
        __m512 squares = _mm512_setzero_ps();
        for (size_t j = 0; j < n->width; j += 16) {
            __m512 some = widen(first16(n->width - j), x + j);
            squares = _mm512_fmadd_ps(some, some, squares);
        }
        const float mean = _mm512_reduce_add_ps(squares) / n->width;
        const __m512 scale = _mm512_div_ps(_mm512_set1_ps(1), _mm512_sqrt_ps(_mm512_set1_ps(mean + n->epsilon)));
        for (size_t j = 0; j < n->width; j += 16) {
            const __mmask16 which = first16(n->width - j);
            __m512 some = _mm512_mul_ps(widen(which, x + j), scale), weight = widen(which, n->weight + j);
            if (n->offset != 0)
                weight = _mm512_add_ps(weight, _mm512_set1_ps(n->offset));
            else
                some = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(some)), 16));
            round_to(n->y + i * n->width + j, which, _mm512_mul_ps(some, weight));
        }
    }
}

#else

void norm_part(const void *norm, size_t part) { (void)norm, (void)part; }

#endif
