#pragma once
#include "quantized.h"

// The product of many tokens, shared by the instruction sets. A slab of columns of a few tiles is
// unpacked into a panel that stays in the first-level cache while all tokens pass over it in small
// blocks; y holds the unfinished sums between slabs, which changes no bit.

enum {
  CVAR_SLAB_COLS = 512,  // a multiple of every group size and of a superblock
  CVAR_SLAB_GROUPS = CVAR_SLAB_COLS / 16,
  CVAR_PANEL_TILES = 2,
};

// One tile's part of a slab, in the byte order that the instruction set likes.
typedef struct cvar_panel {
  _Alignas(64) uint8_t codes[CVAR_SLAB_COLS * CVAR_TILE_ROWS];
  _Alignas(64) float scales[CVAR_SLAB_GROUPS * CVAR_TILE_ROWS];  // [group][row]
} cvar_panel;

// One slab of one block of tokens. Codes, scales and sums are those of the first token at the
// slab's first column.
typedef struct cvar_block {
  const cvar_panel *panels;
  int32_t tiles;  // 1 or 2
  int32_t tokens;
  int32_t groups;  // in this slab
  int32_t group_size;
  int32_t is_first_slab;  // the sums start at zero, not at y
  const int8_t *codes;
  ptrdiff_t codes_stride;
  const float *scales;
  const int32_t *sums;
  ptrdiff_t scales_stride;  // of scales and of sums
  float *y;                 // [tokens][16 * tiles]
  ptrdiff_t y_stride;
} cvar_block;

typedef struct cvar_panel_kernels {
  int32_t max_tokens;  // of a block
  void (*unpack)(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                 cvar_panel *panel);
  void (*multiply)(const cvar_block *block);
} cvar_panel_kernels;

// What a product reads and writes: the inputs of an output are `segments` runs of cols / segments codes, one
// map->kernel_stride after the other.
typedef struct cvar_panel_operands {
  const cvar_code_map *map;
  int32_t segments;
  const float *bias;
  float *y;
  ptrdiff_t y_row_stride, y_stride;  // from an output to the one below and to the next
} cvar_panel_operands;

void cvar_multiply_panels(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                          const cvar_panel_operands *operands, int32_t tile_begin,
                          int32_t tile_end);

static inline void cvar_matmul_panels(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                                      const int8_t *codes, const float *scales,
                                      const int32_t *sums, int32_t n, const float *bias, float *y,
                                      ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  const cvar_code_map map = {codes, scales, sums, 1, n, 0, w->cols, 0};
  const cvar_panel_operands operands = {&map, 1, bias, y, 0, y_stride};
  cvar_multiply_panels(kernels, w, &operands, tile_begin, tile_end);
}

static inline void cvar_convolve_panels(const cvar_panel_kernels *kernels, const cvar_matrix *w,
                                        const cvar_code_map *map, const float *bias, float *y,
                                        ptrdiff_t y_row_stride, int32_t tile_begin,
                                        int32_t tile_end) {
  const cvar_panel_operands operands = {map, 3, bias, y, y_row_stride, w->rows};
  cvar_multiply_panels(kernels, w, &operands, tile_begin, tile_end);
}
