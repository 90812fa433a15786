#pragma once
#include "float_lanes.h"

CVAR_INLINE void store_run(int32_t type, void *base, size_t index, const float *x, int32_t count) {
  if (type == CVAR_F16) {
    uint16_t *to = (uint16_t *)base + index;
    LANES
    for (int32_t i = 0; i < count; i++) to[i] = f16_from_f32(x[i]);
  } else {
    __builtin_memcpy((float *)base + index, x, (size_t)count * sizeof *x);
  }
}

// `count` keys of one head into one block from the position `offset` in it; turns 8 columns at a
// time.
CVAR_INLINE void store_keys(const cvar_kv *kv, size_t block, int32_t offset, int32_t count,
                            const float *k, ptrdiff_t k_stride) {
  for (int32_t d = 0; d < kv->head_dim; d += 8) {
    float columns[8][CVAR_ATTENTION_BLOCK];
    for (int32_t t = 0; t < count; t++) {
      for (int32_t i = 0; i < 8; i++) columns[i][t] = k[t * k_stride + d + i];
    }
    for (int32_t i = 0; i < 8; i++) {
      size_t index = block + (size_t)((d + i) * CVAR_ATTENTION_BLOCK + offset);
      store_run(kv->type, kv->keys, index, columns[i], count);
    }
  }
}

static void kv_store(const cvar_kv *kv, int32_t position, int32_t n, const float *k,
                     ptrdiff_t k_stride, const float *v, ptrdiff_t v_stride) {
  const size_t head_elements = (size_t)kv->capacity * (size_t)kv->head_dim;
  for (int32_t h = 0; h < kv->kv_heads; h++) {
    const float *head_k = k + (ptrdiff_t)h * kv->head_dim;
    const float *head_v = v + (ptrdiff_t)h * kv->head_dim;
    const size_t base = (size_t)h * head_elements;
    for (int32_t t = 0; t < n;) {
      int32_t offset = (position + t) % CVAR_ATTENTION_BLOCK;
      int32_t count = CVAR_ATTENTION_BLOCK - offset;
      count = count < n - t ? count : n - t;
      size_t block = base + (size_t)(position + t - offset) * (size_t)kv->head_dim;
      store_keys(kv, block, offset, count, head_k + t * k_stride, k_stride);
      t += count;
    }
    for (int32_t t = 0; t < n; t++) {
      size_t index = base + (size_t)(position + t) * (size_t)kv->head_dim;
      store_run(kv->type, kv->values, index, head_v + t * v_stride, kv->head_dim);
    }
  }
}
