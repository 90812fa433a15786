#pragma once
#include "float_lanes.h"
#include "float_scalar.h"

// Attention with several rows per block of keys. A row is one query of one head; rows of one tile
// read the same kv head, so keys and values are loaded once for all of them.

enum {
  BLOCK = CVAR_ATTENTION_BLOCK,
  MAX_ROWS = 6,
};

typedef struct attention_rows {
  float q[MAX_ROWS][CVAR_MAX_HEAD_DIM];
  float a[MAX_ROWS][CVAR_MAX_HEAD_DIM];
  float p[MAX_ROWS][BLOCK];     // scores, then exponentials of the present block
  float m[MAX_ROWS], l[MAX_ROWS];
  float c[MAX_ROWS];            // correction of the present block
  int32_t length[MAX_ROWS];     // keys that the row sees
  int32_t count[MAX_ROWS];      // of those, how many lie in the present block
} attention_rows;

// Dot products of all rows with the 64 keys of a block, [head_dim][64] from the element `base` on.
CVAR_INLINE void score_block(const cvar_kv *kv, int32_t type, int32_t rows, size_t base,
                             attention_rows *r) {
  for (int32_t group = 0; group < BLOCK / 16; group += KEY_GROUPS) {
    v16 acc[MAX_ROWS][KEY_GROUPS];
    UNROLL
    for (int32_t i = 0; i < rows; i++) {
      UNROLL
      for (int32_t g = 0; g < KEY_GROUPS; g++) acc[i][g] = splat(0);
    }
    ROLLED
    for (int32_t d = 0; d < kv->head_dim; d++) {
      v16 keys[KEY_GROUPS];
      UNROLL
      for (int32_t g = 0; g < KEY_GROUPS; g++) {
        keys[g] = load_type(type, kv->keys, base + (size_t)(d * BLOCK + (group + g) * 16));
      }
      UNROLL
      for (int32_t i = 0; i < rows; i++) {
        v16 q = splat(r->q[i][d]);
        UNROLL
        for (int32_t g = 0; g < KEY_GROUPS; g++) acc[i][g] = fma16(q, keys[g], acc[i][g]);
      }
    }
    UNROLL
    for (int32_t i = 0; i < rows; i++) {
      UNROLL
      for (int32_t g = 0; g < KEY_GROUPS; g++) store_f32(r->p[i] + (group + g) * 16, acc[i][g]);
    }
  }
}

// Dot products to exponentials; updates m, l and c of a row.
static void soften(float *p, int32_t count, float scale, float *m, float *l, float *c) {
  const float minus_infinity = -__builtin_inff();
  float best[16];
  for (int32_t i = 0; i < 16; i++) best[i] = *m;
  for (int32_t j = 0; j < BLOCK; j += 16) {
    LANES
    for (int32_t i = 0; i < 16; i++) {
      float s = j + i < count ? p[j + i] * scale : minus_infinity;
      best[i] = s > best[i] ? s : best[i];
      p[j + i] = s;
    }
  }
  float max = best[0];
  for (int32_t i = 1; i < 16; i++) max = best[i] > max ? best[i] : max;
  LANES
  for (int32_t j = 0; j < BLOCK; j++) p[j] = exp_f32(p[j] - max);
  // Keys past the length have exponential 0.
  v16 total = load_f32(p);
  for (int32_t j = 16; j < BLOCK; j += 16) total += load_f32(p + j);
  float partial[16];
  store_f32(partial, total);
  *c = exp_f32(*m - max);
  *l = __builtin_fmaf(*l, *c, cvar_sum_partials(partial));
  *m = max;
}

