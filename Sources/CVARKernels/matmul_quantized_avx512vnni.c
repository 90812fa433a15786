#include "quantized.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

#include "quantized_avx512vnni.h"

// One path for any number of tokens: the packed weights of one or two tiles run through registers, where they meet a
// block of tokens. Keeping unpacked weights for the next block would cost more in stores and loads than unpacking does.

enum {
  MAX_TILES = 2,
  // Tokens of a block: as many sums as the registers hold. Few tokens wait for memory, which streams one tile faster.
  MAX_TOKENS_OF_ONE_TILE = 8,
  MAX_TOKENS_OF_TWO_TILES = 6,
  // How far a stream asks ahead. A single token waits for memory when it is farther, 8 when it is nearer.
  PREFETCH_BYTES = 4096,
};

typedef struct product {
  const cvar_matrix *w;
  const int8_t *codes;
  const float *scales;
  const int32_t *sums;
  const float *bias;
  float *y;
  ptrdiff_t y_stride;
} product;

// Rows of `tile` that the matrix has.
INLINE __mmask16 row_mask(const cvar_matrix *w, int32_t tile) {
  int32_t rows = cvar_min_i32(CVAR_TILE_ROWS, w->rows - tile * CVAR_TILE_ROWS);
  return (__mmask16)((1u << rows) - 1);
}

INLINE void multiply_block(const product *p, int32_t tile, const int tiles, const int tokens, const int is_int4) {
  const cvar_matrix *w = p->w;
  const ptrdiff_t groups = w->cols / w->group_size;
  const ptrdiff_t tile_bytes = (ptrdiff_t)w->cols * CVAR_TILE_ROWS / (is_int4 ? 2 : 1);
  const int step_bytes = is_int4 ? 64 : 128;  // of 8 columns
  const uint8_t *line = cvar_tile_codes(w, tile);
  const int8_t *codes = p->codes;
  __m512i codebook = biased_codebook(w);
  __m512 acc[MAX_TILES][MAX_TOKENS_OF_ONE_TILE], superscale[MAX_TILES];
  UNROLL for (int r = 0; r < tiles; r++) {
    superscale[r] = _mm512_setzero_ps();
    UNROLL for (int t = 0; t < tokens; t++) acc[r][t] = _mm512_setzero_ps();
  }
  for (int32_t group = 0; group < groups; group++) {
    __m512i sum[MAX_TILES][MAX_TOKENS_OF_ONE_TILE];
    UNROLL for (int t = 0; t < tokens; t++) {
      sum[0][t] = start(p->sums[t * groups + group]);
      if (tiles == 2) sum[1][t] = sum[0][t];
    }
    for (int32_t k = 0; k < w->group_size; k += 8, line += step_bytes, codes += 8) {
      __m512i even[MAX_TILES], odd[MAX_TILES];
      UNROLL for (int r = 0; r < tiles; r++) {
        const uint8_t *bytes = line + r * tile_bytes;
        _mm_prefetch((const char *)bytes + PREFETCH_BYTES, _MM_HINT_T0);
        if (is_int4) {
          unpack_int4(bytes, codebook, &even[r], &odd[r]);
        } else {
          _mm_prefetch((const char *)bytes + PREFETCH_BYTES + 64, _MM_HINT_T0);
          even[r] = unpack_int8(bytes);
          odd[r] = unpack_int8(bytes + 64);
        }
      }
      UNROLL for (int t = 0; t < tokens; t++) {
        const int8_t *x = codes + (ptrdiff_t)t * w->cols;
        __m512i first = broadcast4(x), second = broadcast4(x + 4);
        UNROLL for (int r = 0; r < tiles; r++) {
          sum[r][t] = _mm512_dpbusd_epi32(sum[r][t], even[r], first);
          sum[r][t] = _mm512_dpbusd_epi32(sum[r][t], odd[r], second);
        }
      }
    }
    UNROLL for (int r = 0; r < tiles; r++) {
      __m512 weight_scale = load_scales(w, tile + r, group, is_int4, &superscale[r]);
      UNROLL for (int t = 0; t < tokens; t++) {
        acc[r][t] = finish(sum[r][t], weight_scale, p->scales[t * groups + group], acc[r][t]);
      }
    }
  }
  UNROLL for (int r = 0; r < tiles; r++) {
    __mmask16 mask = row_mask(w, tile + r);
    int32_t row = (tile + r) * CVAR_TILE_ROWS;
    UNROLL for (int t = 0; t < tokens; t++) {
      if (p->bias) acc[r][t] = _mm512_add_ps(acc[r][t], _mm512_maskz_loadu_ps(mask, p->bias + row));
      _mm512_mask_storeu_ps(p->y + t * p->y_stride + row, mask, acc[r][t]);
    }
  }
}

#define BLOCK(tiles, tokens)                      \
  case (tiles) * 16 + (tokens):                   \
    if (p->w->type == CVAR_INT4) {                \
      multiply_block(p, tile, tiles, tokens, 1);  \
    } else {                                      \
      multiply_block(p, tile, tiles, tokens, 0);  \
    }                                             \
    break;

static void multiply(const product *p, int32_t tile, int32_t tiles, int32_t tokens) {
  switch (tiles * 16 + tokens) {
    BLOCK(1, 1)
    BLOCK(1, 2)
    BLOCK(1, 3)
    BLOCK(1, 4)
    BLOCK(1, 5)
    BLOCK(1, 6)
    BLOCK(1, 7)
    BLOCK(1, 8)
    BLOCK(2, 1)
    BLOCK(2, 2)
    BLOCK(2, 3)
    BLOCK(2, 4)
    BLOCK(2, 5)
    BLOCK(2, 6)
  }
}

static void matmul_quantized(const cvar_matrix *w, const int8_t *codes, const float *scales,
                             const int32_t *sums, int32_t n, const float *bias, float *y,
                             ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  const ptrdiff_t groups = w->cols / w->group_size;
  const int32_t pair = n > MAX_TOKENS_OF_ONE_TILE ? 2 : 1;
  for (int32_t tile = tile_begin; tile < tile_end; tile += pair) {
    int32_t tiles = cvar_min_i32(pair, tile_end - tile);
    product p = {w, codes, scales, sums, bias, y, y_stride};
    for (int32_t left = n, tokens; left > 0; left -= tokens) {
      tokens = cvar_block_tokens(left, pair == 2 ? MAX_TOKENS_OF_TWO_TILES : MAX_TOKENS_OF_ONE_TILE);
      multiply(&p, tile, tiles, tokens);
      p.codes += (ptrdiff_t)tokens * w->cols;
      p.scales += tokens * groups;
      p.sums += tokens * groups;
      p.y += tokens * y_stride;
    }
  }
}

void cvar_fill_int_avx512vnni(cvar_kernels *kernels) {
  kernels->quantize_activations = cvar_quantize_activations_avx512vnni;
  kernels->matmul_quantized = matmul_quantized;
  kernels->convolve_quantized = cvar_convolve_quantized_avx512vnni;
}

#pragma clang attribute pop
#endif
