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

// The packed codes of the slab that comes next, asked for a step with each block of tokens, so that all of them have
// come to the second-level cache when the blocks are done.
typedef struct next_slab {
  const uint8_t *codes[CVAR_PANEL_TILES];
  int32_t tiles;
  size_t done, bytes, step;  // of each tile
} next_slab;

static next_slab prepare_next(const cvar_matrix *w, int32_t tile, int32_t tiles, int32_t col,
                              int32_t cols, int32_t blocks) {
  const size_t col_bytes = w->type == CVAR_INT4 ? CVAR_TILE_ROWS / 2 : CVAR_TILE_ROWS;
  next_slab next = {.tiles = tiles, .bytes = col_bytes * (size_t)cols};
  next.step = (next.bytes / (size_t)blocks + 63) / 64 * 64;
  for (int32_t i = 0; i < tiles; i++) {
    next.codes[i] = cvar_tile_codes(w, tile + i) + col_bytes * (size_t)col;
  }
  return next;
}

static void prefetch_step(next_slab *next) {
  size_t end = next->done + next->step;
  if (end > next->bytes) end = next->bytes;
  for (size_t byte = next->done; byte < end; byte += 64) {
    for (int32_t i = 0; i < next->tiles; i++) __builtin_prefetch(next->codes[i] + byte, 0, 2);
  }
  next->done = end;
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

// Blocks of nearly equal size, since small blocks are the slow ones.
static void multiply_slab(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                          const cvar_panel_operands *o, const slab *s, next_slab next,
                          int32_t blocks) {
  const int32_t width = o->map->width;
  const int32_t least = width / blocks, larger = width % blocks;
  for (int32_t row = 0; row < o->map->height; row++) {
    for (int32_t block = 0, token = 0, tokens; block < blocks; block++, token += tokens) {
      tokens = least + (block < larger);
      prefetch_step(&next);
      multiply_tokens(kernels, w, o, s, row, token, tokens);
    }
  }
}

void cvar_multiply_panels(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                          const cvar_panel_operands *operands, int32_t tile_begin,
                          int32_t tile_end) {
  cvar_panel panels[CVAR_PANEL_TILES];
  // Slabs of nearly equal size, at whole groups: each costs a pass over the outputs.
  const int32_t run = w->cols / operands->segments;
  const int32_t slabs = (run + CVAR_SLAB_COLS - 1) / CVAR_SLAB_COLS;
  const int32_t most_cols = ((run + slabs - 1) / slabs + 127) / 128 * 128;
  const int32_t blocks = (operands->map->width + kernels->max_tokens - 1) / kernels->max_tokens;
  for (int32_t tile = tile_begin; tile < tile_end; tile += CVAR_PANEL_TILES) {
    int32_t tiles = cvar_min_i32(CVAR_PANEL_TILES, tile_end - tile);
    for (int32_t col = 0, cols; col < w->cols; col += cols) {
      int32_t into_run = col % run;
      cols = cvar_min_i32(most_cols, run - into_run);
      for (int32_t i = 0; i < tiles; i++) kernels->unpack(w, tile + i, col, cols, &panels[i]);
      int32_t is_last = col + cols == w->cols;
      const slab s = {panels, tile, tiles, col, cols, is_last,
                      col / run * operands->map->kernel_stride + into_run};
      int32_t next_tile = is_last ? tile + tiles : tile, next_col = is_last ? 0 : col + cols;
      int32_t next_tiles = cvar_min_i32(tiles, tile_end - next_tile);
      int32_t next_cols = cvar_min_i32(most_cols, w->cols - next_col);
      multiply_slab(kernels, w, operands, &s,
                    prepare_next(w, next_tile, next_tiles, next_col, next_cols,
                                 blocks * operands->map->height),
                    blocks);
    }
  }
}
