#pragma once
#include "attention_blocks.h"
#include "float_scalar.h"

// Attention with several rows per block of keys. A row is one query of one head; rows of one run read
// the same kv head, so a block is converted once for a run and loaded once for a tile of its rows.

enum {
  MAX_ROWS = 6,             // of a tile
  RUN_ROWS = 8 * MAX_ROWS,
  MAX_TILES = 8 + 2,        // what is left of a run takes tiles of 4, 2 and 1
};

typedef struct attention_rows {
  float q[MAX_ROWS][CVAR_MAX_HEAD_DIM];
  float a[MAX_ROWS][CVAR_MAX_HEAD_DIM];
  float p[MAX_ROWS][BLOCK];     // scores, then exponentials of the present block
  float m[MAX_ROWS], l[MAX_ROWS];
  float c[MAX_ROWS];            // correction of the present block
  int32_t length[MAX_ROWS];     // keys that the row sees
  int32_t count[MAX_ROWS];      // of those, how many lie in the present block
  int32_t longest;
} attention_rows;

// Dot products of all rows with the keys of a block.
CVAR_INLINE void score_block(const attention_block *block, int32_t head_dim, int32_t groups,
                             int32_t rows, attention_rows *r) {
  for (int32_t group = 0; group < groups; group += KEY_GROUPS) {
    v16 acc[MAX_ROWS][KEY_GROUPS];
    UNROLL
    for (int32_t i = 0; i < rows; i++) {
      UNROLL
      for (int32_t g = 0; g < KEY_GROUPS; g++) acc[i][g] = splat(0);
    }
    ROLLED
    for (int32_t d = 0; d < head_dim; d++) {
      v16 keys[KEY_GROUPS];
      UNROLL
      for (int32_t g = 0; g < KEY_GROUPS; g++) keys[g] = load_f32(block->keys[group + g] + d * GROUP);
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
      for (int32_t g = 0; g < KEY_GROUPS; g++) store_f32(r->p[i] + (group + g) * GROUP, acc[i][g]);
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

// Adds the values of a block to `vectors` vectors of columns from `column` on. `common` keys are seen
// by all rows.
CVAR_INLINE void add_values(const attention_block *block, int32_t head_dim, int32_t rows,
                            int32_t vectors, int32_t column, int32_t common, attention_rows *r) {
  v16 acc[MAX_ROWS][VALUE_GROUPS];
  UNROLL
  for (int32_t i = 0; i < rows; i++) {
    UNROLL
    for (int32_t g = 0; g < vectors; g++) {
      acc[i][g] = load_f32(r->a[i] + column + g * 16) * splat(r->c[i]);
    }
  }
  ROLLED
  for (int32_t begin = 0; begin < common; begin += GROUP) {
    const float *from = block->values[begin / GROUP] + column;
    const int32_t count = common - begin < GROUP ? common - begin : GROUP;
    ROLLED
    for (int32_t j = 0; j < count; j++) {
      v16 values[VALUE_GROUPS];
      UNROLL
      for (int32_t g = 0; g < vectors; g++) values[g] = load_f32(from + j * head_dim + g * 16);
      UNROLL
      for (int32_t i = 0; i < rows; i++) {
        v16 p = splat(r->p[i][begin + j]);
        UNROLL
        for (int32_t g = 0; g < vectors; g++) acc[i][g] = fma16(p, values[g], acc[i][g]);
      }
    }
  }
  UNROLL
  for (int32_t i = 0; i < rows; i++) {
    UNROLL
    for (int32_t g = 0; g < vectors; g++) {
      ROLLED
      for (int32_t j = common; j < r->count[i]; j++) {
        const float *from = block->values[j / GROUP] + column + j % GROUP * head_dim;
        acc[i][g] = fma16(splat(r->p[i][j]), load_f32(from + g * 16), acc[i][g]);
      }
      store_f32(r->a[i] + column + g * 16, acc[i][g]);
    }
  }
}

// The last 8 columns of a head_dim that is no multiple of 16: a vector that starts 8 columns
// earlier, of which the first half is dropped.
CVAR_INLINE void add_last_values(const attention_block *block, int32_t head_dim, int32_t rows,
                                 int32_t common, attention_rows *r) {
  int32_t column = head_dim - 16;
  v16 before[MAX_ROWS];
  for (int32_t i = 0; i < rows; i++) before[i] = load_f32(r->a[i] + column);
  add_values(block, head_dim, rows, 1, column, common, r);
  for (int32_t i = 0; i < rows; i++) {
    __builtin_memcpy(r->a[i] + column, &before[i], 8 * sizeof(float));
  }
}

// A head_dim of 8.
CVAR_INLINE void add_narrow_values(const attention_block *block, int32_t rows, attention_rows *r) {
  for (int32_t i = 0; i < rows; i++) {
    for (int32_t d = 0; d < 8; d++) r->a[i][d] *= r->c[i];
    for (int32_t j = 0; j < r->count[i]; j++) {
      const float *values = block->values[j / GROUP] + j % GROUP * 8;
      for (int32_t d = 0; d < 8; d++) {
        r->a[i][d] = __builtin_fmaf(r->p[i][j], values[d], r->a[i][d]);
      }
    }
  }
}

// The rows of a tile look at the block that begins at the position `begin`.
CVAR_INLINE void attend_block(const attention_block *block, int32_t head_dim, int32_t rows,
                              int32_t begin, float scale, attention_rows *r) {
  int32_t common = BLOCK, most = 0;
  for (int32_t i = 0; i < rows; i++) {
    int32_t count = r->length[i] - begin;
    r->count[i] = count < 0 ? 0 : count > BLOCK ? BLOCK : count;
    common = r->count[i] < common ? r->count[i] : common;
    most = r->count[i] > most ? r->count[i] : most;
  }
  score_block(block, head_dim, (most + GROUP - 1) / GROUP, rows, r);
  for (int32_t i = 0; i < rows; i++) {
    soften(r->p[i], r->count[i], scale, &r->m[i], &r->l[i], &r->c[i]);
  }
  if (head_dim < 16) {
    add_narrow_values(block, rows, r);
    return;
  }
  if (head_dim % 16 != 0) add_last_values(block, head_dim, rows, common, r);
  int32_t column = 0;
  for (; column + VALUE_GROUPS * 16 <= head_dim; column += VALUE_GROUPS * 16) {
    add_values(block, head_dim, rows, VALUE_GROUPS, column, common, r);
  }
  for (; VALUE_GROUPS > 1 && column + 16 <= head_dim; column += 16) {
    add_values(block, head_dim, rows, 1, column, common, r);
  }
}

// One body for each number of rows that a tile may have.
static void attend_tile(const attention_block *block, int32_t head_dim, int32_t rows,
                        int32_t begin, float scale, attention_rows *r) {
  switch (rows) {
    case MAX_ROWS: attend_block(block, head_dim, MAX_ROWS, begin, scale, r); break;
    case 4: attend_block(block, head_dim, 4, begin, scale, r); break;
    case 2: attend_block(block, head_dim, 2, begin, scale, r); break;
    default: attend_block(block, head_dim, 1, begin, scale, r); break;
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

// Heads [begin, begin + count), all of which read kv_head.
typedef struct head_range {
  int32_t kv_head;
  int32_t begin, count;
} head_range;

// Rows [first, first + rows): row = query * heads.count + head.
static void start_tile(const attention_call *call, head_range heads, int32_t first, int32_t rows,
                       attention_rows *r) {
  const int32_t head_dim = call->kv->head_dim;
  r->longest = 0;
  for (int32_t i = 0; i < rows; i++) {
    int32_t query = (first + i) / heads.count, head = heads.begin + (first + i) % heads.count;
    const float *q = call->q + query * call->q_stride + (ptrdiff_t)head * head_dim;
    for (int32_t d = 0; d < head_dim; d++) {
      r->q[i][d] = q[d];
      r->a[i][d] = 0;
    }
    r->m[i] = -__builtin_inff();
    r->l[i] = 0;
    r->length[i] = call->kv_length + (call->causal ? query : 0);
    r->longest = r->length[i] > r->longest ? r->length[i] : r->longest;
  }
}

static void finish_tile(const attention_call *call, head_range heads, int32_t first, int32_t rows,
                        const attention_rows *r) {
  const int32_t head_dim = call->kv->head_dim;
  for (int32_t i = 0; i < rows; i++) {
    int32_t query = (first + i) / heads.count, head = heads.begin + (first + i) % heads.count;
    float *out = call->out + query * call->out_stride + (ptrdiff_t)head * head_dim;
    for (int32_t d = 0; d < head_dim; d++) out[d] = r->length[i] > 0 ? r->a[i][d] / r->l[i] : 0;
  }
}

// The arrays of a run.
typedef struct attention_scratch {
  attention_rows tiles[MAX_TILES];
  block_scratch block;
} attention_scratch;

static void attend_run(const attention_call *call, head_range heads, int32_t first, int32_t rows) {
  attention_scratch scratch;
  attention_rows *tiles = scratch.tiles;
  int32_t tile_rows[MAX_TILES], count = 0, longest = 0;
  for (int32_t row = 0; row < rows; row += tile_rows[count++]) {
    int32_t left = rows - row;
    tile_rows[count] = left >= MAX_ROWS ? MAX_ROWS : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    start_tile(call, heads, first + row, tile_rows[count], &tiles[count]);
    longest = tiles[count].longest > longest ? tiles[count].longest : longest;
  }
  attention_block block;
  for (int32_t begin = 0; begin < longest; begin += BLOCK) {
    int32_t keys = longest - begin < BLOCK ? longest - begin : BLOCK;
    load_block(call->kv, heads.kv_head, begin, keys, &block, &scratch.block);
    for (int32_t tile = 0; tile < count; tile++) {
      if (begin >= tiles[tile].longest) continue;
      attend_tile(&block, call->kv->head_dim, tile_rows[tile], begin, call->scale, &tiles[tile]);
    }
  }
  for (int32_t tile = 0, row = 0; tile < count; row += tile_rows[tile++]) {
    finish_tile(call, heads, first + row, tile_rows[tile], &tiles[tile]);
  }
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
    const head_range range = {kv_head, head_begin, end - head_begin};
    const int32_t rows = n * range.count;
    for (int32_t first = 0; first < rows; first += RUN_ROWS) {
      attend_run(&call, range, first, rows - first < RUN_ROWS ? rows - first : RUN_ROWS);
    }
    head_begin = end;
  }
}
