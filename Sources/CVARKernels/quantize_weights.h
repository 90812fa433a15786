#pragma once
#include "fill.h"
#include "include/cvar_quantize.h"

// The numbers that the weight quantizers of all instruction sets share.

enum { CVAR_MAX_GROUP = 128, CVAR_MAX_CODE = 127, CVAR_MIN_GROUP = 16 };

// Guesses of the search, as shares of the scale at which the group's extreme reaches the end of the codes.
#define CVAR_INT4_SHARES {0.69f, 0.76f, 0.83f, 0.9f, 0.97f, 1.04f}
#define CVAR_INT8_SHARES {1.0f, 0.99f, 0.98f, 0.965f, 0.95f, 0.93f}

// Adding and subtracting 1.5 * 2^23 rounds half to even for |x| < 2^22.
#define CVAR_ROUNDER 12582912.0f

// y > cvar_code_threshold(codebook, j) takes an entry above j.
static inline int8_t cvar_code_threshold(const int8_t codebook[16], int32_t j) {
  int32_t sum = codebook[j] + codebook[j + 1];
  return (int8_t)((sum - (sum & 1)) / 2);
}

extern const cvar_weight_quantizers cvar_weight_quantizers_scalar;
#if defined(__x86_64__)
extern const cvar_weight_quantizers cvar_weight_quantizers_avx2;
extern const cvar_weight_quantizers cvar_weight_quantizers_avx512;
#elif defined(__aarch64__)
extern const cvar_weight_quantizers cvar_weight_quantizers_neon;
#endif
