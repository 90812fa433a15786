#include "quantized.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

static float max_magnitude(const float *x, int32_t count) {
  const __m256i mask = _mm256_set1_epi32(CVAR_MAGNITUDE_BITS);
  __m256i max = _mm256_setzero_si256();
  for (int32_t i = 0; i < count; i += 8) {
    __m256i bits = _mm256_loadu_si256((const __m256i *)(x + i));
    max = _mm256_max_epi32(_mm256_and_si256(bits, mask), max);
  }
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(max), _mm256_extracti128_si256(max, 1));
  __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  __m128i one = _mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1));
  return _mm_cvtss_f32(_mm_castsi128_ps(one));
}

// Eight codes, and their sum added lane by lane.
static __m128i quantize8(const float *x, __m256 inverse, __m256i *sum) {
  __m256 code = _mm256_mul_ps(_mm256_loadu_ps(x), inverse);
  code = _mm256_min_ps(code, _mm256_set1_ps(127.0f));
  code = _mm256_max_ps(code, _mm256_set1_ps(-127.0f));
  code = _mm256_round_ps(code, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256i whole = _mm256_cvttps_epi32(code);
  *sum = _mm256_add_epi32(*sum, whole);
  return _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
}

static int32_t horizontal_sum(__m256i sum) {
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}

static void quantize_group(const float *x, int32_t count, int8_t *codes, float *scale,
                           int32_t *sum) {
  float max = max_magnitude(x, count);
  int is_zero = max < CVAR_ACTIVATION_ZERO;
  *scale = is_zero ? 0 : max / 127.0f;
  __m256 inverse = _mm256_set1_ps(is_zero ? 0 : 127.0f / max);
  __m256i sums = _mm256_setzero_si256();
  for (int32_t i = 0; i < count; i += 16) {
    __m128i low = quantize8(x + i, inverse, &sums);
    __m128i high = quantize8(x + i + 8, inverse, &sums);
    _mm_storeu_si128((__m128i *)(codes + i), _mm_packs_epi16(low, high));
  }
  *sum = horizontal_sum(sums);
}

void cvar_quantize_activations_avx2(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                    int32_t group_size, int8_t *codes, float *scales,
                                    int32_t *sums) {
  cvar_quantize_groups(quantize_group, x, x_stride, n, k, group_size, codes, scales, sums);
}

#pragma clang attribute pop
#endif
