#include "float_scalar.h"

#include "half_rows.h"

#define LANES
#include "elementwise.h"

#define MATMUL_PARAMETERS                                                                      \
  const cvar_matrix *w, const float *x, ptrdiff_t token_stride, int32_t segments,              \
      ptrdiff_t segment_stride, int32_t n, const float *bias, float *y, ptrdiff_t y_stride,    \
      int32_t tile_begin, int32_t tile_end

CVAR_INLINE void multiply(MATMUL_PARAMETERS) {
  int32_t run = w->cols / segments;
  int32_t row_end = tile_end * CVAR_TILE_ROWS < w->rows ? tile_end * CVAR_TILE_ROWS : w->rows;
  for (int32_t t = 0; t < n; t++) {
    for (int32_t row = tile_begin * CVAR_TILE_ROWS; row < row_end; row++) {
      float acc = 0;
      for (int32_t segment = 0; segment < segments; segment++) {
        const float *inputs = x + t * token_stride + segment * segment_stride;
        for (int32_t i = 0; i < run; i++) {
          acc = __builtin_fmaf(cvar_float_weight(w, row, segment * run + i), inputs[i], acc);
        }
      }
      y[t * y_stride + row] = bias ? acc + bias[row] : acc;
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
