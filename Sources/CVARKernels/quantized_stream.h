#pragma once
#include "quantized_panel.h"

// The product of few tokens, which unpacks the weights straight into registers: for one block of tokens that is less
// work than a panel, and the weights come at the speed of the memory.

typedef struct cvar_stream {
  const cvar_matrix *w;
  const int8_t *codes;
  const float *scales;
  const int32_t *sums;
  const float *bias;
  float *y;
  ptrdiff_t y_stride;
} cvar_stream;

// One tile for `tokens` tokens, from 1 to the instruction set's most.
typedef void cvar_stream_tile(const cvar_stream *s, int32_t tile, int32_t tokens);

// The blocks of tokens after the first one find the tile in the cache.
static inline void cvar_matmul_stream(cvar_stream_tile *multiply, int32_t max_tokens,
                                      const cvar_stream *whole, int32_t n, int32_t tile_begin,
                                      int32_t tile_end) {
  ptrdiff_t groups = whole->w->cols / whole->w->group_size;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    cvar_stream s = *whole;
    for (int32_t left = n, tokens; left > 0; left -= tokens) {
      tokens = cvar_block_tokens(left, max_tokens);
      multiply(&s, tile, tokens);
      s.codes += (ptrdiff_t)tokens * s.w->cols;
      s.scales += tokens * groups;
      s.sums += tokens * groups;
      s.y += tokens * s.y_stride;
    }
  }
}

// The 16 finished sums of a tile's rows for one token, plus the bias, into y; a last tile may have fewer rows.
static inline void cvar_store_cut(const cvar_stream *s, int32_t tile, int32_t token,
                                  const float *sums) {
  int32_t first_row = tile * CVAR_TILE_ROWS;
  int32_t rows = cvar_min_i32(CVAR_TILE_ROWS, s->w->rows - first_row);
  float *y = s->y + token * s->y_stride + first_row;
  for (int32_t row = 0; row < rows; row++) {
    y[row] = s->bias ? sums[row] + s->bias[first_row + row] : sums[row];
  }
}
