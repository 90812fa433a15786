#include "float_scalar.h"

#include "half_rows.h"

#define LANES
#include "elementwise.h"

static void matmul_float(const cvar_matrix *w, const float *x, ptrdiff_t token_stride,
                         int32_t segments, ptrdiff_t segment_stride, int32_t n, const float *bias,
                         float *y, ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  int32_t run = w->cols / segments;
  int32_t row_end = tile_end * CVAR_TILE_ROWS < w->rows ? tile_end * CVAR_TILE_ROWS : w->rows;
  for (int32_t t = 0; t < n; t++) {
    for (int32_t row = tile_begin * CVAR_TILE_ROWS; row < row_end; row++) {
      float acc = 0;
      for (int32_t k = 0; k < w->cols; k++) {
        float input = x[t * token_stride + k / run * segment_stride + k % run];
        acc = __builtin_fmaf(cvar_float_weight(w, row, k), input, acc);
      }
      y[t * y_stride + row] = bias ? acc + bias[row] : acc;
    }
  }
}

static void from_f16(const uint16_t *x, float factor, float *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = f32_from_f16(x[i]) * factor;
}

static void to_f16(const float *x, float factor, uint16_t *y, size_t count) {
  for (size_t i = 0; i < count; i++) y[i] = f16_within_range(x[i] * factor);
}

void cvar_fill_float_scalar(cvar_kernels *kernels) {
  kernels->matmul_float = matmul_float;
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
