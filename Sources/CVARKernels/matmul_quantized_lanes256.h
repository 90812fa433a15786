#include <immintrin.h>

#include "quantized_stream.h"

// The quantized product in registers of 8 rows. The file that includes this defines, for its instruction set:
//   MAX_TOKENS, MAX_STREAM_TOKENS   of a block; what fits the registers
//   STREAM_LIMIT                    the most tokens for which a stream is faster than panels
//   CODE_BIAS                       what is flipped in the codes: 0, or 0x80 for unsigned ones
//   operand, prepare                4 columns of 8 rows as the multiplication takes them
//   start                           the first value of a group's sum, from the activations' sum
//   add_products                    adds 4 products to each row's sum

// A number of tokens that the instruction set has registers for.
#define AT_MOST(most, tokens) ((tokens) < (most) ? (tokens) : (most))

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

// How far a stream asks ahead.
enum { PREFETCH_BYTES = 8192 };

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

INLINE __m256i flip(__m256i codes) {
  return CODE_BIAS ? _mm256_xor_si256(codes, _mm256_set1_epi8((char)CODE_BIAS)) : codes;
}

INLINE __m256i load_codebook(const cvar_matrix *w) {
  return flip(_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)w->codebook)));
}

// A step is 4 columns of 16 rows, 64 bytes; int4 packs the steps 2i and 2i + 1 into one line, of which this is a half.
INLINE void unpack_int4(const uint8_t *half_line, __m256i codebook, __m256i *even, __m256i *odd) {
  __m256i packed = _mm256_loadu_si256((const void *)half_line);
  __m256i mask = _mm256_set1_epi8(15);
  *even = _mm256_shuffle_epi8(codebook, _mm256_and_si256(packed, mask));
  *odd = _mm256_shuffle_epi8(codebook, _mm256_and_si256(_mm256_srli_epi16(packed, 4), mask));
}

INLINE __m256i unpack_int8(const uint8_t *codes) {
  return flip(_mm256_loadu_si256((const void *)codes));
}

static void unpack(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                   cvar_panel *panel) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  if (w->type == CVAR_INT8) {
    codes += (size_t)first_col * CVAR_TILE_ROWS;
    for (int32_t i = 0; i < cols * CVAR_TILE_ROWS; i += 32) {
      _mm256_store_si256((__m256i *)(panel->codes + i), unpack_int8(codes + i));
    }
  } else {
    codes += (size_t)first_col * CVAR_TILE_ROWS / 2;
    __m256i codebook = load_codebook(w);
    for (int32_t i = 0; i < cols * CVAR_TILE_ROWS; i += 128) {
      for (int32_t half = 0; half < 64; half += 32) {
        __m256i even, odd;
        unpack_int4(codes + i / 2 + half, codebook, &even, &odd);
        _mm256_store_si256((__m256i *)(panel->codes + i + half), even);
        _mm256_store_si256((__m256i *)(panel->codes + i + 64 + half), odd);
      }
    }
  }
  int32_t first_group = first_col / w->group_size;
  for (int32_t group = 0; group < cols / w->group_size; group++) {
    float *scales = panel->scales + group * CVAR_TILE_ROWS;
    _mm256_store_ps(scales, load_scales(w, tile, first_group + group, 0));
    _mm256_store_ps(scales + 8, load_scales(w, tile, first_group + group, 8));
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
    UNROLL for (int t = 0; t < tokens; t++) {
      sum[t][0] = sum[t][1] = start(b->sums[t * b->scales_stride + group]);
    }
    for (int32_t k = 0; k < b->group_size; k += 4) {
      operand w0 = prepare(_mm256_load_si256(lines)), w1 = prepare(_mm256_load_si256(lines + 1));
      UNROLL for (int t = 0; t < tokens; t++) {
        __m256i x = broadcast4(codes + t * b->codes_stride);
        sum[t][0] = add_products(sum[t][0], w0, x);
        sum[t][1] = add_products(sum[t][1], w1, x);
      }
      lines += 2;
      codes += 4;
    }
    UNROLL for (int t = 0; t < tokens; t++) {
      float scale = b->scales[t * b->scales_stride + group];
      UNROLL for (int half = 0; half < 2; half++) {
        __m256 weight_scale = _mm256_load_ps(panel->scales + group * CVAR_TILE_ROWS + half * 8);
        acc[t][half] = finish(sum[t][half], weight_scale, scale, acc[t][half]);
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
      case 4: multiply_tile(b, panel, y, 4); break;
      case 5: multiply_tile(b, panel, y, AT_MOST(MAX_TOKENS, 5)); break;
      default: multiply_tile(b, panel, y, AT_MOST(MAX_TOKENS, 6)); break;
    }
  }
}

static const cvar_panel_kernels panel_kernels = {MAX_TOKENS, unpack, multiply};

