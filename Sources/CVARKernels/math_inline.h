#pragma once
#include <stdint.h>

// The elementary functions as branch-free inline code: a loop over them vectorises, and every lane
// does the operations below, so that vector and scalar code agree bit for bit. Every fused
// multiply-add is written out; the compiler must not make more of them.
#if defined(__clang__)
#pragma clang fp contract(off)
#endif

#define CVAR_INLINE static inline __attribute__((always_inline, unused))

CVAR_INLINE uint32_t bits_of_f32(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

CVAR_INLINE float f32_of_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// 2^exponent for -127 < exponent < 128.
CVAR_INLINE float power_of_two_f32(int32_t exponent) {
  return f32_of_bits((uint32_t)(exponent + 127) << 23);
}

// e^x, error below 1.1 ulp (1.1 steps of the grid where the result is subnormal); 0 and infinity
// beyond the range.
CVAR_INLINE float exp_f32(float x) {
  // e^-104 rounds to 0, e^89 to infinity. The comparisons let a NaN pass.
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  // Adding 1.5 * 2^23 leaves the nearest integer n in the low bits of the sum.
  const float round_to_integer = 0x1.8p23f;
  float shifted = __builtin_fmaf(x, 0x1.715476p0f, round_to_integer);
  float n = shifted - round_to_integer;
  int32_t exponent = (int32_t)(bits_of_f32(shifted) - 0x4b400000u);
  // r = x - n log 2, |r| <= log(2) / 2; the high part of log 2 has 16 bits, so its product is
  // exact.
  float r = __builtin_fmaf(n, -0x1.62p-1f, x);
  r = __builtin_fmaf(n, -0x1.c85fep-10f, r);
  // Minimax for (e^r - 1 - r) / r^2, relative error of e^r 3.2e-9.
  float p = 0x1.6a492cp-10f;
  p = __builtin_fmaf(p, r, 0x1.12399ep-7f);
  p = __builtin_fmaf(p, r, 0x1.5558b4p-5f);
  p = __builtin_fmaf(p, r, 0x1.555492p-3f);
  p = __builtin_fmaf(p, r, 0x1.fffffcp-2f);
  p = __builtin_fmaf(p, r * r, r) + 1.0f;
  // Two steps, so that 2^n need not be a normal number; only the second can round.
  int32_t half = exponent >> 1;
  return p * power_of_two_f32(half) * power_of_two_f32(exponent - half);
}

// 1 / (1 + e^-x), error below 2.5 ulp down to x = -88, where it turns 0.
CVAR_INLINE float sigmoid_f32(float x) { return 1.0f / (1.0f + exp_f32(-x)); }

// Error below 1.5 ulp.
CVAR_INLINE float tanh_f32(float x) {
  float t = __builtin_fabsf(x);
  float s = x * x;
  // Minimax for (tanh(x) / x - 1) / x^2 on |x| < 0.65.
  float p = 0x1.078acp-9f;
  p = __builtin_fmaf(p, s, -0x1.071314p-7f);
  p = __builtin_fmaf(p, s, 0x1.62873ep-6f);
  p = __builtin_fmaf(p, s, -0x1.b9d632p-5f);
  p = __builtin_fmaf(p, s, 0x1.110fe8p-3f);
  p = __builtin_fmaf(p, s, -0x1.555552p-2f);
  float near = __builtin_fmaf(p * s, x, x);
  float far = 1.0f - 2.0f / (exp_f32(2.0f * t) + 1.0f);
  return t < 0.625f ? near : __builtin_copysignf(far, x);
}

// Error below 1.5 ulp.
CVAR_INLINE float erf_f32(float x) {
  float t = __builtin_fabsf(x);
  float s = x * x;
  // Minimax for erf(x) / x - 1 on |x| < 0.93.
  float p = -0x1.38741cp-11f;
  p = __builtin_fmaf(p, s, 0x1.46d9e2p-8f);
  p = __builtin_fmaf(p, s, -0x1.b67c04p-6f);
  p = __builtin_fmaf(p, s, 0x1.ce1986p-4f);
  p = __builtin_fmaf(p, s, -0x1.8126e2p-2f);
  p = __builtin_fmaf(p, s, 0x1.06eba6p-3f);
  float near = __builtin_fmaf(p, x, x);
  // Minimax for -log(1 - erf(t)) / t - 1 on 0.92 < t < 4; erf rounds to 1 from 3.92 on.
  float u = t > 4.0f ? 4.0f : t;
  float q = 0x1.78d006p-17f;
  q = __builtin_fmaf(q, u, -0x1.527944p-12f);
  q = __builtin_fmaf(q, u, 0x1.dd6ba6p-9f);
  q = __builtin_fmaf(q, u, -0x1.855122p-6f);
  q = __builtin_fmaf(q, u, 0x1.b32568p-4f);
  q = __builtin_fmaf(q, u, 0x1.45328ep-1f);
  q = __builtin_fmaf(q, u, 0x1.0778dcp-3f);
  float far = 1.0f - exp_f32(-__builtin_fmaf(q, u, u));
  return t < 0.925f ? near : __builtin_copysignf(far, x);
}

// The activations. At finite x none of them makes a NaN; far below 0 they turn -0.
CVAR_INLINE float silu_f32(float x) { return x / (1.0f + exp_f32(-x)); }

CVAR_INLINE float quick_gelu_f32(float x) { return x / (1.0f + exp_f32(-1.702f * x)); }

CVAR_INLINE float gelu_erf_f32(float x) {
  return 0.5f * x * (1.0f + erf_f32(x * 0x1.6a09e6p-1f));
}

// (1 + tanh u) / 2 = 1 / (1 + e^(-2u)) with u = sqrt(2 / pi) (x + 0.044715 x^3).
CVAR_INLINE float gelu_tanh_f32(float x) {
  float u = x * __builtin_fmaf(0.044715f, x * x, 1.0f);
  return x / (1.0f + exp_f32(-0x1.988454p0f * u));
}

// IEEE half precision; NaNs turn quiet and keep their top bits, as the conversion instructions do
// it.
CVAR_INLINE uint16_t f16_from_f32(float x) {
  uint32_t bits = bits_of_f32(x);
  uint32_t sign = (bits >> 16) & 0x8000u;
  uint32_t magnitude = bits & 0x7fffffffu;
  // Below 2^-14 the sum with 0.5 rounds to the grid of half-precision subnormals.
  uint32_t subnormal = bits_of_f32(f32_of_bits(magnitude) + 0.5f) - 0x3f000000u;
  uint32_t normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x477ff000u ? 0x7c00u : half;
  half = magnitude > 0x7f800000u ? (0x7e00u | ((magnitude >> 13) & 0x3ffu)) : half;
  return (uint16_t)(sign | half);
}

CVAR_INLINE float f32_from_f16(uint16_t x) {
  uint32_t sign = (uint32_t)(x & 0x8000u) << 16;
  uint32_t magnitude = x & 0x7fffu;
  uint32_t normal = (magnitude << 13) + 0x38000000u;
  uint32_t subnormal = bits_of_f32((float)(int32_t)magnitude * 0x1p-24f);
  uint32_t result = magnitude < 0x400u ? subnormal : normal;
  result = magnitude >= 0x7c00u ? (magnitude << 13) | 0x7f800000u : result;
  result = magnitude > 0x7c00u ? result | 0x400000u : result;
  return f32_of_bits(sign | result);
}

CVAR_INLINE float f32_from_bf16(uint16_t x) { return f32_of_bits((uint32_t)x << 16); }

CVAR_INLINE uint16_t bf16_from_f32(float x) {
  uint32_t bits = bits_of_f32(x);
  uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  uint32_t quiet = (bits >> 16) | 0x40u;
  return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}
