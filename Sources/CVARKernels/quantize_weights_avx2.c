#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { LANES = 8 };
typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
typedef int8_t vb __attribute__((vector_size(32)));

static inline vf zip_low(vf a, vf b) {
  __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b);
  return (vf)_mm256_permute2f128_ps(low, _mm256_unpackhi_ps((__m256)a, (__m256)b), 0x20);
}

static inline vf zip_high(vf a, vf b) {
  __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b);
  return (vf)_mm256_permute2f128_ps(low, _mm256_unpackhi_ps((__m256)a, (__m256)b), 0x31);
}

// The current rounding mode is half to even.
static inline vi nearest(vf x) { return (vi)_mm256_cvtps_epi32((__m256)x); }

static inline vb pack(vi a, vi b, vi c, vi d) {
  const __m128i transpose = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m256i words[2] = {_mm256_packs_epi32((__m256i)a, (__m256i)b),
                      _mm256_packs_epi32((__m256i)c, (__m256i)d)};
  return (vb)_mm256_shuffle_epi8(_mm256_packs_epi16(words[0], words[1]),
                                 _mm256_broadcastsi128_si256(transpose));
}

static inline vb lookup(vb table, vb index) {
  return (vb)_mm256_shuffle_epi8((__m256i)table, (__m256i)index);
}

static inline vi add_squares(vi sum, vb bytes) {
  __m256i magnitude = _mm256_abs_epi8((__m256i)bytes);
  // Two squares of 127 stay below 2^15.
  __m256i pairs = _mm256_maddubs_epi16(magnitude, magnitude);
  return sum + (vi)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

static inline vf load_halves(const uint16_t *p) {
  return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

static inline void store_halves(uint16_t *p, vf x) {
  __m128i halves = _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm_storeu_si128((__m128i *)p, halves);
}

#include "quantize_weights_lanes.h"

const cvar_weight_quantizers cvar_weight_quantizers_avx2 = {quantize_int8, quantize_int4,
                                                            round_f16, round_bf16};

#pragma clang attribute pop
#endif
