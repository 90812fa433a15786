#include "quantized_panel.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)

// vpdpbusd multiplies unsigned by signed bytes: weights are biased by 128 (in int4 the codebook
// is), and the group sums of the activations take the bias off again.

enum {
  MAX_TOKENS = 6,
  MAX_STREAM_TOKENS = 8,
  // How far a stream asks ahead: a smaller distance leaves 4 to 8 tokens waiting for memory.
  PREFETCH_BYTES = 16384,
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

INLINE __m512 load_scales(const cvar_matrix *w, int32_t tile, int32_t group) {
  size_t index = cvar_tile_scale_index(w, tile, group);
  if (w->type == CVAR_INT8) {
    const __m256i *halves = (const __m256i *)((const uint16_t *)w->scales + index);
    return _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256(halves)),
                         _mm512_set1_ps(CVAR_INT8_SCALE_UNIT));
  }
  int32_t superblock = group * w->group_size / CVAR_SUPERBLOCK_COLS;
  const uint16_t *superscales = (const uint16_t *)w->superscales;
  superscales += cvar_tile_superscale_index(w, tile, superblock);
  __m512 superscale = _mm512_mul_ps(_mm512_cvtph_ps(_mm256_loadu_si256((const void *)superscales)),
                                    _mm512_set1_ps(CVAR_INT4_SCALE_UNIT));
  const int8_t *scales = (const int8_t *)w->scales + index;
  __m128i bytes = _mm_loadu_si128((const void *)scales);
  return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), superscale);
}

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
    _mm512_store_ps(panel->scales + group * CVAR_TILE_ROWS,
                    load_scales(w, tile, first_group + group));
  }
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

// The operands of a product for few tokens, which unpacks the weights straight into registers.
typedef struct stream {
  const cvar_matrix *w;
  const int8_t *codes;
  const float *scales;
  const int32_t *sums;
  const float *bias;
  float *y;
  ptrdiff_t y_stride;
} stream;

INLINE void stream_tile(const stream *s, int32_t tile, const int tokens, const int is_int4) {
  const cvar_matrix *w = s->w;
  ptrdiff_t groups = w->cols / w->group_size;
  const uint8_t *line = cvar_tile_codes(w, tile);
  const int8_t *codes = s->codes;
  __m512i codebook = biased_codebook(w);
  __m512 acc[MAX_STREAM_TOKENS];
  UNROLL for (int t = 0; t < tokens; t++) acc[t] = _mm512_setzero_ps();
  for (int32_t group = 0; group < groups; group++) {
    __m512i sum[MAX_STREAM_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) sum[t] = start(s->sums[t * groups + group]);
    for (int32_t k = 0; k < w->group_size; k += 8) {
      _mm_prefetch((const char *)line + PREFETCH_BYTES, _MM_HINT_T0);
      if (!is_int4) _mm_prefetch((const char *)line + PREFETCH_BYTES + 64, _MM_HINT_T0);
      __m512i even, odd;
      if (is_int4) {
        unpack_int4(line, codebook, &even, &odd);
      } else {
        even = unpack_int8(line);
        odd = unpack_int8(line + 64);
      }
      line += is_int4 ? 64 : 128;
      UNROLL for (int t = 0; t < tokens; t++) {
        const int8_t *x = codes + (ptrdiff_t)t * w->cols;
        sum[t] = _mm512_dpbusd_epi32(sum[t], even, broadcast4(x));
        sum[t] = _mm512_dpbusd_epi32(sum[t], odd, broadcast4(x + 4));
      }
      codes += 8;
    }
    __m512 weight_scale = load_scales(w, tile, group);
    UNROLL for (int t = 0; t < tokens; t++) {
      acc[t] = finish(sum[t], weight_scale, s->scales[t * groups + group], acc[t]);
    }
  }
  int32_t first_row = tile * CVAR_TILE_ROWS;
  int32_t rows = cvar_min_i32(CVAR_TILE_ROWS, w->rows - first_row);
  __mmask16 mask = (__mmask16)((1u << rows) - 1);
  UNROLL for (int t = 0; t < tokens; t++) {
    if (s->bias) acc[t] = _mm512_add_ps(acc[t], _mm512_maskz_loadu_ps(mask, s->bias + first_row));
    _mm512_mask_storeu_ps(s->y + t * s->y_stride + first_row, mask, acc[t]);
  }
}

INLINE void stream_block(const stream *s, int32_t tile, const int tokens) {
  if (s->w->type == CVAR_INT4) {
    stream_tile(s, tile, tokens, 1);
  } else {
    stream_tile(s, tile, tokens, 0);
  }
}

static void stream_tokens(const stream *s, int32_t tile, int32_t tokens) {
  switch (tokens) {
    case 1: stream_block(s, tile, 1); break;
    case 2: stream_block(s, tile, 2); break;
    case 3: stream_block(s, tile, 3); break;
    case 4: stream_block(s, tile, 4); break;
    case 5: stream_block(s, tile, 5); break;
    case 6: stream_block(s, tile, 6); break;
    case 7: stream_block(s, tile, 7); break;
    default: stream_block(s, tile, 8); break;
  }
}

// The blocks of tokens after the first one find the tile in the cache.
static void matmul_stream(const stream *whole, int32_t n, int32_t tile_begin, int32_t tile_end) {
  ptrdiff_t groups = whole->w->cols / whole->w->group_size;
  for (int32_t tile = tile_begin; tile < tile_end; tile++) {
    stream s = *whole;
    for (int32_t left = n, tokens; left > 0; left -= tokens) {
      tokens = cvar_block_tokens(left, MAX_STREAM_TOKENS);
      stream_tokens(&s, tile, tokens);
      s.codes += (ptrdiff_t)tokens * s.w->cols;
      s.scales += tokens * groups;
      s.sums += tokens * groups;
      s.y += tokens * s.y_stride;
    }
  }
}

static void matmul_quantized(const cvar_matrix *w, const int8_t *codes, const float *scales,
                             const int32_t *sums, int32_t n, const float *bias, float *y,
                             ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  // With more tokens the unpacking is worth keeping.
  if (n <= 4 * MAX_STREAM_TOKENS) {
    stream s = {w, codes, scales, sums, bias, y, y_stride};
    matmul_stream(&s, n, tile_begin, tile_end);
  } else {
    cvar_matmul_panels(&panel_kernels, w, codes, scales, sums, n, bias, y, y_stride, tile_begin,
                       tile_end);
  }
}

void cvar_fill_int_avx512vnni(cvar_kernels *kernels) {
  kernels->matmul_quantized = matmul_quantized;
}

#pragma clang attribute pop
#endif
