#pragma once
#include "math_inline.h"

// 65504, the largest half, as a float.
#define F16_LARGEST_BITS 0x477fe000u

// Finite values beyond the range become the largest half; infinities and NaN stay.
CVAR_INLINE uint16_t f16_within_range(float x) {
  uint32_t bits = bits_of_f32(x), magnitude = bits & 0x7fffffffu;
  uint32_t is_beyond = magnitude > F16_LARGEST_BITS && magnitude < 0x7f800000u;
  return f16_from_f32(f32_of_bits(is_beyond ? (bits & 0x80000000u) | F16_LARGEST_BITS : bits));
}
