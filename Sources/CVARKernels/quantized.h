#pragma once
#include "fill.h"
#include "half.h"

// What every instruction set shares about the packed types (formats/packed_types.md).

static inline int32_t cvar_min_i32(int32_t a, int32_t b) { return a < b ? a : b; }

// Blocks of nearly equal size, since small blocks are the slow ones.
static inline int32_t cvar_block_tokens(int32_t left, int32_t max_tokens) {
  int32_t blocks = (left + max_tokens - 1) / max_tokens;
  return (left + blocks - 1) / blocks;
}

static inline int32_t cvar_superblocks(int32_t cols) {
  return (cols + CVAR_SUPERBLOCK_COLS - 1) / CVAR_SUPERBLOCK_COLS;
}

// Where a tile's streams begin.
static inline const uint8_t *cvar_tile_codes(const cvar_matrix *w, int32_t tile) {
  size_t bytes = (size_t)CVAR_TILE_ROWS * (size_t)w->cols;
  return (const uint8_t *)w->codes + (size_t)tile * (w->type == CVAR_INT4 ? bytes / 2 : bytes);
}

static inline size_t cvar_tile_scale_index(const cvar_matrix *w, int32_t tile, int32_t group) {
  size_t groups = (size_t)(w->cols / w->group_size);
  return ((size_t)tile * groups + (size_t)group) * CVAR_TILE_ROWS;
}

static inline size_t cvar_tile_superscale_index(const cvar_matrix *w, int32_t tile,
                                                int32_t superblock) {
  return ((size_t)tile * (size_t)cvar_superblocks(w->cols) + (size_t)superblock) * CVAR_TILE_ROWS;
}

// The scale of one row (0...15 in its tile) and group. Exact: a product of an 8-bit integer,
// an fp16 and a power of 2.
static inline float cvar_weight_scale(const cvar_matrix *w, int32_t tile, int32_t group,
                                      int32_t row) {
  size_t index = cvar_tile_scale_index(w, tile, group) + (size_t)row;
  if (w->type == CVAR_INT8) {
    return cvar_half_to_float(((const uint16_t *)w->scales)[index]) * CVAR_INT8_SCALE_UNIT;
  }
  int32_t superblock = group * w->group_size / CVAR_SUPERBLOCK_COLS;
  size_t super_index = cvar_tile_superscale_index(w, tile, superblock) + (size_t)row;
  float superscale =
      cvar_half_to_float(((const uint16_t *)w->superscales)[super_index]) * CVAR_INT4_SCALE_UNIT;
  return (float)((const int8_t *)w->scales)[index] * superscale;
}

// The integer weight at (row of the tile, k).
static inline int32_t cvar_weight_code(const cvar_matrix *w, int32_t tile, int32_t row, int32_t k) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  if (w->type == CVAR_INT8) {
    return (int8_t)codes[(size_t)(k / 4) * 64 + (size_t)row * 4 + (size_t)(k % 4)];
  }
  uint8_t byte = codes[(size_t)(k / 8) * 64 + (size_t)row * 4 + (size_t)(k % 4)];
  return w->codebook[k % 8 < 4 ? byte & 15 : byte >> 4];
}

// The largest magnitude of a codebook's entries: products of small ones need fewer bits.
static inline int32_t cvar_largest_entry(const cvar_matrix *w) {
  int32_t largest = 0;
  for (int32_t i = 0; i < 16; i++) {
    int32_t entry = w->codebook[i] < 0 ? -w->codebook[i] : w->codebook[i];
    if (entry > largest) largest = entry;
  }
  return largest;
}

// Entries whose products fit 16 bits eight at a time; four at a time where the entries are made unsigned.
enum { CVAR_NARROW_ENTRY = 31 };

static inline int cvar_is_narrow(const cvar_matrix *w) {
  return w->type == CVAR_INT4 && cvar_largest_entry(w) <= CVAR_NARROW_ENTRY;
}

// A number without its sign. Compared as integers, magnitudes have the order of the numbers, with infinity above all of
// them and NaN above infinity: a group with a NaN has the scale NaN, so that it reaches every output.
enum { CVAR_MAGNITUDE_BITS = 0x7fffffff };

// Round half to even, for |x| <= 127: the sum's last bit counts ones.
static inline int32_t cvar_round_to_int(float x) {
  float shifted = x + 0x1.8p23f;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4b400000;
}

// quantize_activations from a function that does one group: its codes, scale and sum of codes.
typedef void cvar_quantize_group(const float *x, int32_t count, int8_t *codes, float *scale,
                                 int32_t *sum);

static inline __attribute__((always_inline)) void cvar_quantize_groups(
    cvar_quantize_group *quantize_group, const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
    int32_t group_size, int8_t *codes, float *scales, int32_t *sums) {
  int32_t groups = k / group_size;
  for (int32_t token = 0; token < n; token++) {
    for (int32_t group = 0; group < groups; group++) {
      ptrdiff_t index = (ptrdiff_t)token * groups + group;
      quantize_group(x + token * x_stride + (ptrdiff_t)group * group_size, group_size,
                     codes + index * group_size, scales + index, sums + index);
    }
  }
}

void cvar_quantize_activations_scalar(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                      int32_t group_size, int8_t *codes, float *scales,
                                      int32_t *sums);
void cvar_matmul_quantized_scalar(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                  const int32_t *sums, int32_t n, const float *bias, float *y,
                                  ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end);
void cvar_quantize_activations_avx2(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                    int32_t group_size, int8_t *codes, float *scales,
                                    int32_t *sums);
void cvar_quantize_activations_avx512vnni(const float *x, ptrdiff_t x_stride, int32_t n, int32_t k,
                                          int32_t group_size, int8_t *codes, float *scales,
                                          int32_t *sums);
void cvar_matmul_quantized_neon(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                const int32_t *sums, int32_t n, const float *bias, float *y,
                                ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end);
void cvar_matmul_quantized_dotprod(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                   const int32_t *sums, int32_t n, const float *bias, float *y,
                                   ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end);
void cvar_convolve_quantized_scalar(const cvar_matrix *w, const cvar_code_map *map,
                                    const float *bias, float *y, ptrdiff_t y_row_stride,
                                    int32_t tile_begin, int32_t tile_end);
void cvar_convolve_quantized_neon(const cvar_matrix *w, const cvar_code_map *map,
                                  const float *bias, float *y, ptrdiff_t y_row_stride,
                                  int32_t tile_begin, int32_t tile_end);
void cvar_convolve_quantized_avx512vnni(const cvar_matrix *w, const cvar_code_map *map,
                                        const float *bias, float *y, ptrdiff_t y_row_stride,
                                        int32_t tile_begin, int32_t tile_end);
void cvar_gather_row(const cvar_matrix *w, int32_t row, float *out);
