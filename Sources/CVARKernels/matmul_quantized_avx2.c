#include "quantized_panel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// vpmaddubsw multiplies unsigned by signed bytes: the weight's sign moves to the activation.
// Two products of 127 * 127 fit 16 bits, so nothing saturates.

enum { MAX_TOKENS = 4 };

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE __m256 load_half8(const uint16_t *halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)halves));
}

// The scales of the 8 rows from `row` on.
INLINE __m256 load_scales(const cvar_matrix *w, int32_t tile, int32_t group, int32_t row) {
  size_t index = cvar_tile_scale_index(w, tile, group) + (size_t)row;
  if (w->type == CVAR_INT8) {
    return _mm256_mul_ps(load_half8((const uint16_t *)w->scales + index),
                         _mm256_set1_ps(CVAR_INT8_SCALE_UNIT));
  }
  int32_t superblock = group * w->group_size / CVAR_SUPERBLOCK_COLS;
  size_t super_index = cvar_tile_superscale_index(w, tile, superblock) + (size_t)row;
  __m256 superscale = _mm256_mul_ps(load_half8((const uint16_t *)w->superscales + super_index),
                                    _mm256_set1_ps(CVAR_INT4_SCALE_UNIT));
  __m128i bytes = _mm_loadl_epi64((const __m128i *)((const int8_t *)w->scales + index));
  return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), superscale);
}

static void unpack_int4(const cvar_matrix *w, const uint8_t *packed, int32_t cols, uint8_t *codes) {
  __m256i codebook = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)w->codebook));
  __m256i mask = _mm256_set1_epi8(15);
  for (int32_t k = 0; k < cols; k += 8) {
    for (int32_t half = 0; half < 64; half += 32) {
      __m256i bytes = _mm256_loadu_si256((const void *)(packed + k * 8 + half));
      __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask);
      __m256i *even = (__m256i *)(codes + k * 16 + half);
      _mm256_store_si256(even, _mm256_shuffle_epi8(codebook, _mm256_and_si256(bytes, mask)));
      _mm256_store_si256(even + 2, _mm256_shuffle_epi8(codebook, high));
    }
  }
}

static void unpack(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                   cvar_panel *panel) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  if (w->type == CVAR_INT8) {
    memcpy(panel->codes, codes + (size_t)first_col * 16, (size_t)cols * 16);
  } else {
    unpack_int4(w, codes + (size_t)first_col * 8, cols, panel->codes);
  }
  int32_t first_group = first_col / w->group_size;
  for (int32_t group = 0; group < cols / w->group_size; group++) {
    float *scales = panel->scales + group * CVAR_TILE_ROWS;
    _mm256_store_ps(scales, load_scales(w, tile, first_group + group, 0));
    _mm256_store_ps(scales + 8, load_scales(w, tile, first_group + group, 8));
  }
}

INLINE __m256i add_products(__m256i sum, __m256i w, __m256i magnitude, __m256i x) {
  __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(x, w));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE void multiply_tile(const cvar_block *b, const cvar_panel *panel, float *y,
                          const int tokens) {
  __m256 acc[MAX_TOKENS][2];
  UNROLL for (int t = 0; t < tokens; t++) {
    UNROLL for (int half = 0; half < 2; half++) {
      acc[t][half] = b->is_first_slab ? _mm256_setzero_ps()
                                      : _mm256_loadu_ps(y + t * b->y_stride + half * 8);
    }
  }
  const __m256i *lines = (const __m256i *)panel->codes;
  const int8_t *codes = b->codes;
  for (int32_t group = 0; group < b->groups; group++) {
    __m256i sum[MAX_TOKENS][2];
    UNROLL for (int t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = _mm256_setzero_si256();
    for (int32_t k = 0; k < b->group_size; k += 4) {
      __m256i w0 = _mm256_load_si256(lines);
      __m256i w1 = _mm256_load_si256(lines + 1);
      __m256i magnitude0 = _mm256_abs_epi8(w0);
      __m256i magnitude1 = _mm256_abs_epi8(w1);
      UNROLL for (int t = 0; t < tokens; t++) {
        int32_t four;
        memcpy(&four, codes + t * b->codes_stride, sizeof four);
        __m256i x = _mm256_set1_epi32(four);
        sum[t][0] = add_products(sum[t][0], w0, magnitude0, x);
        sum[t][1] = add_products(sum[t][1], w1, magnitude1, x);
      }
      lines += 2;
      codes += 4;
    }
    UNROLL for (int t = 0; t < tokens; t++) {
      __m256 scale = _mm256_set1_ps(b->scales[t * b->scales_stride + group]);
      UNROLL for (int half = 0; half < 2; half++) {
        const float *weight_scale = panel->scales + group * CVAR_TILE_ROWS + half * 8;
        acc[t][half] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[t][half]),
                                       _mm256_mul_ps(_mm256_load_ps(weight_scale), scale),
                                       acc[t][half]);
      }
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) {
    UNROLL for (int half = 0; half < 2; half++) {
      _mm256_storeu_ps(y + t * b->y_stride + half * 8, acc[t][half]);
    }
  }
}

static void multiply(const cvar_block *b) {
  for (int32_t tile = 0; tile < b->tiles; tile++) {
    const cvar_panel *panel = b->panels + tile;
    float *y = b->y + tile * CVAR_TILE_ROWS;
    switch (b->tokens) {
      case 1: multiply_tile(b, panel, y, 1); break;
      case 2: multiply_tile(b, panel, y, 2); break;
      case 3: multiply_tile(b, panel, y, 3); break;
      default: multiply_tile(b, panel, y, 4); break;
    }
  }
}

void cvar_matmul_quantized_avx2(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                const int32_t *sums, int32_t n, const float *bias, float *y,
                                ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  static const cvar_panel_kernels kernels = {MAX_TOKENS, unpack, multiply};
  cvar_matmul_panels(&kernels, w, codes, scales, sums, n, bias, y, y_stride, tile_begin, tile_end);
}

#pragma clang attribute pop
#endif
