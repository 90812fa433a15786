#include "float_scalar.h"
#include "math_inline.h"
#include "quantized.h"

enum { BLOCK = CVAR_ATTENTION_BLOCK, GROUP = CVAR_KEY_GROUP };

static const cvar_kv_run *find_run(const cvar_kv *kv, int32_t position, int32_t *at) {
  int is_tail = position >= kv->body.capacity;
  *at = is_tail ? position - kv->body.capacity : position;
  return is_tail ? &kv->tail : &kv->body;
}

static size_t key_index(const cvar_kv *kv, const cvar_kv_run *run, int32_t head, int32_t at,
                        int32_t d) {
  size_t group = (size_t)head * (size_t)(run->capacity / GROUP) + (size_t)(at / GROUP);
  return (group * (size_t)kv->head_dim + (size_t)d) * GROUP + (size_t)(at % GROUP);
}

static size_t scale_index(const cvar_kv_run *run, int32_t head, int32_t at) {
  return (size_t)head * (size_t)run->capacity + (size_t)at;
}

static size_t value_index(const cvar_kv *kv, const cvar_kv_run *run, int32_t head, int32_t at,
                          int32_t d) {
  return scale_index(run, head, at) * (size_t)kv->head_dim + (size_t)d;
}

// What the rotated bias adds to a key; 0 without one.
static float key_offset(const cvar_kv *kv, int32_t head, int32_t position, int32_t d) {
  if (!kv->key_bias) return 0;
  int32_t half = kv->head_dim / 2, i = d % half;
  const float *bias = kv->key_bias + (ptrdiff_t)head * kv->head_dim;
  ptrdiff_t at = ((ptrdiff_t)(position / GROUP) * half + i) * GROUP + position % GROUP;
  float a = bias[i], b = bias[i + half], c = kv->cos[at], s = kv->sin[at];
  return d < half ? __builtin_fmaf(a, c, -(b * s)) : __builtin_fmaf(a, s, b * c);
}

static void store(const cvar_kv *kv, void *base, size_t index, float x) {
  if (kv->type == CVAR_F16) {
    ((uint16_t *)base)[index] = f16_from_f32(x);
  } else {
    ((float *)base)[index] = x;
  }
}

static float load(const cvar_kv *kv, const void *base, size_t index) {
  return kv->type == CVAR_F16 ? f32_from_f16(((const uint16_t *)base)[index])
                              : ((const float *)base)[index];
}

static float load_key(const cvar_kv *kv, int32_t head, int32_t position, int32_t d) {
  int32_t at;
  const cvar_kv_run *run = find_run(kv, position, &at);
  size_t index = key_index(kv, run, head, at, d);
  if (kv->type != CVAR_INT8) return load(kv, run->keys, index);
  float code = ((const int8_t *)run->keys)[index];
  float scale = run->key_scales[scale_index(run, head, at)];
  return kv->key_bias ? __builtin_fmaf(code, scale, key_offset(kv, head, position, d))
                      : code * scale;
}

static float load_value(const cvar_kv *kv, int32_t head, int32_t position, int32_t d) {
  int32_t at;
  const cvar_kv_run *run = find_run(kv, position, &at);
  size_t index = value_index(kv, run, head, at, d);
  if (kv->type != CVAR_INT8) return load(kv, run->values, index);
  return ((const int8_t *)run->values)[index] * run->value_scales[scale_index(run, head, at)];
}

static void store_codes(const cvar_kv *kv, int32_t head, int32_t position, const float *k,
                        const float *v) {
  int32_t at, sum, head_dim = kv->head_dim;
  const cvar_kv_run *run = find_run(kv, position, &at);
  float key[CVAR_MAX_HEAD_DIM] = {0};
  int8_t codes[CVAR_MAX_HEAD_DIM];
  for (int32_t d = 0; d < head_dim; d++) key[d] = k[d] - key_offset(kv, head, position, d);
  cvar_quantize_activations_scalar(key, head_dim, 1, head_dim, head_dim, codes,
                                   run->key_scales + scale_index(run, head, at), &sum);
  for (int32_t d = 0; d < head_dim; d++) {
    ((int8_t *)run->keys)[key_index(kv, run, head, at, d)] = codes[d];
  }
  cvar_quantize_activations_scalar(v, head_dim, 1, head_dim, head_dim,
                                   (int8_t *)run->values + value_index(kv, run, head, at, 0),
                                   run->value_scales + scale_index(run, head, at), &sum);
}

