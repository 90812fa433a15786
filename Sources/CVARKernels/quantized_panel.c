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

// One slab of a few tiles: its columns, and where its inputs stand from an output's first one on.
typedef struct slab {
  const cvar_panel *panels;
  int32_t tile, tiles, col, cols;
  int32_t is_last;
  ptrdiff_t offset;
} slab;

static void multiply_tokens(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                            const cvar_panel_operands *o, const slab *s, int32_t row, int32_t token,
                            int32_t tokens) {
  const cvar_code_map *map = o->map;
  int32_t first_row = s->tile * CVAR_TILE_ROWS;
  int32_t rows = cvar_min_i32(s->tiles * CVAR_TILE_ROWS, w->rows - first_row);
  ptrdiff_t at = row * map->row_stride + token * map->pixel_stride + s->offset;
  int group_shift = __builtin_ctz((unsigned)w->group_size);  // a power of two
  cvar_block block = {
      .panels = s->panels,
      .tiles = s->tiles,
      .tokens = tokens,
      .groups = s->cols >> group_shift,
      .group_size = w->group_size,
      .is_first_slab = s->col == 0,
      .codes = map->codes + at,
      .codes_stride = map->pixel_stride,
      .scales = map->scales + (at >> group_shift),
      .sums = map->sums + (at >> group_shift),
      .scales_stride = map->pixel_stride >> group_shift,
      .y = o->y + row * o->y_row_stride + token * o->y_stride + first_row,
      .y_stride = o->y_stride,
  };
  if (rows == s->tiles * CVAR_TILE_ROWS) {
    kernels->multiply(&block);
  } else {
    multiply_cut(kernels, block, rows);
  }
  if (o->bias && s->is_last) add_bias(o->bias + first_row, block.y, o->y_stride, tokens, rows);
}

static void multiply_slab(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                          const cvar_panel_operands *o, const slab *s, int32_t tile_end) {
  const int32_t width = o->map->width, n = o->map->height * width;
  const int32_t next_tile = s->tile + s->tiles;
  for (int32_t done = 0, tokens; done < n; done += tokens) {
    int32_t token = done % width;
    tokens = cvar_block_tokens(width - token, kernels->max_tokens);
    if (!s->is_last) {
      prefetch_share(w, s->tile, s->tiles, s->col + s->cols, done, done + tokens, n);
    } else if (next_tile < tile_end) {
      int32_t next_tiles = cvar_min_i32(CVAR_PANEL_TILES, tile_end - next_tile);
      prefetch_share(w, next_tile, next_tiles, 0, done, done + tokens, n);
    }
    multiply_tokens(kernels, w, o, s, done / width, token, tokens);
  }
}

void cvar_multiply_panels(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                          const cvar_panel_operands *operands, int32_t tile_begin,
                          int32_t tile_end) {
  cvar_panel panels[CVAR_PANEL_TILES];
  const int32_t run = w->cols / operands->segments;
  for (int32_t tile = tile_begin; tile < tile_end; tile += CVAR_PANEL_TILES) {
    int32_t tiles = cvar_min_i32(CVAR_PANEL_TILES, tile_end - tile);
    for (int32_t col = 0, cols; col < w->cols; col += cols) {
      int32_t into_run = col % run;
      cols = cvar_min_i32(CVAR_SLAB_COLS, run - into_run);
      for (int32_t i = 0; i < tiles; i++) kernels->unpack(w, tile + i, col, cols, &panels[i]);
      const slab s = {panels, tile, tiles, col, cols, col + cols == w->cols,
                      col / run * operands->map->kernel_stride + into_run};
      multiply_slab(kernels, w, operands, &s, tile_end);
    }
  }
}
