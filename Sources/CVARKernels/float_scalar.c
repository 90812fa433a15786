#include "float_scalar.h"

#include "half_rows.h"

#define LANES
#include "elementwise.h"

// Tokens that share a weight: each has a sum of its own, so that no product waits for the one before.
enum { TOKENS = 8 };

#define MATMUL_PARAMETERS                                                                      \
  const cvar_matrix *w, const float *x, ptrdiff_t token_stride, int32_t segments,              \
      ptrdiff_t segment_stride, int32_t n, const float *bias, float *y, ptrdiff_t y_stride,    \
      int32_t tile_begin, int32_t tile_end

// A row of weights for n tokens, at most TOKENS.
CVAR_INLINE void multiply_row(const cvar_matrix *w, int32_t row, const float *x,
                              ptrdiff_t token_stride, int32_t segments, ptrdiff_t segment_stride,
                              int32_t n, float *acc) {
  int32_t run = w->cols / segments;
  for (int32_t t = 0; t < n; t++) acc[t] = 0;
  for (int32_t segment = 0; segment < segments; segment++) {
    const float *inputs = x + segment * segment_stride;
    for (int32_t i = 0; i < run; i++) {
      float weight = cvar_float_weight(w, row, segment * run + i);
      for (int32_t t = 0; t < n; t++) {
        acc[t] = __builtin_fmaf(weight, inputs[t * token_stride + i], acc[t]);
      }
    }
  }
}

CVAR_INLINE void multiply(MATMUL_PARAMETERS) {
  int32_t row_end = tile_end * CVAR_TILE_ROWS < w->rows ? tile_end * CVAR_TILE_ROWS : w->rows;
  int32_t count = TOKENS;
  for (int32_t token = 0; token < n; token += count) {
    if (n - token < TOKENS) count = 1;
    const float *inputs = x + token * token_stride;
    for (int32_t row = tile_begin * CVAR_TILE_ROWS; row < row_end; row++) {
      float acc[TOKENS];
      // Of a number that the compiler knows, sums stay in registers.
      if (count == TOKENS) {
        multiply_row(w, row, inputs, token_stride, segments, segment_stride, TOKENS, acc);
      } else {
        multiply_row(w, row, inputs, token_stride, segments, segment_stride, 1, acc);
      }
      for (int32_t t = 0; t < count; t++) {
        y[(token + t) * y_stride + row] = bias ? acc[t] + bias[row] : acc[t];
      }
    }
  }
}

static void matmul_float(MATMUL_PARAMETERS) {
  multiply(w, x, token_stride, segments, segment_stride, n, bias, y, y_stride, tile_begin,
           tile_end);
}

#if defined(__x86_64__)
// The same where the processor has the instruction: else each fmaf is a call.
__attribute__((target("fma"))) static void matmul_float_fused(MATMUL_PARAMETERS) {
  multiply(w, x, token_stride, segments, segment_stride, n, bias, y, y_stride, tile_begin,
           tile_end);
}
#endif

static void from_f16(const uint16_t *x, float factor, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = f32_from_f16(x[i]) * factor;
}

static void to_f16(const float *x, float factor, uint16_t *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = f16_within_range(x[i] * factor);
}

void cvar_fill_float_scalar(cvar_kernels *kernels) {
  kernels->matmul_float = matmul_float;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("fma")) kernels->matmul_float = matmul_float_fused;
#endif
  kernels->winograd_weights = cvar_winograd_weights_scalar;
  kernels->winograd_input = cvar_winograd_input_scalar;
  kernels->winograd_output = cvar_winograd_output_scalar;
  kernels->rms_norm = cvar_rms_norm_scalar;
  kernels->layer_norm = cvar_layer_norm_scalar;
  kernels->normalize_heads = cvar_normalize_heads_scalar;
  kernels->kv_store = cvar_kv_store_scalar;
  kernels->attention = cvar_attention_scalar;
  kernels->from_f16 = from_f16;
  kernels->to_f16 = to_f16;
  fill_elementwise(kernels);
  kernels->stack_bytes = CVAR_FRAME_BYTES;
}
