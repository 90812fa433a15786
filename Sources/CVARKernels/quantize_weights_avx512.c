#if defined(__x86_64__)
#include <immintrin.h>
#include <stdint.h>

#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

enum { LANES = 16 };
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
typedef int8_t vb __attribute__((vector_size(64)));

static inline vf zip_low(vf a, vf b) {
  const __m512i order = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return (vf)_mm512_permutex2var_ps((__m512)a, order, (__m512)b);
}

static inline vf zip_high(vf a, vf b) {
  const __m512i order =
      _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return (vf)_mm512_permutex2var_ps((__m512)a, order, (__m512)b);
}

static inline vi nearest(vf x) {
  return (vi)_mm512_cvt_roundps_epi32((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline vb pack(vi a, vi b, vi c, vi d) {
  const __m128i transpose = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  __m512i words[2] = {_mm512_packs_epi32((__m512i)a, (__m512i)b),
                      _mm512_packs_epi32((__m512i)c, (__m512i)d)};
  return (vb)_mm512_shuffle_epi8(_mm512_packs_epi16(words[0], words[1]),
                                 _mm512_broadcast_i32x4(transpose));
}

static inline vb lookup(vb table, vb index) {
  return (vb)_mm512_shuffle_epi8((__m512i)table, (__m512i)index);
}

static inline vi add_squares(vi sum, vb bytes) {
  __m512i magnitude = _mm512_abs_epi8((__m512i)bytes);
  return (vi)_mm512_dpbusd_epi32((__m512i)sum, magnitude, magnitude);
}

static inline vf load_halves(const uint16_t *p) {
  return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static inline void store_halves(uint16_t *p, vf x) {
  __m256i halves = _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  _mm256_storeu_si256((__m256i *)p, halves);
}

#include "quantize_weights_lanes.h"

const cvar_weight_quantizers cvar_weight_quantizers_avx512 = {quantize_int8, quantize_int4,
                                                              round_f16, round_bf16};

#pragma clang attribute pop
#endif
