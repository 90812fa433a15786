#include "float_scalar.h"
#include "math_inline.h"

// Pairwise halves: i and i + 8, then + 4, + 2, + 1.
float cvar_sum_partials(float partial[16]) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) partial[i] += partial[i + half];
  }
  return partial[0];
}

static float sum_of_squares(const float *x, int32_t count, float shift) {
  float partial[16] = {0};
  for (int32_t i = 0; i < count; i++) {
    float d = x[i] - shift;
    partial[i % 16] = __builtin_fmaf(d, d, partial[i % 16]);
  }
  return cvar_sum_partials(partial);
}

static float sum(const float *x, int32_t count) {
  float partial[16] = {0};
  for (int32_t i = 0; i < count; i++) partial[i % 16] += x[i];
  return cvar_sum_partials(partial);
}

void cvar_rms_norm_scalar(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                          const float *weight, float eps, float *y, ptrdiff_t y_stride) {
  for (int32_t t = 0; t < n; t++, x += x_stride, y += y_stride) {
    float mean = sum_of_squares(x, cols, 0) / (float)cols;
    float inverse = 1.0f / __builtin_sqrtf(mean + eps);
    for (int32_t i = 0; i < cols; i++) y[i] = x[i] * inverse * weight[i];
  }
}

void cvar_layer_norm_scalar(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                            const float *weight, const float *bias, float eps, float *y,
                            ptrdiff_t y_stride) {
  for (int32_t t = 0; t < n; t++, x += x_stride, y += y_stride) {
    float mean = sum(x, cols) / (float)cols;
    float variance = sum_of_squares(x, cols, mean) / (float)cols;
    float inverse = 1.0f / __builtin_sqrtf(variance + eps);
    for (int32_t i = 0; i < cols; i++) {
      float w = weight ? weight[i] : 1.0f;
      float b = bias ? bias[i] : 0.0f;
      y[i] = __builtin_fmaf((x[i] - mean) * inverse, w, b);
    }
  }
}

void cvar_normalize_heads_scalar(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads,
                                 int32_t head_dim, const float *head_scale) {
  for (int32_t t = 0; t < n; t++, x += x_stride) {
    for (int32_t h = 0; h < heads; h++) {
      float *head = x + (ptrdiff_t)h * head_dim;
      float norm = __builtin_sqrtf(sum_of_squares(head, head_dim, 0));
      norm = norm > 1e-12f ? norm : 1e-12f;
      float scale = head_scale ? head_scale[h] : 1.0f;
      for (int32_t i = 0; i < head_dim; i++) head[i] = head[i] / norm * scale;
    }
  }
}