// Adds the values of a block, [count][head_dim] from the element `base` on, to `groups` vectors of
// columns from `column` on. `common` keys are seen by all rows.
CVAR_INLINE void add_values(const cvar_kv *kv, int32_t type, int32_t rows, int32_t groups,
                            size_t base, int32_t column, int32_t common, attention_rows *r) {
  v16 acc[MAX_ROWS][VALUE_GROUPS];
  UNROLL
  for (int32_t i = 0; i < rows; i++) {
    UNROLL
    for (int32_t g = 0; g < groups; g++) {
      acc[i][g] = load_f32(r->a[i] + column + g * 16) * splat(r->c[i]);
    }
  }
  base += (size_t)column;
  ROLLED
  for (int32_t j = 0; j < common; j++) {
    v16 values[VALUE_GROUPS];
    UNROLL
    for (int32_t g = 0; g < groups; g++) {
      values[g] = load_type(type, kv->values, base + (size_t)(j * kv->head_dim + g * 16));
    }
    UNROLL
    for (int32_t i = 0; i < rows; i++) {
      v16 p = splat(r->p[i][j]);
      UNROLL
      for (int32_t g = 0; g < groups; g++) acc[i][g] = fma16(p, values[g], acc[i][g]);
    }
  }
  UNROLL
  for (int32_t i = 0; i < rows; i++) {
    UNROLL
    for (int32_t g = 0; g < groups; g++) {
      ROLLED
      for (int32_t j = common; j < r->count[i]; j++) {
        size_t index = base + (size_t)(j * kv->head_dim + g * 16);
        acc[i][g] = fma16(splat(r->p[i][j]), load_type(type, kv->values, index), acc[i][g]);
      }
      store_f32(r->a[i] + column + g * 16, acc[i][g]);
    }
  }
}

// The last 8 columns of a head_dim that is no multiple of 16: a vector that starts 8 columns
// earlier, of which the first half is dropped.
CVAR_INLINE void add_last_values(const cvar_kv *kv, int32_t type, int32_t rows, size_t base,
                                 int32_t common, attention_rows *r) {
  int32_t column = kv->head_dim - 16;
  v16 before[MAX_ROWS];
  for (int32_t i = 0; i < rows; i++) before[i] = load_f32(r->a[i] + column);
  add_values(kv, type, rows, 1, base, column, common, r);
  for (int32_t i = 0; i < rows; i++) {
    __builtin_memcpy(r->a[i] + column, &before[i], 8 * sizeof(float));
  }
}

// A head_dim of 8.
CVAR_INLINE void add_narrow_values(const cvar_kv *kv, int32_t type, int32_t rows, size_t base,
                                   attention_rows *r) {
  for (int32_t i = 0; i < rows; i++) {
    for (int32_t d = 0; d < 8; d++) r->a[i][d] *= r->c[i];
    for (int32_t j = 0; j < r->count[i]; j++) {
      for (int32_t d = 0; d < 8; d++) {
        size_t index = base + (size_t)(j * 8 + d);
        float value = type == CVAR_F16 ? f32_from_f16(((const uint16_t *)kv->values)[index])
                                       : ((const float *)kv->values)[index];
        r->a[i][d] = __builtin_fmaf(r->p[i][j], value, r->a[i][d]);
      }
    }
  }
}

CVAR_INLINE void attend_block(const cvar_kv *kv, int32_t type, int32_t rows, int32_t kv_head,
                              int32_t begin, float scale, attention_rows *r) {
  int32_t common = BLOCK;
  for (int32_t i = 0; i < rows; i++) {
    int32_t count = r->length[i] - begin;
    r->count[i] = count < 0 ? 0 : count > BLOCK ? BLOCK : count;
    common = r->count[i] < common ? r->count[i] : common;
  }
  const size_t head_elements = (size_t)kv->capacity * (size_t)kv->head_dim;
  const size_t base = (size_t)kv_head * head_elements + (size_t)begin * (size_t)kv->head_dim;
  score_block(kv, type, rows, base, r);
  for (int32_t i = 0; i < rows; i++) {
    soften(r->p[i], r->count[i], scale, &r->m[i], &r->l[i], &r->c[i]);
  }
  if (kv->head_dim < 16) {
    add_narrow_values(kv, type, rows, base, r);
    return;
  }
  if (kv->head_dim % 16 != 0) add_last_values(kv, type, rows, base, common, r);
  int32_t column = 0;
  for (; column + VALUE_GROUPS * 16 <= kv->head_dim; column += VALUE_GROUPS * 16) {
    add_values(kv, type, rows, VALUE_GROUPS, base, column, common, r);
  }
  for (; VALUE_GROUPS > 1 && column + 16 <= kv->head_dim; column += 16) {
    add_values(kv, type, rows, 1, base, column, common, r);
  }
}

