#pragma once
// Rotations, activations and channel operations: loops without a carried dependency, so that every
// instruction set includes this one text under its own target attribute. LANES stands before a loop
// that may be vectorised although input and output are the same memory.

#include "fill.h"
#include "math_inline.h"

// a cos - b sin and a sin + b cos, the second product of each rounded first.
static void rotate(float *a, float *b, float c, float s) {
  float x = *a, y = *b;
  *a = __builtin_fmaf(x, c, -(y * s));
  *b = __builtin_fmaf(x, s, y * c);
}

static void rope_half(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads, int32_t head_dim,
                      const float *cos, const float *sin) {
  int32_t half = head_dim / 2;
  for (int32_t t = 0; t < n; t++, x += x_stride, cos += half, sin += half) {
    for (int32_t h = 0; h < heads; h++) {
      float *head = x + (ptrdiff_t)h * head_dim;
      LANES
      for (int32_t i = 0; i < half; i++) rotate(&head[i], &head[i + half], cos[i], sin[i]);
    }
  }
}

static void rope_interleaved(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads,
                             int32_t head_dim, const float *cos, const float *sin) {
  int32_t half = head_dim / 2;
  for (int32_t t = 0; t < n; t++, x += x_stride, cos += half, sin += half) {
    for (int32_t h = 0; h < heads; h++) {
      float *head = x + (ptrdiff_t)h * head_dim;
      LANES
      for (int32_t i = 0; i < half; i++) rotate(&head[2 * i], &head[2 * i + 1], cos[i], sin[i]);
    }
  }
}

static void silu(const float *x, float *y, size_t count) {
  LANES
  for (size_t i = 0; i < count; i++) y[i] = silu_f32(x[i]);
}

static void quick_gelu(const float *x, float *y, size_t count) {
  LANES
  for (size_t i = 0; i < count; i++) y[i] = quick_gelu_f32(x[i]);
}

static void gelu_erf(const float *x, float *y, size_t count) {
  LANES
  for (size_t i = 0; i < count; i++) y[i] = gelu_erf_f32(x[i]);
}

static void gelu_tanh(const float *x, float *y, size_t count) {
  LANES
  for (size_t i = 0; i < count; i++) y[i] = gelu_tanh_f32(x[i]);
}

static void silu_multiply(const float *gate, const float *up, float *y, size_t count) {
  LANES
  for (size_t i = 0; i < count; i++) y[i] = silu_f32(gate[i]) * up[i];
}

static void add(float *x, const float *y, size_t count) {
  LANES
  for (size_t i = 0; i < count; i++) x[i] += y[i];
}

static void add_scaled(float *x, ptrdiff_t x_stride, const float *y, ptrdiff_t y_stride, int32_t n,
                       int32_t cols, const float *gain) {
  for (int32_t t = 0; t < n; t++, x += x_stride, y += y_stride) {
    LANES
    for (int32_t i = 0; i < cols; i++) x[i] = __builtin_fmaf(y[i], gain[i], x[i]);
  }
}

// The square of a float is exact in double.
static void channel_sums(const float *x, int32_t pixels, int32_t channels, double *sum,
                         double *sum_of_squares) {
  for (int32_t p = 0; p < pixels; p++, x += channels) {
    LANES
    for (int32_t c = 0; c < channels; c++) {
      sum[c] += (double)x[c];
      sum_of_squares[c] += (double)x[c] * (double)x[c];
    }
  }
}

static void channel_affine(const float *x, int32_t pixels, int32_t channels, const float *scale,
                           const float *shift, int32_t apply_silu, float *y) {
  for (int32_t p = 0; p < pixels; p++, x += channels, y += channels) {
    LANES
    for (int32_t c = 0; c < channels; c++) {
      float value = __builtin_fmaf(x[c], scale[c], shift[c]);
      y[c] = apply_silu ? silu_f32(value) : value;
    }
  }
}

static void fill_elementwise(cvar_kernels *kernels) {
  kernels->rope_half = rope_half;
  kernels->rope_interleaved = rope_interleaved;
  kernels->silu = silu;
  kernels->quick_gelu = quick_gelu;
  kernels->gelu_erf = gelu_erf;
  kernels->gelu_tanh = gelu_tanh;
  kernels->silu_multiply = silu_multiply;
  kernels->add = add;
  kernels->add_scaled = add_scaled;
  kernels->channel_sums = channel_sums;
  kernels->channel_affine = channel_affine;
}
