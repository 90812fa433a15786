#pragma once
#include <immintrin.h>

#include "quantized_stream.h"

// What quantized products share whose registers hold 8 rows; included under the target attribute.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE __m256 load_half8(const uint16_t *halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves));
}

// The superscales of the 8 rows from `row` on.
INLINE __m256 load_superscales(const cvar_matrix *w, int32_t tile, int32_t superblock, int32_t row) {
  size_t index = cvar_tile_superscale_index(w, tile, superblock) + (size_t)row;
  return _mm256_mul_ps(load_half8((const uint16_t *)w->superscales + index),
                       _mm256_set1_ps(CVAR_INT4_SCALE_UNIT));
}

// The scales of the 8 rows from `row` on; those of int4 count in `superscales`.
INLINE __m256 load_scales(const cvar_matrix *w, int32_t tile, int32_t group, int32_t row,
                          const int is_int4, __m256 superscales) {
  size_t index = cvar_tile_scale_index(w, tile, group) + (size_t)row;
  if (!is_int4) {
    return _mm256_mul_ps(load_half8((const uint16_t *)w->scales + index),
                         _mm256_set1_ps(CVAR_INT8_SCALE_UNIT));
  }
  __m128i bytes = _mm_loadl_epi64((const __m128i *)((const int8_t *)w->scales + index));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), superscales);
}

INLINE void unpack_scales(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                          const int is_int4, cvar_panel *panel) {
  int32_t first_group = first_col / w->group_size;
  for (int32_t i = 0; i < cols / w->group_size; i++) {
    int32_t group = first_group + i, superblock = group * w->group_size / CVAR_SUPERBLOCK_COLS;
    UNROLL for (int32_t row = 0; row < CVAR_TILE_ROWS; row += 8) {
      __m256 superscales =
          is_int4 ? load_superscales(w, tile, superblock, row) : _mm256_setzero_ps();
      _mm256_store_ps(panel->scales + i * CVAR_TILE_ROWS + row,
                      load_scales(w, tile, group, row, is_int4, superscales));
    }
  }
}

INLINE __m256i broadcast4(const int8_t *codes) {
  int32_t four;
  memcpy(&four, codes, sizeof four);
  return _mm256_set1_epi32(four);
}

INLINE __m256 finish(__m256i sum, __m256 weight_scale, float scale, __m256 acc) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                         _mm256_mul_ps(weight_scale, _mm256_set1_ps(scale)), acc);
}
