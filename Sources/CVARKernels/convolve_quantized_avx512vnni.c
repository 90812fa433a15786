#include "quantized_panel.h"

#if defined(__x86_64__)
#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

#include "quantized_avx512vnni.h"

// Neighbouring pixels share most of their inputs, so that all of a slab's pixels find weights and inputs in the nearest
// caches: here unpacked weights are worth keeping.

enum { MAX_TOKENS = 6 };

static void unpack(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                   cvar_panel *panel) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  if (w->type == CVAR_INT8) {
    codes += (size_t)first_col * CVAR_TILE_ROWS;
    for (int32_t i = 0; i < cols * CVAR_TILE_ROWS; i += 64) {
      _mm512_store_si512(panel->codes + i, unpack_int8(codes + i));
    }
  } else {
    codes += (size_t)first_col * CVAR_TILE_ROWS / 2;
    __m512i codebook = biased_codebook(w);
    for (int32_t i = 0; i < cols * CVAR_TILE_ROWS; i += 128) {
      __m512i even, odd;
      unpack_int4(codes + i / 2, codebook, &even, &odd);
      _mm512_store_si512(panel->codes + i, even);
      _mm512_store_si512(panel->codes + i + 64, odd);
    }
  }
  int32_t first_group = first_col / w->group_size;
  for (int32_t group = 0; group < cols / w->group_size; group++) {
    int32_t superblock = (first_group + group) * w->group_size / CVAR_SUPERBLOCK_COLS;
    int is_int4 = w->type == CVAR_INT4;
    __m512 superscale = is_int4 ? load_superscale(w, tile, superblock) : _mm512_setzero_ps();
    _mm512_store_ps(panel->scales + group * CVAR_TILE_ROWS,
                    load_scales(w, tile, first_group + group, is_int4, &superscale));
  }
}

INLINE void multiply_block(const cvar_block *b, const int tiles, const int tokens) {
  __m512 acc[CVAR_PANEL_TILES][MAX_TOKENS];
  UNROLL for (int t = 0; t < tokens; t++) {
    UNROLL for (int r = 0; r < tiles; r++) {
      const float *y = b->y + t * b->y_stride + r * CVAR_TILE_ROWS;
      acc[r][t] = b->is_first_slab ? _mm512_setzero_ps() : _mm512_loadu_ps(y);
    }
  }
  const uint8_t *panel = b->panels[0].codes;
  const int8_t *codes = b->codes;
  for (int32_t group = 0; group < b->groups; group++) {
    __m512i sum[CVAR_PANEL_TILES][MAX_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) {
      sum[0][t] = start(b->sums[t * b->scales_stride + group]);
      if (tiles == 2) sum[1][t] = sum[0][t];
    }
    for (int32_t k = 0; k < b->group_size; k += 16) {
      UNROLL for (int step = 0; step < 4; step++) {
        __m512i w[CVAR_PANEL_TILES];
        UNROLL for (int r = 0; r < tiles; r++) {
          w[r] = _mm512_load_si512(panel + (size_t)r * sizeof(cvar_panel) + step * 64);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
          __m512i x = broadcast4(codes + t * b->codes_stride + step * 4);
          UNROLL for (int r = 0; r < tiles; r++) {
            sum[r][t] = _mm512_dpbusd_epi32(sum[r][t], w[r], x);
          }
        }
      }
      panel += 256;
      codes += 16;
    }
    UNROLL for (int r = 0; r < tiles; r++) {
      __m512 weight_scale = _mm512_load_ps(b->panels[r].scales + group * CVAR_TILE_ROWS);
      UNROLL for (int t = 0; t < tokens; t++) {
        float scale = b->scales[t * b->scales_stride + group];
        acc[r][t] = finish(sum[r][t], weight_scale, scale, acc[r][t]);
      }
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) {
    UNROLL for (int r = 0; r < tiles; r++) {
      _mm512_storeu_ps(b->y + t * b->y_stride + r * CVAR_TILE_ROWS, acc[r][t]);
    }
  }
}

static void multiply(const cvar_block *b) {
  switch (b->tiles * 8 + b->tokens) {
    case 9: multiply_block(b, 1, 1); break;
    case 10: multiply_block(b, 1, 2); break;
    case 11: multiply_block(b, 1, 3); break;
    case 12: multiply_block(b, 1, 4); break;
    case 13: multiply_block(b, 1, 5); break;
    case 14: multiply_block(b, 1, 6); break;
    case 17: multiply_block(b, 2, 1); break;
    case 18: multiply_block(b, 2, 2); break;
    case 19: multiply_block(b, 2, 3); break;
    case 20: multiply_block(b, 2, 4); break;
    case 21: multiply_block(b, 2, 5); break;
    default: multiply_block(b, 2, 6); break;
  }
}

static const cvar_panel_kernels panel_kernels = {MAX_TOKENS, unpack, multiply};

void cvar_convolve_quantized_avx512vnni(const cvar_matrix *w, const cvar_code_map *map,
                                        const float *bias, float *y, ptrdiff_t y_row_stride,
                                        int32_t tile_begin, int32_t tile_end) {
  cvar_convolve_panels(&panel_kernels, w, map, bias, y, y_row_stride, tile_begin, tile_end);
}

#pragma clang attribute pop
#endif
