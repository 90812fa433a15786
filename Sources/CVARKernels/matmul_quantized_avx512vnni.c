#include "quantized.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

// One path for any number of tokens: the packed weights of one or two tiles run through registers, where they meet a
// block of tokens. Keeping unpacked weights for the next block would cost more in stores and loads than unpacking does.
//
// vpdpbusd multiplies unsigned by signed bytes: weights are biased by 128 (in int4 the codebook is), and the group sums
// of the activations take the bias off again.

enum {
  MAX_TILES = 2,
  // Tokens of a block: as many sums as the registers hold. Few tokens wait for memory, which streams one tile faster.
  MAX_TOKENS_OF_ONE_TILE = 8,
  MAX_TOKENS_OF_TWO_TILES = 6,
  // How far a stream asks ahead. A single token waits for memory when it is farther, 8 when it is nearer.
  PREFETCH_BYTES = 4096,
};

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE __m512i biased_codebook(const cvar_matrix *w) {
  __m128i codebook = _mm_loadu_si128((const __m128i *)w->codebook);
  return _mm512_broadcast_i32x4(_mm_xor_si128(codebook, _mm_set1_epi8((char)0x80)));
}

// A step is 4 columns of 16 rows, 64 bytes; int4 packs the steps 2i and 2i + 1 into one line.
INLINE void unpack_int4(const uint8_t *line, __m512i codebook, __m512i *even, __m512i *odd) {
  __m512i packed = _mm512_loadu_si512(line);
  __m512i mask = _mm512_set1_epi8(15);
  *even = _mm512_shuffle_epi8(codebook, _mm512_and_si512(packed, mask));
  *odd = _mm512_shuffle_epi8(codebook, _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask));
}

INLINE __m512i unpack_int8(const uint8_t *line) {
  return _mm512_xor_si512(_mm512_loadu_si512(line), _mm512_set1_epi8((char)0x80));
}

INLINE __m512 load_superscale(const cvar_matrix *w, int32_t tile, int32_t superblock) {
  const uint16_t *superscales = (const uint16_t *)w->superscales;
  superscales += cvar_tile_superscale_index(w, tile, superblock);
  return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256((const void *)superscales)),
                       _mm512_set1_ps(CVAR_INT4_SCALE_UNIT));
}

// The scales of a tile's next group. int4: a group that begins a superblock loads its superscale, too.
INLINE __m512 load_scales(const cvar_matrix *w, int32_t tile, int32_t group, const int is_int4,
                          __m512 *superscale) {
  size_t index = cvar_tile_scale_index(w, tile, group);
  if (!is_int4) {
    const __m256i *halves = (const __m256i *)((const uint16_t *)w->scales + index);
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256(halves)),
                         _mm512_set1_ps(CVAR_INT8_SCALE_UNIT));
  }
  int32_t col = group * w->group_size;
  if (col % CVAR_SUPERBLOCK_COLS == 0) {
    *superscale = load_superscale(w, tile, col / CVAR_SUPERBLOCK_COLS);
  }
  __m128i bytes = _mm_loadu_si128((const void *)((const int8_t *)w->scales + index));
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), *superscale);
}

INLINE __m512i broadcast4(const int8_t *codes) {
  int32_t four;
  memcpy(&four, codes, sizeof four);
  return _mm512_set1_epi32(four);
}

// The sum starts at -128 times the activations' sum.
INLINE __m512i start(int32_t sum) {
  return _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(_mm512_set1_epi32(sum), 7));
}

INLINE __m512 finish(__m512i sum, __m512 weight_scale, float scale, __m512 acc) {
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum),
                         _mm512_mul_ps(weight_scale, _mm512_set1_ps(scale)), acc);
}

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
  kernels->matmul_quantized = matmul_quantized;
}

#pragma clang attribute pop
#endif
