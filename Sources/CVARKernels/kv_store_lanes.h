#pragma once
#include "elementwise.h"
#include "kv_cache.h"
#include "quantized.h"

CVAR_INLINE void store_run(int32_t type, void *base, size_t index, const float *x, int32_t count) {
  if (type == CVAR_F16) {
    uint16_t *to = (uint16_t *)base + index;
    LANES
    for (int32_t i = 0; i < count; i++) to[i] = f16_from_f32(x[i]);
  } else {
    __builtin_memcpy((float *)base + index, x, (size_t)count * sizeof *x);
  }
}

// `count` keys of one head into one group from the position `offset` in it; turns 8 columns at a
// time.
CVAR_INLINE void store_keys(const cvar_kv *kv, void *keys, size_t group, int32_t offset,
                            int32_t count, const float *k, ptrdiff_t k_stride) {
  for (int32_t d = 0; d < kv->head_dim; d += 8) {
    float columns[8][GROUP];
    for (int32_t t = 0; t < count; t++) {
      for (int32_t i = 0; i < 8; i++) columns[i][t] = k[t * k_stride + d + i];
    }
    for (int32_t i = 0; i < 8; i++) {
      size_t index = group + (size_t)((d + i) * GROUP + offset);
      store_run(kv->type, keys, index, columns[i], count);
    }
  }
}

// The rule of quantize_activations for one head, whose last vector may be half a one.
static float quantize_head(const float *x, int32_t count, int8_t *codes) {
  uint32_t best[16] = {0};
  for (int32_t begin = 0; begin < count; begin += 16) {
    int32_t lanes = count - begin < 16 ? count - begin : 16;
    LANES
    for (int32_t i = 0; i < lanes; i++) {
      uint32_t bits = bits_of_f32(x[begin + i]) & CVAR_MAGNITUDE_BITS;
      best[i] = bits > best[i] ? bits : best[i];
    }
  }
  uint32_t max_bits = best[0];
  for (int32_t i = 1; i < 16; i++) max_bits = best[i] > max_bits ? best[i] : max_bits;
  float max = f32_of_bits(max_bits);
  int is_zero = max < CVAR_ACTIVATION_ZERO;
  float inverse = is_zero ? 0 : 127.0f / max;
  LANES
  for (int32_t i = 0; i < count; i++) {
    float code = x[i] * inverse;
    code = code < 127.0f ? code : 127.0f;
    code = code > -127.0f ? code : -127.0f;
    codes[i] = (int8_t)cvar_round_to_int(code);
  }
  return is_zero ? 0 : max / 127.0f;
}

// Takes the rotated bias of a position away from a key.
CVAR_INLINE void subtract_bias(const cvar_kv *kv, int32_t head, int32_t position, float *key) {
  const int32_t half = kv->head_dim / 2;
  const float *bias = kv->key_bias + (ptrdiff_t)head * kv->head_dim;
  const ptrdiff_t at = (ptrdiff_t)(position / GROUP) * half * GROUP + position % GROUP;
  for (int32_t i = 0; i < half; i++) {
    float low = bias[i], high = bias[i + half];
    rotate(&low, &high, kv->cos[at + i * GROUP], kv->sin[at + i * GROUP]);
    key[i] -= low;
    key[i + half] -= high;
  }
}

// One key and value of a head. `position` counts from the sequence's first, `at` from the run's.
CVAR_INLINE void store_codes(const cvar_kv *kv, const cvar_kv_run *run, int32_t head,
                             int32_t position, int32_t at, const float *k, const float *v) {
  float key[CVAR_MAX_HEAD_DIM];
  int8_t codes[CVAR_MAX_HEAD_DIM];
  const size_t scale = scale_index(run, head, at);
  __builtin_memcpy(key, k, (size_t)kv->head_dim * sizeof *key);
  if (kv->key_bias) subtract_bias(kv, head, position, key);
  run->key_scales[scale] = quantize_head(key, kv->head_dim, codes);
  int8_t *keys = (int8_t *)run->keys + key_group_index(kv, run, head, at) + at % GROUP;
  for (int32_t d = 0; d < kv->head_dim; d++) keys[d * GROUP] = codes[d];
  int8_t *values = (int8_t *)run->values + scale * (size_t)kv->head_dim;
  run->value_scales[scale] = quantize_head(v, kv->head_dim, values);
}

static void kv_store(const cvar_kv *kv, int32_t position, int32_t n, const float *k,
                     ptrdiff_t k_stride, const float *v, ptrdiff_t v_stride) {
  for (int32_t begin = 0, count; begin < n; begin += count) {
    int32_t at = position + begin;
    const cvar_kv_run *run = find_run(kv, &at);
    count = GROUP - at % GROUP;
    count = count < n - begin ? count : n - begin;
    for (int32_t h = 0; h < kv->kv_heads; h++) {
      const float *head_k = k + begin * k_stride + (ptrdiff_t)h * kv->head_dim;
      const float *head_v = v + begin * v_stride + (ptrdiff_t)h * kv->head_dim;
      if (kv->type == CVAR_INT8) {
        for (int32_t t = 0; t < count; t++) {
          store_codes(kv, run, h, position + begin + t, at + t, head_k + t * k_stride,
                      head_v + t * v_stride);
        }
        continue;
      }
      size_t group = key_group_index(kv, run, h, at);
      store_keys(kv, run->keys, group, at % GROUP, count, head_k, k_stride);
      for (int32_t t = 0; t < count; t++) {
        size_t index = scale_index(run, h, at + t) * (size_t)kv->head_dim;
        store_run(kv->type, run->values, index, head_v + t * v_stride, kv->head_dim);
      }
    }
  }
}