INLINE void store_tile(const cvar_stream *s, int32_t tile, int32_t token, __m256 low, __m256 high) {
  int32_t first_row = tile * CVAR_TILE_ROWS;
  if (s->w->rows - first_row < CVAR_TILE_ROWS) {
    float sums[CVAR_TILE_ROWS];
    _mm256_storeu_ps(sums, low);
    _mm256_storeu_ps(sums + 8, high);
    cvar_store_cut(s, tile, token, sums);
    return;
  }
  if (s->bias) {
    low = _mm256_add_ps(low, _mm256_loadu_ps(s->bias + first_row));
    high = _mm256_add_ps(high, _mm256_loadu_ps(s->bias + first_row + 8));
  }
  float *y = s->y + token * s->y_stride + first_row;
  _mm256_storeu_ps(y, low);
  _mm256_storeu_ps(y + 8, high);
}

INLINE void stream_tile(const cvar_stream *s, int32_t tile, const int tokens, const int is_int4) {
  const cvar_matrix *w = s->w;
  ptrdiff_t groups = w->cols / w->group_size;
  const uint8_t *line = cvar_tile_codes(w, tile);
  const int8_t *codes = s->codes;
  __m256i codebook = load_codebook(w);
  __m256 acc[MAX_STREAM_TOKENS][2];
  UNROLL for (int t = 0; t < tokens; t++) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
  for (int32_t group = 0; group < groups; group++) {
    __m256i sum[MAX_STREAM_TOKENS][2];
    UNROLL for (int t = 0; t < tokens; t++) {
      sum[t][0] = sum[t][1] = start(s->sums[t * groups + group]);
    }
    for (int32_t k = 0; k < w->group_size; k += 8) {
      _mm_prefetch((const char *)line + PREFETCH_BYTES, _MM_HINT_T0);
      if (!is_int4) _mm_prefetch((const char *)line + PREFETCH_BYTES + 64, _MM_HINT_T0);
      UNROLL for (int half = 0; half < 2; half++) {
        __m256i even, odd;
        if (is_int4) {
          unpack_int4(line + half * 32, codebook, &even, &odd);
        } else {
          even = unpack_int8(line + half * 32);
          odd = unpack_int8(line + 64 + half * 32);
        }
        operand first = prepare(even), second = prepare(odd);
        UNROLL for (int t = 0; t < tokens; t++) {
          const int8_t *x = codes + (ptrdiff_t)t * w->cols;
          sum[t][half] = add_products(sum[t][half], first, broadcast4(x));
          sum[t][half] = add_products(sum[t][half], second, broadcast4(x + 4));
        }
      }
      line += is_int4 ? 64 : 128;
      codes += 8;
    }
    UNROLL for (int half = 0; half < 2; half++) {
      __m256 weight_scale = load_scales(w, tile, group, half * 8);
      UNROLL for (int t = 0; t < tokens; t++) {
        float scale = s->scales[t * groups + group];
        acc[t][half] = finish(sum[t][half], weight_scale, scale, acc[t][half]);
      }
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) store_tile(s, tile, t, acc[t][0], acc[t][1]);
}

INLINE void stream_type(const cvar_stream *s, int32_t tile, const int tokens) {
  if (s->w->type == CVAR_INT4) {
    stream_tile(s, tile, tokens, 1);
  } else {
    stream_tile(s, tile, tokens, 0);
  }
}

static void stream_tokens(const cvar_stream *s, int32_t tile, int32_t tokens) {
  switch (tokens) {
    case 1: stream_type(s, tile, 1); break;
    case 2: stream_type(s, tile, 2); break;
    case 3: stream_type(s, tile, 3); break;
    case 4: stream_type(s, tile, 4); break;
    case 5: stream_type(s, tile, AT_MOST(MAX_STREAM_TOKENS, 5)); break;
    default: stream_type(s, tile, AT_MOST(MAX_STREAM_TOKENS, 6)); break;
  }
}

static void matmul_quantized(const cvar_matrix *w, const int8_t *codes, const float *scales,
                             const int32_t *sums, int32_t n, const float *bias, float *y,
                             ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  if (n <= STREAM_LIMIT) {
    cvar_stream s = {w, codes, scales, sums, bias, y, y_stride};
    cvar_matmul_stream(stream_tokens, MAX_STREAM_TOKENS, &s, n, tile_begin, tile_end);
  } else {
    cvar_matmul_panels(&panel_kernels, w, codes, scales, sums, n, bias, y, y_stride, tile_begin,
                       tile_end);
  }
}

static void convolve_quantized(const cvar_matrix *w, const cvar_code_map *map, const float *bias,
                               float *y, ptrdiff_t y_row_stride, int32_t tile_begin,
                               int32_t tile_end) {
  cvar_convolve_panels(&panel_kernels, w, map, bias, y, y_row_stride, tile_begin, tile_end);
}
