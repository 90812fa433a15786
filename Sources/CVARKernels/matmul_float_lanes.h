#pragma once
#include "float_lanes.h"

enum {
  GROUP_TILES = 4,  // tiles of a sweep: their weights stay in the cache for all tokens
  PREFETCH_TOKENS = 16,  // fewer wait for memory anyway
  PREFETCH_COLS = 256,   // shorter sums leave the processor's own prefetching enough time
};

typedef struct float_product {
  const cvar_matrix *w;
  const float *x;
  ptrdiff_t token_stride;
  int32_t segments;
  ptrdiff_t segment_stride;
  int32_t n;
  const float *bias;
  float *y;
  ptrdiff_t y_stride;
} float_product;

CVAR_INLINE void store_rows(const float_product *p, int32_t tile, int32_t token, v16 acc) {
  int32_t row = tile * CVAR_TILE_ROWS;
  float *y = p->y + token * p->y_stride + row;
  int32_t rows = p->w->rows - row;
  if (rows >= CVAR_TILE_ROWS) {
    store_f32(y, p->bias ? acc + load_f32(p->bias + row) : acc);
    return;
  }
  float lanes[CVAR_TILE_ROWS];
  store_f32(lanes, acc);
  for (int32_t i = 0; i < rows; i++) y[i] = p->bias ? lanes[i] + p->bias[row + i] : lanes[i];
}

// A register tile: `tiles` weight tiles from `tile` on, `tokens` tokens from `token` on.
CVAR_INLINE void multiply_block(const float_product *p, int32_t type, int32_t tiles, int32_t tokens,
                                int32_t tile, int32_t token) {
  v16 acc[GROUP_TILES][TOKENS];
  UNROLL
  for (int32_t r = 0; r < tiles; r++) {
    UNROLL
    for (int32_t t = 0; t < tokens; t++) acc[r][t] = splat(0);
  }
  const size_t tile_elements = (size_t)p->w->cols * CVAR_TILE_ROWS;
  const int32_t run = p->w->cols / p->segments;
  size_t index = (size_t)tile * tile_elements;
  for (int32_t s = 0; s < p->segments; s++) {
    const float *x = p->x + s * p->segment_stride + token * p->token_stride;
    ROLLED
    for (int32_t k = 0; k < run; k++, index += CVAR_TILE_ROWS) {
      v16 weights[GROUP_TILES];
      UNROLL
      for (int32_t r = 0; r < tiles; r++) {
        weights[r] = load_type(type, p->w->codes, index + (size_t)r * tile_elements);
      }
      UNROLL
      for (int32_t t = 0; t < tokens; t++) {
        v16 input = splat(x[t * p->token_stride + k]);
        UNROLL
        for (int32_t r = 0; r < tiles; r++) acc[r][t] = fma16(weights[r], input, acc[r][t]);
      }
    }
  }
  UNROLL
  for (int32_t r = 0; r < tiles; r++) {
    UNROLL
    for (int32_t t = 0; t < tokens; t++) store_rows(p, tile + r, token + t, acc[r][t]);
  }
}

// Asks for one share of the weights that follow `tiles` tiles, so that all of them have come to the second-level cache
// when the tokens are done. Matrices that are multiplied in turn lie one behind the other.
CVAR_INLINE void prefetch_share(const float_product *p, int32_t type, int32_t tiles, int32_t tile,
                                int32_t share, int32_t shares) {
  const size_t element = type == CVAR_F32 ? 4 : 2;
  const size_t bytes = (size_t)p->w->cols * CVAR_TILE_ROWS * element;
  const char *next = (const char *)p->w->codes + (size_t)(tile + tiles) * bytes;
  const size_t all = bytes * (size_t)tiles;
  const size_t part = (all / (size_t)shares + 63) / 64 * 64;
  for (size_t byte = part * (size_t)share; byte < part * (size_t)(share + 1); byte += 64) {
    if (byte < all) __builtin_prefetch(next + byte, 0, 2);
  }
}

// All tiles of the group for `tokens` tokens; few tokens take more tiles at once, to hide latency.
CVAR_INLINE void multiply_tokens(const float_product *p, int32_t type, int32_t tokens, int32_t tile,
                                 int32_t tile_end, int32_t token, int32_t token_end) {
  const int32_t tiles = tokens <= 2 ? GROUP_TILES : TILES;
  for (; tile + tiles <= tile_end; tile += tiles) {
    for (int32_t t = token; t < token_end; t += tokens) {
      if (tokens == TOKENS && token_end >= PREFETCH_TOKENS && p->w->cols >= PREFETCH_COLS) {
        prefetch_share(p, type, tiles, tile, t / TOKENS, token_end / TOKENS);
      }
      multiply_block(p, type, tiles, tokens, tile, t);
    }
  }
  for (; tiles > 1 && tile < tile_end; tile++) {
    for (int32_t t = token; t < token_end; t += tokens) {
      multiply_block(p, type, 1, tokens, tile, t);
    }
  }
}

CVAR_INLINE void multiply_group(const float_product *p, int32_t type, int32_t tile,
                                int32_t tile_end) {
  int32_t t = p->n - p->n % TOKENS;
  if (t > 0) multiply_tokens(p, type, TOKENS, tile, tile_end, 0, t);
  if (p->n - t >= 4) {
    multiply_tokens(p, type, 4, tile, tile_end, t, t + 4);
    t += 4;
  }
  if (p->n - t >= 2) {
    multiply_tokens(p, type, 2, tile, tile_end, t, t + 2);
    t += 2;
  }
  if (p->n > t) multiply_tokens(p, type, 1, tile, tile_end, t, t + 1);
}

static void matmul_float(const cvar_matrix *w, const float *x, ptrdiff_t token_stride,
                         int32_t segments, ptrdiff_t segment_stride, int32_t n, const float *bias,
                         float *y, ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  const float_product p = {w, x, token_stride, segments, segment_stride, n, bias, y, y_stride};
  for (int32_t tile = tile_begin; tile < tile_end; tile += GROUP_TILES) {
    int32_t end = tile + GROUP_TILES < tile_end ? tile + GROUP_TILES : tile_end;
    switch (w->type) {
      case CVAR_F16: multiply_group(&p, CVAR_F16, tile, end); break;
      case CVAR_BF16: multiply_group(&p, CVAR_BF16, tile, end); break;
      default: multiply_group(&p, CVAR_F32, tile, end); break;
    }
  }
}
