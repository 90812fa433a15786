#include "probe_peak.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define AVXVNNI __attribute__((target("avxvnni,avx2,fma")))
#define AVX512VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define UNROLL _Pragma("GCC unroll 16")

// Enough independent sums to hide the latency of an instruction, few enough to stay in registers.
enum { SUMS = 12 };

// The instructions of the fastest kernel, that of narrow codebooks: two vpmaddubsw for one vpmaddwd.
AVX2 static uint64_t avx2_int8(uint64_t rounds) {
  __m256i sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm256_setzero_si256();
  __m256i w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(5), ones = _mm256_set1_epi16(1);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) {
      CVAR_OPAQUE_X86(x);
      __m256i even = _mm256_maddubs_epi16(w, x);
      CVAR_OPAQUE_X86(x);
      __m256i pairs = _mm256_add_epi16(even, _mm256_maddubs_epi16(w, x));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, ones));
    }
  }
  UNROLL for (int i = 0; i < SUMS; i++) CVAR_OPAQUE_X86(sums[i]);
  return rounds * SUMS * 64 * 2;
}

AVX2 static uint64_t avx2_fp32(uint64_t rounds) {
  __m256 sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm256_setzero_ps();
  __m256 w = _mm256_set1_ps(0.5f), x = _mm256_set1_ps(1.0f);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm256_fmadd_ps(sums[i], w, x);
  }
  UNROLL for (int i = 0; i < SUMS; i++) CVAR_OPAQUE_X86(sums[i]);
  return rounds * SUMS * 8 * 2;
}

AVXVNNI static uint64_t avxvnni_int8(uint64_t rounds) {
  __m256i sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm256_setzero_si256();
  __m256i w = _mm256_set1_epi8(3), x = _mm256_set1_epi8(5);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm256_dpbusd_avx_epi32(sums[i], w, x);
  }
  UNROLL for (int i = 0; i < SUMS; i++) CVAR_OPAQUE_X86(sums[i]);
  return rounds * SUMS * 32 * 2;
}

AVX512VNNI static uint64_t avx512vnni_int8(uint64_t rounds) {
  __m512i sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm512_setzero_si512();
  __m512i w = _mm512_set1_epi8(3), x = _mm512_set1_epi8(5);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm512_dpbusd_epi32(sums[i], w, x);
  }
  UNROLL for (int i = 0; i < SUMS; i++) __asm__ volatile("" : "+v"(sums[i]));
  return rounds * SUMS * 64 * 2;
}

AVX512VNNI static uint64_t avx512vnni_fp32(uint64_t rounds) {
  __m512 sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm512_setzero_ps();
  __m512 w = _mm512_set1_ps(0.5f), x = _mm512_set1_ps(1.0f);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) sums[i] = _mm512_fmadd_ps(sums[i], w, x);
  }
  UNROLL for (int i = 0; i < SUMS; i++) __asm__ volatile("" : "+v"(sums[i]));
  return rounds * SUMS * 16 * 2;
}

const cvar_probes cvar_probes_wide[] = {
    {"avx2", avx2_int8, avx2_fp32},
    {"avxvnni", avxvnni_int8, avx2_fp32},
    {"avx512vnni", avx512vnni_int8, avx512vnni_fp32},
    {NULL, NULL, NULL},
};
#endif
