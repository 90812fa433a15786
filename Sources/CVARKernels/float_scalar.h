#pragma once
#include "fill.h"

// The plain float kernels: the reference that every other instruction set equals bit for bit.

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
