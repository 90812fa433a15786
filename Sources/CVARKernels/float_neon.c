#if defined(__aarch64__)
#include <arm_neon.h>

// 24 of 32 registers accumulate.
enum { TILES = 1, TOKENS = 6, KEY_GROUPS = 1, VALUE_GROUPS = 1 };

#include "float_lanes_fill.h"

CVAR_INLINE v16 load_f16(const void *p) {
  float32x4_t parts[4];
  for (int i = 0; i < 4; i++) {
    uint16x4_t halves;
    __builtin_memcpy(&halves, (const uint16_t *)p + 4 * i, sizeof halves);
    parts[i] = vcvt_f32_f16(vreinterpret_f16_u16(halves));
  }
  return load_f32(parts);
}

CVAR_INLINE void store_f16(void *p, v16 v) {
  float32x4_t parts[4];
  __builtin_memcpy(parts, &v, sizeof parts);
  for (int i = 0; i < 4; i++) {
    uint16x4_t halves = vreinterpret_u16_f16(vcvt_f16_f32(parts[i]));
    __builtin_memcpy((uint16_t *)p + 4 * i, &halves, sizeof halves);
  }
}

void cvar_fill_float_neon(cvar_kernels *kernels) { fill_lanes(kernels); }

#endif
