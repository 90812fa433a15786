#include "float_scalar.h"
#include "math_inline.h"

enum { BLOCK = CVAR_ATTENTION_BLOCK };

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

static size_t key_index(const cvar_kv *kv, int32_t head, int32_t position, int32_t d) {
  size_t block = (size_t)head * (size_t)(kv->capacity / BLOCK) + (size_t)(position / BLOCK);
  return (block * (size_t)kv->head_dim + (size_t)d) * BLOCK + (size_t)(position % BLOCK);
}

static size_t value_index(const cvar_kv *kv, int32_t head, int32_t position, int32_t d) {
  size_t row = (size_t)head * (size_t)kv->capacity + (size_t)position;
  return row * (size_t)kv->head_dim + (size_t)d;
}

void cvar_kv_store_scalar(const cvar_kv *kv, int32_t position, int32_t n, const float *k,
                          ptrdiff_t k_stride, const float *v, ptrdiff_t v_stride) {
  for (int32_t t = 0; t < n; t++, k += k_stride, v += v_stride) {
    for (int32_t h = 0; h < kv->kv_heads; h++) {
      for (int32_t d = 0; d < kv->head_dim; d++) {
        store(kv, kv->keys, key_index(kv, h, position + t, d), k[h * kv->head_dim + d]);
        store(kv, kv->values, value_index(kv, h, position + t, d), v[h * kv->head_dim + d]);
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
        dot = __builtin_fmaf(q[d], load(kv, kv->keys, key_index(kv, kv_head, begin + j, d)), dot);
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
        float value = load(kv, kv->values, value_index(kv, kv_head, begin + j, d));
        a[d] = __builtin_fmaf(s[j], value, a[d]);
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
