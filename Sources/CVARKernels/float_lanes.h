#pragma once
#include "fill.h"
#include "math_inline.h"

// The float kernels over vectors of 16 lanes, written once. float_avx2.c, float_avx512vnni.c and
// float_neon.c each include this text under their target attribute, after defining
//   TILES, TOKENS:             weight tiles and tokens of a register tile of matmul_float,
//   KEY_GROUPS, VALUE_GROUPS:  vectors of keys and of value columns that attention holds a query,
//   load_f16(p):               16 halves from p as floats,
//   store_f16(p, v):           16 floats rounded to halves, half to even.
// Lanes are outputs, so each lane does the scalar reference's operations in its order.

typedef float v16 __attribute__((vector_size(64)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));

// Everything that takes or returns a vector is inlined, so that no calling convention matters.
#pragma GCC diagnostic ignored "-Wpsabi"

#if defined(__clang__)
// A build without optimization or with sanitizers leaves the loops plain.
#pragma clang diagnostic ignored "-Wpass-failed"
#define UNROLL _Pragma("clang loop unroll(full)")
#define ROLLED _Pragma("clang loop unroll(disable)")
#define LANES _Pragma("clang loop vectorize(assume_safety)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define ROLLED _Pragma("GCC unroll 1")
#define LANES _Pragma("GCC ivdep")
#endif

CVAR_INLINE v16 load_f32(const void *p) {
  v16 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

CVAR_INLINE void store_f32(float *p, v16 v) { __builtin_memcpy(p, &v, sizeof v); }

CVAR_INLINE v16 load_bf16(const void *p) {
  u16x16 halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  u32x16 bits = __builtin_convertvector(halves, u32x16) << 16;
  v16 v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}

CVAR_INLINE v16 splat(float x) {
  return (v16){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}

CVAR_INLINE v16 fma16(v16 a, v16 b, v16 c) {
#if defined(__clang__)
  return __builtin_elementwise_fma(a, b, c);
#else
  v16 r;
  for (int i = 0; i < 16; i++) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return r;
#endif
}

CVAR_INLINE v16 load_f16(const void *p);

// 16 numbers of a cvar_type from the element `index` on.
CVAR_INLINE v16 load_type(int32_t type, const void *base, size_t index) {
  switch (type) {
    case CVAR_F16: return load_f16((const uint16_t *)base + index);
    case CVAR_BF16: return load_bf16((const uint16_t *)base + index);
    default: return load_f32((const float *)base + index);
  }
}
