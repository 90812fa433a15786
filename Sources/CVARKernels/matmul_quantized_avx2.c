#if defined(__x86_64__)
#include <immintrin.h>

#include "quantized_stream.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "quantized_lanes256.h"

enum { MAX_TOKENS = 4, MAX_STREAM_TOKENS = 4 };

// vpmaddubsw multiplies unsigned by signed bytes and adds two products in 16 bits, where it saturates.
typedef enum code_form {
  // Any codes: the weight's sign moves to the activation, and two products of 127 * 127 fit 16 bits.
  INT8_CODES,
  INT4_WIDE,
  // Within +-63: weights plus 64 are at most 127, and the same two fit.
  INT4_63,
  // Within +-31: weights plus 32 are at most 63, and four products fit.
  INT4_31,
} code_form;

INLINE int is_int4(const code_form form) { return form != INT8_CODES; }

INLINE int32_t bias_of(const code_form form) {
  return form == INT4_31 ? 32 : form == INT4_63 ? 64 : 0;
}

INLINE __m256i add_pairs(__m256i sum, __m256i pairs) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// lines[4] are the columns 0...3 and 4...7, each of 8 rows and the 8 others.
INLINE void add_columns(__m256i (*sum)[2], const __m256i *lines, const int8_t *codes,
                             ptrdiff_t codes_stride, const int tokens, const code_form form) {
  if (form == INT4_31) {
    __m256i even[2] = {lines[0], lines[1]}, odd[2] = {lines[2], lines[3]};
    UNROLL for (int t = 0; t < tokens; t++) {
      __m256i x0 = broadcast4(codes + t * codes_stride);
      __m256i x1 = broadcast4(codes + t * codes_stride + 4);
      UNROLL for (int half = 0; half < 2; half++) {
        sum[t][half] = add_pairs(sum[t][half],
                                 _mm256_add_epi16(_mm256_maddubs_epi16(even[half], x0),
                                                  _mm256_maddubs_epi16(odd[half], x1)));
      }
    }
    return;
  }
  UNROLL for (int step = 0; step < 2; step++) {
    __m256i w[2] = {lines[step * 2], lines[step * 2 + 1]};
    __m256i magnitudes[2] = {_mm256_abs_epi8(w[0]), _mm256_abs_epi8(w[1])};
    UNROLL for (int t = 0; t < tokens; t++) {
      __m256i x = broadcast4(codes + t * codes_stride + step * 4);
      UNROLL for (int half = 0; half < 2; half++) {
        __m256i pairs = bias_of(form) ? _mm256_maddubs_epi16(w[half], x)
                                      : _mm256_maddubs_epi16(magnitudes[half],
                                                             _mm256_sign_epi8(x, w[half]));
        sum[t][half] = add_pairs(sum[t][half], pairs);
      }
    }
  }
}

#include "matmul_quantized_lanes256.h"

FORM_FUNCTIONS(int8_codes, INT8_CODES)
FORM_FUNCTIONS(wide, INT4_WIDE)
FORM_FUNCTIONS(63, INT4_63)
FORM_FUNCTIONS(31, INT4_31)

static const form_kernels *kernels_for(const cvar_matrix *w) {
  static const form_kernels kernels[] = {
      [INT8_CODES] = {{MAX_TOKENS, unpack_int8_codes, multiply_int8_codes}, stream_int8_codes, 16},
      [INT4_WIDE] = {{MAX_TOKENS, unpack_wide, multiply_wide}, stream_wide, 16},
      [INT4_63] = {{MAX_TOKENS, unpack_63, multiply_63}, stream_63, 16},
      [INT4_31] = {{MAX_TOKENS, unpack_31, multiply_31}, stream_31, 16},
  };
  if (w->type == CVAR_INT8) return &kernels[INT8_CODES];
  int32_t largest = cvar_largest_entry(w);
  return &kernels[largest <= CVAR_NARROW_ENTRY ? INT4_31 : largest <= 63 ? INT4_63 : INT4_WIDE];
}

void cvar_fill_int_avx2(cvar_kernels *kernels) {
  kernels->quantize_activations = cvar_quantize_activations_avx2;
  kernels->matmul_quantized = matmul_quantized;
  kernels->convolve_quantized = convolve_quantized;
}

#pragma clang attribute pop
#endif