void cvar_kv_store_scalar(const cvar_kv *kv, int32_t position, int32_t n, const float *k,
                          ptrdiff_t k_stride, const float *v, ptrdiff_t v_stride) {
  for (int32_t t = 0; t < n; t++, k += k_stride, v += v_stride) {
    for (int32_t h = 0; h < kv->kv_heads; h++) {
      const float *head_k = k + (ptrdiff_t)h * kv->head_dim;
      const float *head_v = v + (ptrdiff_t)h * kv->head_dim;
      if (kv->type == CVAR_INT8) {
        store_codes(kv, h, position + t, head_k, head_v);
        continue;
      }
      int32_t at;
      const cvar_kv_run *run = find_run(kv, position + t, &at);
      for (int32_t d = 0; d < kv->head_dim; d++) {
        store(kv, run->keys, key_index(kv, run, h, at, d), head_k[d]);
        store(kv, run->values, value_index(kv, run, h, at, d), head_v[d]);
      }
    }
  }
}

// The online softmax of one query. Before the first block: m = -infinity, l = 0, a[d] = 0. Per
// block:
//   s[j] = scale * sum over d ascending of q[d] k[j][d]   (fma from 0, then one product)
//   M = max(m, s[0], s[1], ...), c = exp(m - M), p[j] = exp(s[j] - M)
//   l = fma(l, c, sum of p by 16 strided partials and the tree of the norms)
//   a[d] = a[d] * c, then a[d] = fma(p[j], v[j][d], a[d]) over j ascending; m = M
// At the end out[d] = a[d] / l. A block's keys past the length count as p[j] = 0 in the sum and are
// left out elsewhere. A query without keys gives 0.
static void attend(const cvar_kv *kv, int32_t kv_head, const float *q, int32_t length, float scale,
                   float *out) {
  float m = -__builtin_inff(), l = 0;
  float a[CVAR_MAX_HEAD_DIM] = {0};
  for (int32_t begin = 0; begin < length; begin += BLOCK) {
    int32_t count = length - begin < BLOCK ? length - begin : BLOCK;
    float s[BLOCK];
    float block_max = m;
    for (int32_t j = 0; j < count; j++) {
      float dot = 0;
      for (int32_t d = 0; d < kv->head_dim; d++) {
        dot = __builtin_fmaf(q[d], load_key(kv, kv_head, begin + j, d), dot);
      }
      s[j] = dot * scale;
      block_max = s[j] > block_max ? s[j] : block_max;
    }
    float c = exp_f32(m - block_max);
    float partial[16] = {0};
    for (int32_t j = 0; j < count; j++) {
      s[j] = exp_f32(s[j] - block_max);
      partial[j % 16] += s[j];
    }
    l = __builtin_fmaf(l, c, cvar_sum_partials(partial));
    for (int32_t d = 0; d < kv->head_dim; d++) {
      a[d] *= c;
      for (int32_t j = 0; j < count; j++) {
        a[d] = __builtin_fmaf(s[j], load_value(kv, kv_head, begin + j, d), a[d]);
      }
    }
    m = block_max;
  }
  for (int32_t d = 0; d < kv->head_dim; d++) out[d] = length > 0 ? a[d] / l : 0;
}

void cvar_attention_scalar(const cvar_kv *kv, const float *q, ptrdiff_t q_stride, int32_t n,
                           int32_t heads, int32_t head_begin, int32_t head_end, int32_t kv_length,
                           int32_t causal, float scale, float *out, ptrdiff_t out_stride) {
  int32_t heads_per_kv_head = heads / kv->kv_heads;
  for (int32_t i = 0; i < n; i++) {
    for (int32_t h = head_begin; h < head_end; h++) {
      ptrdiff_t column = (ptrdiff_t)h * kv->head_dim;
      attend(kv, h / heads_per_kv_head, q + i * q_stride + column, kv_length + (causal ? i : 0),
             scale, out + i * out_stride + column);
    }
  }
}
