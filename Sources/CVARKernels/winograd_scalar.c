#include "float_scalar.h"
#include "math_inline.h"

#define LANE float
#define LANE_SPLAT(x) (x)
#define LANE_FMA(a, b, c) __builtin_fmaf(a, b, c)
#include "winograd_transforms.h"

void cvar_winograd_weights_scalar(const cvar_matrix *w, float *u, int32_t tile_begin,
                                  int32_t tile_end) {
  int32_t channels = w->cols / 9, tiles = (w->rows + 15) / 16;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    for (int32_t lane = 0; lane < channels * 16; lane++) {
      int32_t channel = lane / 16;
      float columns[3][6];
      for (int32_t kx = 0; kx < 3; kx++) {
        float g[3];
        for (int32_t ky = 0; ky < 3; ky++) {
          g[ky] = cvar_float_weight(w, tile * 16 + lane % 16,
                                     (ky * 3 + kx) * channels + channel);
        }
        winograd_weights_axis(g, columns[kx]);
      }
      for (int32_t i = 0; i < 6; i++) {
        float row[3] = {columns[0][i], columns[1][i], columns[2][i]}, out[6];
        winograd_weights_axis(row, out);
        for (int32_t j = 0; j < 6; j++) {
          size_t matrix = (size_t)(i * 6 + j) * (size_t)tiles + (size_t)tile;
          u[matrix * (size_t)channels * 16 + (size_t)lane] = out[j];
        }
      }
    }
  }
}

void cvar_winograd_input_scalar(const float *x, ptrdiff_t row_stride, int32_t channels,
                                int32_t rows, int32_t cols, int32_t patches, float *v,
                                ptrdiff_t position_stride) {
  for (int32_t patch = 0; patch < patches; patch++) {
    for (int32_t channel = 0; channel < channels; channel++) {
      float columns[6][6];
      for (int32_t kx = 0; kx < 6; kx++) {
        float d[6];
        for (int32_t ky = 0; ky < 6; ky++) {
          ptrdiff_t at = ky * row_stride + (ptrdiff_t)(4 * patch + kx) * channels + channel;
          d[ky] = ky < rows && 4 * patch + kx < cols ? x[at] : 0;
        }
        winograd_input_axis(d, columns[kx]);
      }
      for (int32_t i = 0; i < 6; i++) {
        float row[6], out[6];
        for (int32_t kx = 0; kx < 6; kx++) row[kx] = columns[kx][i];
        winograd_input_axis(row, out);
        for (int32_t j = 0; j < 6; j++) {
          v[(i * 6 + j) * position_stride + (ptrdiff_t)patch * channels + channel] = out[j];
        }
      }
    }
  }
}

void cvar_winograd_output_scalar(const float *m, ptrdiff_t position_stride, int32_t channels,
                                 int32_t patches, const float *bias, int32_t rows, int32_t cols,
                                 float *y, ptrdiff_t row_stride) {
  for (int32_t patch = 0; patch < patches; patch++) {
    for (int32_t channel = 0; channel < channels; channel++) {
      float columns[6][4];
      for (int32_t j = 0; j < 6; j++) {
        float products[6];
        for (int32_t i = 0; i < 6; i++) {
          products[i] = m[(i * 6 + j) * position_stride + (ptrdiff_t)patch * channels + channel];
        }
        winograd_output_axis(products, columns[j]);
      }
      for (int32_t i = 0; i < 4; i++) {
        float row[6], out[4];
        for (int32_t j = 0; j < 6; j++) row[j] = columns[j][i];
        winograd_output_axis(row, out);
        for (int32_t j = 0; j < 4; j++) {
          if (i >= rows || 4 * patch + j >= cols) continue;
          float value = out[j] + (bias ? bias[channel] : 0);
          y[i * row_stride + (ptrdiff_t)(4 * patch + j) * channels + channel] = value;
        }
      }
    }
  }
}
