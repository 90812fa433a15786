#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

// 16 of 32 registers accumulate in matmul_float, 24 in attention.
enum { TILES = 2, TOKENS = 8, KEY_GROUPS = 4, VALUE_GROUPS = 4 };

#include "float_lanes_fill.h"

CVAR_INLINE v16 load_f16(const void *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

CVAR_INLINE void store_f16(void *p, v16 v) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
}

void cvar_fill_float_avx512vnni(cvar_kernels *kernels) { fill_lanes(kernels); }

#pragma clang attribute pop
#endif
