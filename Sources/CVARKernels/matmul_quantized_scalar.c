#include "quantized.h"

// Tokens that share decoded weights, and weights that are decoded at a time.
enum { TOKENS = 16, DECODED = 64 };

// Adds the products of one group of a row's weights with the inputs of each of some tokens.
static void add_products(const cvar_matrix *w, int32_t row, int32_t group, const int8_t *inputs,
                         ptrdiff_t token_stride, int32_t n, int32_t *sums) {
  for (int32_t begin = 0; begin < w->group_size; begin += DECODED) {
    int32_t count = cvar_min_i32(DECODED, w->group_size - begin);
    int8_t weights[DECODED];
    for (int32_t k = 0; k < count; k++) {
      weights[k] = (int8_t)cvar_weight_code(w, row / CVAR_TILE_ROWS, row % CVAR_TILE_ROWS,
                                            group * w->group_size + begin + k);
    }
    for (int32_t t = 0; t < n; t++) {
      const int8_t *codes = inputs + t * token_stride + begin;
      for (int32_t k = 0; k < count; k++) sums[t] += weights[k] * codes[k];
    }
  }
}

static float group_scale(const cvar_matrix *w, int32_t row, int32_t group) {
  return cvar_weight_scale(w, row / CVAR_TILE_ROWS, group, row % CVAR_TILE_ROWS);
}

void cvar_matmul_quantized_scalar(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                  const int32_t *sums, int32_t n, const float *bias, float *y,
                                  ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  (void)sums;  // only for the instruction sets that bias the weights
  int32_t groups = w->cols / w->group_size;
  int32_t row_end = cvar_min_i32(tile_end * CVAR_TILE_ROWS, w->rows);
  for (ptrdiff_t token = 0; token < n; token += TOKENS) {
    int32_t count = cvar_min_i32(TOKENS, n - (int32_t)token);
    for (int32_t row = tile_begin * CVAR_TILE_ROWS; row < row_end; row++) {
      float acc[TOKENS] = {0};
      for (int32_t group = 0; group < groups; group++) {
        int32_t products[TOKENS] = {0};
        add_products(w, row, group, codes + token * w->cols + group * w->group_size, w->cols, count,
                     products);
        float scale = group_scale(w, row, group);
        for (int32_t t = 0; t < count; t++) {
          float both = scale * scales[(token + t) * groups + group];
          acc[t] = __builtin_fmaf((float)products[t], both, acc[t]);
        }
      }
      for (int32_t t = 0; t < count; t++) {
        y[(token + t) * y_stride + row] = bias ? acc[t] + bias[row] : acc[t];
      }
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
          int32_t products = 0;
          add_products(w, row, ky * run_groups + group, map->codes + at + group * w->group_size, 0,
                       1, &products);
          float scale = group_scale(w, row, ky * run_groups + group);
          float both = scale * map->scales[at / w->group_size + group];
          acc = __builtin_fmaf((float)products, both, acc);
        }
      }
      y[y_pos * y_row_stride + x_pos * w->rows + row] = bias ? acc + bias[row] : acc;
    }
  }
}
