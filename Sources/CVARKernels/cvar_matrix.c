#include "include/cvar_matrix.h"

static size_t tiles(int32_t rows) { return ((size_t)rows + CVAR_TILE_ROWS - 1) / CVAR_TILE_ROWS; }

size_t cvar_codes_bytes(int32_t type, int32_t rows, int32_t cols) {
  size_t elements = tiles(rows) * CVAR_TILE_ROWS * (size_t)cols;
  switch (type) {
    case CVAR_F32: return elements * 4;
    case CVAR_F16:
    case CVAR_BF16: return elements * 2;
    case CVAR_INT8: return elements;
    case CVAR_INT4: return elements / 2;
    default: return 0;
  }
}

size_t cvar_scales_bytes(int32_t type, int32_t rows, int32_t cols, int32_t group_size) {
  if (type != CVAR_INT8 && type != CVAR_INT4) return 0;
  size_t scales = tiles(rows) * CVAR_TILE_ROWS * ((size_t)cols / (size_t)group_size);
  return type == CVAR_INT8 ? scales * 2 : scales;
}

size_t cvar_superscales_bytes(int32_t type, int32_t rows, int32_t cols) {
  if (type != CVAR_INT4) return 0;
  size_t blocks = ((size_t)cols + CVAR_SUPERBLOCK_COLS - 1) / CVAR_SUPERBLOCK_COLS;
  return tiles(rows) * CVAR_TILE_ROWS * blocks * 2;
}
