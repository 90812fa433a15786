#if defined(__x86_64__)
#include <immintrin.h>

#include "quantized_stream.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// vpmaddubsw multiplies unsigned by signed bytes: the weight's sign moves to the activation.
// Two products of 127 * 127 fit 16 bits, so nothing saturates.

enum { MAX_TOKENS = 4, MAX_STREAM_TOKENS = 4, STREAM_LIMIT = 16, CODE_BIAS = 0 };

typedef struct operand {
  __m256i codes, magnitudes;
} operand;

static inline __attribute__((always_inline)) operand prepare(__m256i codes) {
  return (operand){codes, _mm256_abs_epi8(codes)};
}

static inline __attribute__((always_inline)) __m256i start(int32_t sum) {
  (void)sum;
  return _mm256_setzero_si256();
}

static inline __attribute__((always_inline)) __m256i add_products(__m256i sum, operand w,
                                                                  __m256i x) {
  __m256i pairs = _mm256_maddubs_epi16(w.magnitudes, _mm256_sign_epi8(x, w.codes));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

#include "matmul_quantized_lanes256.h"

void cvar_fill_int_avx2(cvar_kernels *kernels) {
  kernels->quantize_activations = cvar_quantize_activations_avx2;
  kernels->matmul_quantized = matmul_quantized;
  kernels->convolve_quantized = convolve_quantized;
}

#pragma clang attribute pop
#endif
