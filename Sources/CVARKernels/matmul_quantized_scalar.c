#include "quantized.h"

static float dot_row(const cvar_matrix *w, int32_t tile, int32_t row, const int8_t *codes,
                     const float *scales) {
  float acc = 0;
  for (int32_t group = 0; group < w->cols / w->group_size; group++) {
    int32_t sum = 0;
    for (int32_t k = group * w->group_size; k < (group + 1) * w->group_size; k++) {
      sum += cvar_weight_code(w, tile, row, k) * codes[k];
    }
    float scale = cvar_weight_scale(w, tile, group, row) * scales[group];
    acc = __builtin_fmaf((float)sum, scale, acc);
  }
  return acc;
}

void cvar_matmul_quantized_scalar(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                  const int32_t *sums, int32_t n, const float *bias, float *y,
                                  ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  (void)sums;  // only for the instruction sets that bias the weights
  int32_t groups = w->cols / w->group_size;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    int32_t first_row = tile * CVAR_TILE_ROWS;
    int32_t rows = cvar_min_i32(CVAR_TILE_ROWS, w->rows - first_row);
    for (int32_t token = 0; token < n; token++) {
      for (int32_t row = 0; row < rows; row++) {
        float acc = dot_row(w, tile, row, codes + (ptrdiff_t)token * w->cols,
                            scales + (ptrdiff_t)token * groups);
        if (bias) acc += bias[first_row + row];
        y[token * y_stride + first_row + row] = acc;
      }
    }
  }
}
