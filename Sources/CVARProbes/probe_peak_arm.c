#include "probe_peak.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define I8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#define UNROLL _Pragma("GCC unroll 16")
#define OPAQUE(value) __asm__ volatile("" : "+w"(value))

enum { SUMS = 16 };

// The instructions of the fastest kernel, that of narrow codebooks: smull, seven smlal, then sadalp into 32 bits.
static uint64_t neon_int8(uint64_t rounds) {
  int32x4_t sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = vdupq_n_s32(0);
  int8x8_t w = vdup_n_s8(3), x = vdup_n_s8(5);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) {
      OPAQUE(x);
      int16x8_t products = vmull_s8(w, x);
      UNROLL for (int step = 1; step < 8; step++) {
        OPAQUE(x);
        products = vmlal_s8(products, w, x);
      }
      sums[i] = vpadalq_s16(sums[i], products);
    }
  }
  UNROLL for (int i = 0; i < SUMS; i++) OPAQUE(sums[i]);
  return rounds * SUMS * 64 * 2;
}

static uint64_t neon_fp32(uint64_t rounds) {
  float32x4_t sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = vdupq_n_f32(0);
  float32x4_t w = vdupq_n_f32(0.5f), x = vdupq_n_f32(1.0f);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) {
      OPAQUE(x);
      sums[i] = vfmaq_f32(sums[i], w, x);
    }
  }
  UNROLL for (int i = 0; i < SUMS; i++) OPAQUE(sums[i]);
  return rounds * SUMS * 4 * 2;
}

DOTPROD static uint64_t dotprod_int8(uint64_t rounds) {
  int32x4_t sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = vdupq_n_s32(0);
  int8x16_t w = vdupq_n_s8(3), x = vdupq_n_s8(5);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) {
      OPAQUE(x);
      sums[i] = vdotq_s32(sums[i], w, x);
    }
  }
  UNROLL for (int i = 0; i < SUMS; i++) OPAQUE(sums[i]);
  return rounds * SUMS * 16 * 2;
}

I8MM static uint64_t i8mm_int8(uint64_t rounds) {
  int32x4_t sums[SUMS];
  UNROLL for (int i = 0; i < SUMS; i++) sums[i] = vdupq_n_s32(0);
  int8x16_t w = vdupq_n_s8(3), x = vdupq_n_s8(5);
  for (uint64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < SUMS; i++) {
      OPAQUE(x);
      sums[i] = vmmlaq_s32(sums[i], w, x);
    }
  }
  UNROLL for (int i = 0; i < SUMS; i++) OPAQUE(sums[i]);
  return rounds * SUMS * 32 * 2;
}

const cvar_probes cvar_probes_wide[] = {
    {"neon", neon_int8, neon_fp32},
    {"dotprod", dotprod_int8, neon_fp32},
    {"i8mm", i8mm_int8, neon_fp32},
    {NULL, NULL, NULL},
};
#elif !defined(__x86_64__)
const cvar_probes cvar_probes_wide[] = {{NULL, NULL, NULL}};
#endif
