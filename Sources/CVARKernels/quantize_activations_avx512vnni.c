#include "quantized.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

static float max_magnitude(const float *x, int32_t count) {
  const __m512i mask = _mm512_set1_epi32(CVAR_MAGNITUDE_BITS);
  __m512i max = _mm512_setzero_si512();
  for (int32_t i = 0; i < count; i += 16) {
    max = _mm512_max_epi32(_mm512_and_si512(_mm512_loadu_si512(x + i), mask), max);
  }
  int32_t bits = _mm512_reduce_max_epi32(max);
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(bits)));
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
