#include "quantized_lanes256.h"

// The quantized product in registers of 8 rows. The file that includes this defines, for its instruction set:
//   MAX_TOKENS, MAX_STREAM_TOKENS   of a block; what fits the registers
//   code_form, is_int4              how the codes of a matrix are multiplied, and whether they are nibbles
//   bias_of                         what is added to the codes of a form, which makes them unsigned; or 0
//   add_columns                     adds the products of 8 columns to each row's sum
//   kernels_for                     the kernels of the form of a matrix, from FORM_FUNCTIONS

// A number of tokens that the instruction set has registers for.
#define AT_MOST(most, tokens) ((tokens) < (most) ? (tokens) : (most))

// How far a stream asks ahead.
enum { PREFETCH_BYTES = 8192 };

INLINE __m256i add_bias(__m256i codes, const code_form form) {
  return bias_of(form) ? _mm256_add_epi8(codes, _mm256_set1_epi8((char)bias_of(form))) : codes;
}

INLINE __m256i load_codebook(const cvar_matrix *w, const code_form form) {
  __m128i codebook = _mm_loadu_si128((const void *)w->codebook);
  return add_bias(_mm256_broadcastsi128_si256(codebook), form);
}

// A group's sum begins with what takes the bias off again, from the activations' sum.
INLINE __m256i start(int32_t sum, const code_form form) { return _mm256_set1_epi32(-bias_of(form) * sum); }

// A step is 4 columns of 16 rows, 64 bytes; int4 packs the steps 2i and 2i + 1 into one line, of which this is a half.
INLINE void unpack_int4(const uint8_t *half_line, __m256i codebook, __m256i *even, __m256i *odd) {
  __m256i packed = _mm256_loadu_si256((const void *)half_line);
  __m256i mask = _mm256_set1_epi8(15);
  *even = _mm256_shuffle_epi8(codebook, _mm256_and_si256(packed, mask));
  *odd = _mm256_shuffle_epi8(codebook, _mm256_and_si256(_mm256_srli_epi16(packed, 4), mask));
}

INLINE __m256i unpack_int8(const uint8_t *codes, const code_form form) {
  return add_bias(_mm256_loadu_si256((const void *)codes), form);
}

INLINE void unpack_form(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                        cvar_panel *panel, const code_form form) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  if (!is_int4(form)) {
    codes += (size_t)first_col * CVAR_TILE_ROWS;
    for (int32_t i = 0; i < cols * CVAR_TILE_ROWS; i += 32) {
      _mm256_store_si256((__m256i *)(panel->codes + i), unpack_int8(codes + i, form));
    }
  } else {
    codes += (size_t)first_col * CVAR_TILE_ROWS / 2;
    __m256i codebook = load_codebook(w, form);
    for (int32_t i = 0; i < cols * CVAR_TILE_ROWS; i += 128) {
      for (int32_t half = 0; half < 64; half += 32) {
        __m256i even, odd;
        unpack_int4(codes + i / 2 + half, codebook, &even, &odd);
        _mm256_store_si256((__m256i *)(panel->codes + i + half), even);
        _mm256_store_si256((__m256i *)(panel->codes + i + 64 + half), odd);
      }
    }
  }
  unpack_scales(w, tile, first_col, cols, is_int4(form), panel);
}