typedef struct attention_call {
  const cvar_kv *kv;
  const float *q;
  ptrdiff_t q_stride;
  int32_t kv_length;
  int32_t causal;
  float scale;
  float *out;
  ptrdiff_t out_stride;
} attention_call;

// Rows [first, first + rows) of the heads [head_begin, head_begin + heads): row = query * heads +
// head.
CVAR_INLINE void attend(const attention_call *call, int32_t type, int32_t rows, int32_t kv_head,
                        int32_t head_begin, int32_t heads, int32_t first) {
  const cvar_kv *kv = call->kv;
  attention_rows r;
  int32_t longest = 0;
  for (int32_t i = 0; i < rows; i++) {
    int32_t query = (first + i) / heads, head = head_begin + (first + i) % heads;
    const float *q = call->q + query * call->q_stride + (ptrdiff_t)head * kv->head_dim;
    for (int32_t d = 0; d < kv->head_dim; d++) {
      r.q[i][d] = q[d];
      r.a[i][d] = 0;
    }
    r.m[i] = -__builtin_inff();
    r.l[i] = 0;
    r.length[i] = call->kv_length + (call->causal ? query : 0);
    longest = r.length[i] > longest ? r.length[i] : longest;
  }
  for (int32_t begin = 0; begin < longest; begin += BLOCK) {
    attend_block(kv, type, rows, kv_head, begin, call->scale, &r);
  }
  for (int32_t i = 0; i < rows; i++) {
    int32_t query = (first + i) / heads, head = head_begin + (first + i) % heads;
    float *out = call->out + query * call->out_stride + (ptrdiff_t)head * kv->head_dim;
    for (int32_t d = 0; d < kv->head_dim; d++) out[d] = r.length[i] > 0 ? r.a[i][d] / r.l[i] : 0;
  }
}

CVAR_INLINE void attend_heads(const attention_call *call, int32_t type, int32_t kv_head,
                              int32_t head_begin, int32_t heads, int32_t row_count) {
  int32_t row = 0;
  for (; row + MAX_ROWS <= row_count; row += MAX_ROWS) {
    attend(call, type, MAX_ROWS, kv_head, head_begin, heads, row);
  }
  if (row + 4 <= row_count) {
    attend(call, type, 4, kv_head, head_begin, heads, row);
    row += 4;
  }
  if (row + 2 <= row_count) {
    attend(call, type, 2, kv_head, head_begin, heads, row);
    row += 2;
  }
  if (row < row_count) attend(call, type, 1, kv_head, head_begin, heads, row);
}

static void attention(const cvar_kv *kv, const float *q, ptrdiff_t q_stride, int32_t n,
                      int32_t heads, int32_t head_begin, int32_t head_end, int32_t kv_length,
                      int32_t causal, float scale, float *out, ptrdiff_t out_stride) {
  const attention_call call = {kv, q, q_stride, kv_length, causal, scale, out, out_stride};
  const int32_t heads_per_kv_head = heads / kv->kv_heads;
  while (head_begin < head_end) {
    int32_t kv_head = head_begin / heads_per_kv_head;
    int32_t end = (kv_head + 1) * heads_per_kv_head;
    end = end < head_end ? end : head_end;
    int32_t count = end - head_begin;
    if (kv->type == CVAR_F16) {
      attend_heads(&call, CVAR_F16, kv_head, head_begin, count, n * count);
    } else {
      attend_heads(&call, CVAR_F32, kv_head, head_begin, count, n * count);
    }
    head_begin = end;
  }
}
