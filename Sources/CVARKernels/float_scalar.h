#pragma once
#include "fill.h"
#include "math_inline.h"

// The plain float kernels: the reference that every other instruction set equals bit for bit.

// The weight at (row, k) of a float matrix; rows that a last tile lacks are there too, as zeros.
CVAR_INLINE float cvar_float_weight(const cvar_matrix *w, int32_t row, int32_t k) {
  size_t tile = (size_t)(row / CVAR_TILE_ROWS);
  size_t index = (tile * (size_t)w->cols + (size_t)k) * CVAR_TILE_ROWS;
  index += (size_t)(row % CVAR_TILE_ROWS);
  switch (w->type) {
    case CVAR_F16: return f32_from_f16(((const uint16_t *)w->codes)[index]);
    case CVAR_BF16: return f32_from_bf16(((const uint16_t *)w->codes)[index]);
    default: return ((const float *)w->codes)[index];
  }
}

// Sum of 16 partials by pairwise halves; overwrites them.
float cvar_sum_partials(float partial[16]);

void cvar_rms_norm_scalar(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                          const float *weight, float eps, float *y, ptrdiff_t y_stride);
void cvar_layer_norm_scalar(const float *x, ptrdiff_t x_stride, int32_t n, int32_t cols,
                            const float *weight, const float *bias, float eps, float *y,
                            ptrdiff_t y_stride);
void cvar_normalize_heads_scalar(float *x, ptrdiff_t x_stride, int32_t n, int32_t heads,
                                 int32_t head_dim, const float *head_scale);
void cvar_kv_store_scalar(const cvar_kv *kv, int32_t position, int32_t n, const float *k,
                          ptrdiff_t k_stride, const float *v, ptrdiff_t v_stride);
void cvar_attention_scalar(const cvar_kv *kv, const float *q, ptrdiff_t q_stride, int32_t n,
                           int32_t heads, int32_t head_begin, int32_t head_end, int32_t kv_length,
                           int32_t causal, float scale, float *out, ptrdiff_t out_stride);
void cvar_winograd_weights_scalar(const cvar_matrix *w, float *u, int32_t tile_begin,
                                  int32_t tile_end);
void cvar_winograd_input_scalar(const float *x, ptrdiff_t row_stride, int32_t channels,
                                int32_t rows, int32_t cols, int32_t patches, float *v,
                                ptrdiff_t position_stride);
void cvar_winograd_output_scalar(const float *m, ptrdiff_t position_stride, int32_t channels,
                                 int32_t patches, const float *bias, int32_t rows, int32_t cols,
                                 float *y, ptrdiff_t row_stride);
