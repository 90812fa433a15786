#if defined(__x86_64__)
#include <immintrin.h>

#include "quantized_stream.h"

#pragma clang attribute push(__attribute__((target("avxvnni,avx2,fma,f16c"))), apply_to = function)

// vpdpbusd multiplies unsigned by signed bytes: weights are biased by 128 (in int4 the codebook is), and the group sums
// of the activations take the bias off again.

enum { MAX_TOKENS = 6, MAX_STREAM_TOKENS = 4, STREAM_LIMIT = 20, CODE_BIAS = 0x80 };

typedef __m256i operand;

static inline __attribute__((always_inline)) operand prepare(__m256i codes) { return codes; }

static inline __attribute__((always_inline)) __m256i start(int32_t sum) {
  return _mm256_set1_epi32(-128 * sum);
}

static inline __attribute__((always_inline)) __m256i add_products(__m256i sum, operand w,
                                                                  __m256i x) {
  return _mm256_dpbusd_avx_epi32(sum, w, x);
}

#include "matmul_quantized_lanes256.h"

void cvar_fill_int_avxvnni(cvar_kernels *kernels) {
  kernels->matmul_quantized = matmul_quantized;
  kernels->convolve_quantized = convolve_quantized;
}

#pragma clang attribute pop
#endif
