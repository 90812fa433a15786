#pragma once
#include "kv_cache.h"

// A block of keys and values as floats: in place where they are stored as such, else converted, once
// for all queries that look at it.

enum {
  BLOCK = CVAR_ATTENTION_BLOCK,
  BLOCK_GROUPS = BLOCK / GROUP,
};

typedef struct attention_block {
  // Per group of 16 keys. A group without a key that counts stands for another one's.
  const float *keys[BLOCK_GROUPS];    // [head_dim][16]
  const float *values[BLOCK_GROUPS];  // [16][head_dim]
} attention_block;

typedef struct block_scratch {
  _Alignas(64) float keys[BLOCK_GROUPS][CVAR_MAX_HEAD_DIM * GROUP];
  _Alignas(64) float values[BLOCK_GROUPS][CVAR_MAX_HEAD_DIM * GROUP];
} block_scratch;

typedef int8_t s8x16 __attribute__((vector_size(16)));

CVAR_INLINE v16 load_codes(const int8_t *p) {
  s8x16 codes;
  __builtin_memcpy(&codes, p, sizeof codes);
  return __builtin_convertvector(codes, v16);
}

// 16 numbers a time; a count that is no multiple of it is one of 8.
static void floats_of_f16(const uint16_t *x, int32_t count, float *y) {
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) store_f32(y + i, load_f16(x + i));
  for (; i < count; i++) y[i] = f32_from_f16(x[i]);
}

// code * scale of one head's values.
static void floats_of_codes(const int8_t *codes, int32_t count, float scale, float *y) {
  int32_t i = 0;
  for (; i + 16 <= count; i += 16) store_f32(y + i, load_codes(codes + i) * splat(scale));
  for (; i < count; i++) y[i] = (float)codes[i] * scale;
}

// A group of keys [head_dim][16]. `bias` is the head's or NULL; cos and sin are the group's.
static void floats_of_key_codes(const int8_t *codes, int32_t head_dim, const float *scales,
                                const float *bias, const float *cos, const float *sin, float *y) {
  const v16 scale = load_f32(scales);
  if (!bias) {
    for (int32_t d = 0; d < head_dim; d++) {
      store_f32(y + d * GROUP, load_codes(codes + d * GROUP) * scale);
    }
    return;
  }
  const int32_t half = head_dim / 2;
  for (int32_t i = 0; i < half; i++) {
    v16 c = load_f32(cos + i * GROUP), s = load_f32(sin + i * GROUP);
    v16 a = splat(bias[i]), b = splat(bias[i + half]);
    v16 low = fma16(a, c, -(b * s)), high = fma16(a, s, b * c);
    const int32_t at = i * GROUP, at_half = (i + half) * GROUP;
    store_f32(y + at, fma16(load_codes(codes + at), scale, low));
    store_f32(y + at_half, fma16(load_codes(codes + at_half), scale, high));
  }
}

// The group that begins at a position of the sequence, of which `count` keys are wanted.
static void load_group(const cvar_kv *kv, int32_t kv_head, int32_t position, int32_t count,
                       int32_t group, attention_block *block, block_scratch *scratch) {
  const int32_t head_dim = kv->head_dim, elements = head_dim * GROUP;
  int32_t at = position;
  const cvar_kv_run *run = find_run(kv, &at);
  const size_t key_index = key_group_index(kv, run, kv_head, at);
  const size_t scale = scale_index(run, kv_head, at);
  const size_t value_index = scale * (size_t)head_dim;
  if (kv->type == CVAR_F32) {
    block->keys[group] = (const float *)run->keys + key_index;
    block->values[group] = (const float *)run->values + value_index;
    return;
  }
  float *keys = scratch->keys[group], *values = scratch->values[group];
  block->keys[group] = keys;
  block->values[group] = values;
  if (kv->type == CVAR_F16) {
    floats_of_f16((const uint16_t *)run->keys + key_index, elements, keys);
    floats_of_f16((const uint16_t *)run->values + value_index, count * head_dim, values);
    return;
  }
  const float *bias = kv->key_bias ? kv->key_bias + (ptrdiff_t)kv_head * head_dim : NULL;
  const ptrdiff_t table = bias ? (ptrdiff_t)(position / GROUP) * (elements / 2) : 0;
  floats_of_key_codes((const int8_t *)run->keys + key_index, head_dim, run->key_scales + scale,
                      bias, bias ? kv->cos + table : NULL, bias ? kv->sin + table : NULL, keys);
  const int8_t *codes = (const int8_t *)run->values + value_index;
  for (int32_t j = 0; j < count; j++) {
    floats_of_codes(codes + j * head_dim, head_dim, run->value_scales[scale + (size_t)j],
                    values + j * head_dim);
  }
}

// The block that begins at a position, of which `count` keys, at least 1, are wanted.
static void load_block(const cvar_kv *kv, int32_t kv_head, int32_t begin, int32_t count,
                       attention_block *block, block_scratch *scratch) {
  for (int32_t group = 0; group < BLOCK_GROUPS; group++) {
    int32_t left = count - group * GROUP;
    if (left > 0) {
      load_group(kv, kv_head, begin + group * GROUP, left < GROUP ? left : GROUP, group, block,
                 scratch);
    } else {
      block->keys[group] = block->keys[0];
      block->values[group] = block->values[0];
    }
  }
}