INLINE void multiply_tile(const cvar_block *b, const cvar_panel *panel, float *y,
                          const int tokens, const code_form form) {
  __m256 acc[MAX_TOKENS][2];
  UNROLL for (int t = 0; t < tokens; t++) {
    UNROLL for (int half = 0; half < 2; half++) {
      acc[t][half] = b->is_first_slab ? _mm256_setzero_ps() : _mm256_loadu_ps(y + t * b->y_stride + half * 8);
    }
  }
  const __m256i *lines = (const __m256i *)panel->codes;
  const int8_t *codes = b->codes;
  for (int32_t group = 0; group < b->groups; group++) {
    __m256i sum[MAX_TOKENS][2];
    UNROLL for (int t = 0; t < tokens; t++) {
      sum[t][0] = sum[t][1] = start(b->sums[t * b->scales_stride + group], form);
    }
    for (int32_t k = 0; k < b->group_size; k += 8) {
      add_columns(sum, lines, codes, b->codes_stride, tokens, form);
      lines += 4;
      codes += 8;
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

INLINE void multiply_form(const cvar_block *b, const code_form form) {
  for (int32_t tile = 0; tile < b->tiles; tile++) {
    const cvar_panel *panel = b->panels + tile;
    float *y = b->y + tile * CVAR_TILE_ROWS;
    switch (b->tokens) {
      case 1: multiply_tile(b, panel, y, 1, form); break;
      case 2: multiply_tile(b, panel, y, 2, form); break;
      case 3: multiply_tile(b, panel, y, 3, form); break;
      case 4: multiply_tile(b, panel, y, 4, form); break;
      case 5: multiply_tile(b, panel, y, AT_MOST(MAX_TOKENS, 5), form); break;
      default: multiply_tile(b, panel, y, AT_MOST(MAX_TOKENS, 6), form); break;
    }
  }
}

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

INLINE void stream_tile(const cvar_stream *s, int32_t tile, const int tokens, const code_form form) {
  const cvar_matrix *w = s->w;
  ptrdiff_t groups = w->cols / w->group_size;
  const uint8_t *line = cvar_tile_codes(w, tile);
  const int8_t *codes = s->codes;
  __m256i codebook = load_codebook(w, form);
  __m256 acc[MAX_STREAM_TOKENS][2], superscales[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  UNROLL for (int t = 0; t < tokens; t++) acc[t][0] = acc[t][1] = _mm256_setzero_ps();
  for (int32_t group = 0; group < groups; group++) {
    __m256i sum[MAX_STREAM_TOKENS][2];
    UNROLL for (int t = 0; t < tokens; t++) {
      sum[t][0] = sum[t][1] = start(s->sums[t * groups + group], form);
    }
    for (int32_t k = 0; k < w->group_size; k += 8) {
      _mm_prefetch((const char *)line + PREFETCH_BYTES, _MM_HINT_T0);
      if (!is_int4(form)) _mm_prefetch((const char *)line + PREFETCH_BYTES + 64, _MM_HINT_T0);
      __m256i lines[4];
      UNROLL for (int half = 0; half < 2; half++) {
        if (is_int4(form)) {
          unpack_int4(line + half * 32, codebook, &lines[half], &lines[2 + half]);
        } else {
          lines[half] = unpack_int8(line + half * 32, form);
          lines[2 + half] = unpack_int8(line + 64 + half * 32, form);
        }
      }
      add_columns(sum, lines, codes, w->cols, tokens, form);
      line += is_int4(form) ? 64 : 128;
      codes += 8;
    }
    const int32_t col = group * w->group_size;
    UNROLL for (int half = 0; half < 2; half++) {
      if (is_int4(form) && col % CVAR_SUPERBLOCK_COLS == 0) {
        superscales[half] = load_superscales(w, tile, col / CVAR_SUPERBLOCK_COLS, half * 8);
      }
      __m256 weight_scale =
          load_scales(w, tile, group, half * 8, is_int4(form), superscales[half]);
      UNROLL for (int t = 0; t < tokens; t++) {
        float scale = s->scales[t * groups + group];
        acc[t][half] = finish(sum[t][half], weight_scale, scale, acc[t][half]);
      }
    }
  }
  UNROLL for (int t = 0; t < tokens; t++) store_tile(s, tile, t, acc[t][0], acc[t][1]);
}

INLINE void stream_form(const cvar_stream *s, int32_t tile, int32_t tokens, const code_form form) {
  switch (tokens) {
    case 1: stream_tile(s, tile, 1, form); break;
    case 2: stream_tile(s, tile, 2, form); break;
    case 3: stream_tile(s, tile, 3, form); break;
    case 4: stream_tile(s, tile, 4, form); break;
    case 5: stream_tile(s, tile, AT_MOST(MAX_STREAM_TOKENS, 5), form); break;
    default: stream_tile(s, tile, AT_MOST(MAX_STREAM_TOKENS, 6), form); break;
  }
}

// What multiplies the codes of one form.
typedef struct form_kernels {
  cvar_panel_kernels panels;
  cvar_stream_tile *stream;
  int32_t stream_limit;  // the most tokens for which a stream is faster than panels
} form_kernels;

// The functions of a form, of each of which the compiler makes a copy that knows it.
#define FORM_FUNCTIONS(name, form)                                                               \
  static void unpack_##name(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols, \
                            cvar_panel *panel) {                                                 \
    unpack_form(w, tile, first_col, cols, panel, form);                                          \
  }                                                                                              \
  static void multiply_##name(const cvar_block *b) { multiply_form(b, form); }                   \
  static void stream_##name(const cvar_stream *s, int32_t tile, int32_t tokens) {                \
    stream_form(s, tile, tokens, form);                                                          \
  }

static const form_kernels *kernels_for(const cvar_matrix *w);

static void matmul_quantized(const cvar_matrix *w, const int8_t *codes, const float *scales,
                             const int32_t *sums, int32_t n, const float *bias, float *y,
                             ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  const form_kernels *kernels = kernels_for(w);
  if (n <= kernels->stream_limit) {
    cvar_stream s = {w, codes, scales, sums, bias, y, y_stride};
    cvar_matmul_stream(kernels->stream, MAX_STREAM_TOKENS, &s, n, tile_begin, tile_end);
  } else {
    cvar_matmul_panels(&kernels->panels, w, codes, scales, sums, n, bias, y, y_stride, tile_begin,
                       tile_end);
  }
}

static void convolve_quantized(const cvar_matrix *w, const cvar_code_map *map, const float *bias,
                               float *y, ptrdiff_t y_row_stride, int32_t tile_begin,
                               int32_t tile_end) {
  cvar_convolve_panels(&kernels_for(w)->panels, w, map, bias, y, y_row_stride, tile_begin, tile_end);
}
