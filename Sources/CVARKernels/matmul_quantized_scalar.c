#include "quantized.h"

// acc and the products of one group of inputs.
static float add_group(const cvar_matrix *w, int32_t row, int32_t group, const int8_t *codes,
                       float activation_scale, float acc) {
  int32_t tile = row / CVAR_TILE_ROWS, lane = row % CVAR_TILE_ROWS, sum = 0;
  for (int32_t k = 0; k < w->group_size; k++) {
    sum += cvar_weight_code(w, tile, lane, group * w->group_size + k) * codes[k];
  }
  float scale = cvar_weight_scale(w, tile, group, lane) * activation_scale;
  return __builtin_fmaf((float)sum, scale, acc);
}

void cvar_matmul_quantized_scalar(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                  const int32_t *sums, int32_t n, const float *bias, float *y,
                                  ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  (void)sums;  // only for the instruction sets that bias the weights
  int32_t groups = w->cols / w->group_size;
  int32_t row_end = cvar_min_i32(tile_end * CVAR_TILE_ROWS, w->rows);
  for (int32_t token = 0; token < n; token++) {
    for (int32_t row = tile_begin * CVAR_TILE_ROWS; row < row_end; row++) {
      float acc = 0;
      for (int32_t group = 0; group < groups; group++) {
        ptrdiff_t index = (ptrdiff_t)token * groups + group;
        acc = add_group(w, row, group, codes + index * w->group_size, scales[index], acc);
      }
      y[token * y_stride + row] = bias ? acc + bias[row] : acc;
    }
  }
}

void cvar_convolve_quantized_scalar(const cvar_matrix *w, const cvar_code_map *map,
                                    const float *bias, float *y, ptrdiff_t y_row_stride,
                                    int32_t tile_begin, int32_t tile_end) {
  int32_t run = w->cols / 3, run_groups = run / w->group_size;
  int32_t row_end = cvar_min_i32(tile_end * CVAR_TILE_ROWS, w->rows);
  for (int32_t pixel = 0; pixel < map->height * map->width; pixel++) {
    ptrdiff_t y_pos = pixel / map->width, x_pos = pixel % map->width;
    for (int32_t row = tile_begin * CVAR_TILE_ROWS; row < row_end; row++) {
      float acc = 0;
      for (int32_t ky = 0; ky < 3; ky++) {
        ptrdiff_t at = y_pos * map->row_stride + x_pos * map->pixel_stride + ky * map->kernel_stride;
        for (int32_t group = 0; group < run_groups; group++) {
          acc = add_group(w, row, ky * run_groups + group, map->codes + at + group * w->group_size,
                          map->scales[at / w->group_size + group], acc);
        }
      }
      y[y_pos * y_row_stride + x_pos * w->rows + row] = bias ? acc + bias[row] : acc;
    }
  }
}
