#include "quantized.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

static float max_magnitude(const float *x, int32_t count) {
  __m512 max = _mm512_setzero_ps();
  // maxps gives its second operand where either is NaN, as the reference's comparison does.
  for (int32_t i = 0; i < count; i += 16) {
    max = _mm512_max_ps(_mm512_abs_ps(_mm512_loadu_ps(x + i)), max);
  }
  __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(max), _mm512_extractf32x8_ps(max, 1));
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static void quantize_group(const float *x, int32_t count, int8_t *codes, float *scale,
                           int32_t *sum) {
  float max = max_magnitude(x, count);
  int is_zero = max < CVAR_ACTIVATION_ZERO;
  *scale = is_zero ? 0 : max / 127.0f;
  __m512 inverse = _mm512_set1_ps(is_zero ? 0 : 127.0f / max);
  __m512i sums = _mm512_setzero_si512();
  for (int32_t i = 0; i < count; i += 16) {
    __m512 code = _mm512_mul_ps(_mm512_loadu_ps(x + i), inverse);
    code = _mm512_min_ps(code, _mm512_set1_ps(127.0f));
    code = _mm512_max_ps(code, _mm512_set1_ps(-127.0f));
    __m512i whole =
        _mm512_cvt_roundps_epi32(code, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    sums = _mm512_add_epi32(sums, whole);
    _mm_storeu_si128((__m128i *)(codes + i), _mm512_cvtepi32_epi8(whole));
  }
  *sum = _mm512_reduce_add_epi32(sums);
}

void cvar_quantize_activations_avx512vnni(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                          int32_t group_size, int8_t *codes, float *scales,
                                          int32_t *sums) {
  cvar_quantize_groups(quantize_group, x, x_stride, n, k, group_size, codes, scales, sums);
}

#pragma clang attribute pop
#endif
