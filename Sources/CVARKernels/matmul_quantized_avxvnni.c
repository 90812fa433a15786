#if defined(__x86_64__)
#include <immintrin.h>

#include "quantized_stream.h"

#pragma clang attribute push(__attribute__((target("avxvnni,avx2,fma,f16c"))), apply_to = function)

#include "quantized_lanes256.h"

// vpdpbusd multiplies unsigned by signed bytes: weights are biased by 128 (in int4 the codebook is), and the group sums
// of the activations take the bias off again.

enum { MAX_TOKENS = 6, MAX_STREAM_TOKENS = 4 };

typedef enum code_form { INT8_CODES, INT4_CODES } code_form;

INLINE int is_int4(const code_form form) { return form == INT4_CODES; }

INLINE int32_t bias_of(const code_form form) {
  (void)form;
  return 128;
}

// lines[4] are the columns 0...3 and 4...7, each of 8 rows and the 8 others.
INLINE void add_columns(__m256i (*sum)[2], const __m256i *lines, const int8_t *codes,
                        ptrdiff_t codes_stride, const int tokens, const code_form form) {
  (void)form;
  UNROLL for (int step = 0; step < 2; step++) {
    UNROLL for (int t = 0; t < tokens; t++) {
      __m256i x = broadcast4(codes + t * codes_stride + step * 4);
      UNROLL for (int half = 0; half < 2; half++) {
        sum[t][half] = _mm256_dpbusd_avx_epi32(sum[t][half], lines[step * 2 + half], x);
      }
    }
  }
}

#include "matmul_quantized_lanes256.h"

FORM_FUNCTIONS(int8_codes, INT8_CODES)
FORM_FUNCTIONS(int4_codes, INT4_CODES)

static const form_kernels *kernels_for(const cvar_matrix *w) {
  static const form_kernels kernels[] = {
      [INT8_CODES] = {{MAX_TOKENS, unpack_int8_codes, multiply_int8_codes}, stream_int8_codes, 20},
      [INT4_CODES] = {{MAX_TOKENS, unpack_int4_codes, multiply_int4_codes}, stream_int4_codes, 20},
  };
  return &kernels[w->type == CVAR_INT8 ? INT8_CODES : INT4_CODES];
}

void cvar_fill_int_avxvnni(cvar_kernels *kernels) {
  kernels->matmul_quantized = matmul_quantized;
  kernels->convolve_quantized = convolve_quantized;
}

#pragma clang attribute pop
#endif
