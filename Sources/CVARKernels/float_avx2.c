#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 12 of 16 registers accumulate.
enum { TILES = 1, TOKENS = 6, KEY_GROUPS = 1, VALUE_GROUPS = 1 };

#include "float_lanes_fill.h"

CVAR_INLINE v16 load_f16(const void *p) {
  __m256 parts[2] = {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p + 1))};
  return load_f32(parts);
}

CVAR_INLINE void store_f16(void *p, v16 v) {
  __m256 parts[2];
  __builtin_memcpy(parts, &v, sizeof parts);
  for (int i = 0; i < 2; i++) {
    _mm_storeu_si128((__m128i *)p + i, _mm256_cvtps_ph(parts[i], _MM_FROUND_TO_NEAREST_INT));
  }
}

void cvar_fill_float_avx2(cvar_kernels *kernels) { fill_lanes(kernels); }

#pragma clang attribute pop
#endif
