#pragma once
#include "float_lanes.h"
#include "float_scalar.h"

// Sum of (x - shift)^2, by the reference's 16 strided partials.
CVAR_INLINE float sum_of_squares(const float *x, int32_t count, float shift) {
  v16 acc = splat(0), shifts = splat(shift);
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) {
    v16 d = load_f32(x + i) - shifts;
    acc = fma16(d, d, acc);
  }
  float partial[16];
  store_f32(partial, acc);
  for (int32_t lane = 0; i + lane < count; lane++) {
    float d = x[i + lane] - shift;
    partial[lane] = __builtin_fmaf(d, d, partial[lane]);
  }
  return cvar_sum_partials(partial);
}

CVAR_INLINE float sum(const float *x, int32_t count) {
  v16 acc = splat(0);
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) acc += load_f32(x + i);
  float partial[16];
  store_f32(partial, acc);
  for (int32_t lane = 0; i + lane < count; lane++) partial[lane] += x[i + lane];
  return cvar_sum_partials(partial);
}

static void rms_norm(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                     const float *weight, float eps, float *y, ptrdiff_t y_stride) {
  for (int32_t t = 0; t < n; t++, x += x_stride, y += y_stride) {
    float mean = sum_of_squares(x, cols, 0) / (float)cols;
    float inverse = 1.0f / __builtin_sqrtf(mean + eps);
    LANES
    for (int32_t i = 0; i < cols; i++) y[i] = x[i] * inverse * weight[i];
  }
}

CVAR_INLINE void center(const float *x, int32_t cols, float mean, float inverse,
                        const float *weight, const float *bias, float *y) {
  LANES
  for (int32_t i = 0; i < cols; i++) {
    float w = weight ? weight[i] : 1.0f;
    float b = bias ? bias[i] : 0.0f;
    y[i] = __builtin_fmaf((x[i] - mean) * inverse, w, b);
  }
}

static void layer_norm(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                       const float *weight, const float *bias, float eps, float *y,
                       ptrdiff_t y_stride) {
  for (int32_t t = 0; t < n; t++, x += x_stride, y += y_stride) {
    float mean = sum(x, cols) / (float)cols;
    float variance = sum_of_squares(x, cols, mean) / (float)cols;
    float inverse = 1.0f / __builtin_sqrtf(variance + eps);
    if (weight && bias) {
      center(x, cols, mean, inverse, weight, bias, y);
    } else if (weight) {
      center(x, cols, mean, inverse, weight, NULL, y);
    } else if (bias) {
      center(x, cols, mean, inverse, NULL, bias, y);
    } else {
      center(x, cols, mean, inverse, NULL, NULL, y);
    }
  }
}

static void normalize_heads(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads,
                            int32_t head_dim, const float *head_scale) {
  for (int32_t t = 0; t < n; t++, x += x_stride) {
    for (int32_t h = 0; h < heads; h++) {
      float *head = x + (ptrdiff_t)h * head_dim;
      float norm = __builtin_sqrtf(sum_of_squares(head, head_dim, 0));
      norm = norm > 1e-12f ? norm : 1e-12f;
      float scale = head_scale ? head_scale[h] : 1.0f;
      LANES
      for (int32_t i = 0; i < head_dim; i++) head[i] = head[i] / norm * scale;
    }
  }
}
