#include "quantized_panel.h"

enum { MAX_BLOCK_TOKENS = 16 };

static void copy_rows(const float *from, ptrdiff_t from_stride, float *to, ptrdiff_t to_stride,
                      int32_t tokens, int32_t rows) {
  for (int32_t token = 0; token < tokens; token++) {
    memcpy(to + token * to_stride, from + token * from_stride, (size_t)rows * sizeof *to);
  }
}

static void add_bias(const float *bias, float *y, ptrdiff_t y_stride, int32_t tokens,
                     int32_t rows) {
  for (int32_t token = 0; token < tokens; token++) {
    for (int32_t row = 0; row < rows; row++) y[token * y_stride + row] += bias[row];
  }
}

// A block whose last tile is cut: the kernels always write whole tiles, so they write beside y.
static void multiply_cut(const cvar_panel_kernels *kernels, cvar_block block, int32_t rows) {
  _Alignas(64) float whole[MAX_BLOCK_TOKENS * CVAR_PANEL_TILES * CVAR_TILE_ROWS];
  float *y = block.y;
  ptrdiff_t y_stride = block.y_stride;
  block.y = whole;
  block.y_stride = block.tiles * CVAR_TILE_ROWS;
  if (!block.is_first_slab) {
    memset(whole, 0, sizeof whole);
    copy_rows(y, y_stride, whole, block.y_stride, block.tokens, rows);
  }
  kernels->multiply(&block);
  copy_rows(whole, block.y_stride, y, y_stride, block.tokens, rows);
}

// Asks for one share of a slab's packed codes, so that the whole of it has come to the second-level
// cache when the blocks of tokens before it are done.
static void prefetch_share(const cvar_matrix *w, int32_t tile, int32_t tiles, int32_t col,
                           int32_t token, int32_t next_token, int32_t n) {
  size_t col_bytes = w->type == CVAR_INT4 ? CVAR_TILE_ROWS / 2 : CVAR_TILE_ROWS;
  size_t bytes = col_bytes * (size_t)cvar_min_i32(CVAR_SLAB_COLS, w->cols - col);
  for (int32_t i = 0; i < tiles; i++) {
    const uint8_t *codes = cvar_tile_codes(w, tile + i) + col_bytes * (size_t)col;
    size_t begin = bytes * (size_t)token / (size_t)n, end = bytes * (size_t)next_token / (size_t)n;
    for (size_t byte = (begin + 63) / 64 * 64; byte < end; byte += 64) {
      __builtin_prefetch(codes + byte, 0, 2);
    }
  }
}

void cvar_matmul_panels(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                        const int8_t *codes, const float *scales, const int32_t *sums, int32_t n,
                        const float *bias, float *y, ptrdiff_t y_stride, int32_t tile_begin,
                        int32_t tile_end) {
  cvar_panel panels[CVAR_PANEL_TILES];
  ptrdiff_t groups = w->cols / w->group_size;
  for (int32_t tile = tile_begin; tile < tile_end; tile += CVAR_PANEL_TILES) {
    int32_t tiles = cvar_min_i32(CVAR_PANEL_TILES, tile_end - tile);
    int32_t first_row = tile * CVAR_TILE_ROWS;
    int32_t rows = cvar_min_i32(tiles * CVAR_TILE_ROWS, w->rows - first_row);
    for (int32_t col = 0; col < w->cols; col += CVAR_SLAB_COLS) {
      int32_t cols = cvar_min_i32(CVAR_SLAB_COLS, w->cols - col);
      int32_t is_last_slab = col + cols == w->cols;
      for (int32_t i = 0; i < tiles; i++) kernels->unpack(w, tile + i, col, cols, &panels[i]);
      for (int32_t token = 0, tokens; token < n; token += tokens) {
        tokens = cvar_block_tokens(n - token, kernels->max_tokens);
        if (!is_last_slab) {
          prefetch_share(w, tile, tiles, col + cols, token, token + tokens, n);
        } else if (tile + tiles < tile_end) {
          int32_t next_tiles = cvar_min_i32(CVAR_PANEL_TILES, tile_end - tile - tiles);
          prefetch_share(w, tile + tiles, next_tiles, 0, token, token + tokens, n);
        }
        ptrdiff_t scale_index = token * groups + col / w->group_size;
        cvar_block block = {
            .panels = panels,
            .tiles = tiles,
            .tokens = tokens,
            .groups = cols / w->group_size,
            .group_size = w->group_size,
            .is_first_slab = col == 0,
            .codes = codes + (ptrdiff_t)token * w->cols + col,
            .codes_stride = w->cols,
            .scales = scales + scale_index,
            .sums = sums + scale_index,
            .scales_stride = groups,
            .y = y + token * y_stride + first_row,
            .y_stride = y_stride,
        };
        if (rows == tiles * CVAR_TILE_ROWS) {
          kernels->multiply(&block);
        } else {
          multiply_cut(kernels, block, rows);
        }
        if (bias && is_last_slab) {
          add_bias(bias + first_row, block.y, y_stride, block.tokens, rows);
        }
      }
    }
  }
}
