#pragma once
#include "float_lanes.h"
#include "half_rows.h"

// Rows of halves, 16 at a time; each instruction set has load_f16(p) and store_f16(p, v).

CVAR_INLINE void store_f16(void *p, v16 v);

// Finite values beyond the range become the largest half; infinities and NaN stay.
CVAR_INLINE v16 within_f16_range(v16 v) {
  u32x16 bits;
  __builtin_memcpy(&bits, &v, sizeof bits);
  const u32x16 magnitude = bits & 0x7fffffffu;
  const u32x16 is_beyond = (u32x16)(magnitude > F16_LARGEST_BITS) & (u32x16)(magnitude < 0x7f800000u);
  bits = (is_beyond & ((bits & 0x80000000u) | F16_LARGEST_BITS)) | (~is_beyond & bits);
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

static void from_f16(const uint16_t *x, float factor, float *y, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) store_f32(y + i, load_f16(x + i) * factor);
  for (; i < count; i++) y[i] = f32_from_f16(x[i]) * factor;
}

static void to_f16(const float *x, float factor, uint16_t *y, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) store_f16(y + i, within_f16_range(load_f32(x + i) * factor));
  for (; i < count; i++) y[i] = f16_within_range(x[i] * factor);
}
