#include "quantized_neon.h"
#include "quantized_stream.h"

// The product of few tokens on aarch64. The file that includes this defines, for its instruction set:
//   TARGET       its attribute, or nothing
//   HAS_NARROW   whether its products gain where the entries of a codebook are small (cvar_is_narrow)
//   sum_group    the integer sums of one group for 8 rows and up to MAX_STREAM_TOKENS tokens

enum {
  MAX_STREAM_TOKENS = 4,
  // By counting instructions: with more tokens, unpacking the weights for every block costs more than a panel.
  STREAM_LIMIT = 8,
};

INLINE int is_narrow(const cvar_matrix *w) { return HAS_NARROW && cvar_is_narrow(w); }

// Where the weights and activations of one group of 8 rows begin.
typedef struct group_source {
  const uint8_t *line;  // the first of the rows
  int32_t is_int4, is_narrow;
  int8x16_t codebook;
  const int8_t *codes;
  ptrdiff_t codes_stride;
  int32_t group_size;
} group_source;

// Bytes of 8 columns of 16 rows.
INLINE int32_t line_bytes(const group_source *g) { return g->is_int4 ? 64 : 128; }

// 4 rows of the columns 0...3 and 4...7 of a line; `quad` counts 4 rows.
INLINE void load_quad(const group_source *g, const uint8_t *line, int32_t quad, int8x16_t *even, int8x16_t *odd) {
  if (g->is_int4) {
    cvar_load_int4(line, quad, g->codebook, even, odd);
  } else {
    *even = vld1q_s8((const int8_t *)line + quad * 16);
    *odd = vld1q_s8((const int8_t *)line + quad * 16 + 64);
  }
}

TARGET INLINE void sum_group(group_source g, const int tokens, int32x4_t (*sums)[2]);

INLINE void load_halves8(const uint16_t *halves, float unit, float32x4_t *out) {
  float16x8_t all = vreinterpretq_f16_u16(vld1q_u16(halves));
  out[0] = vmulq_n_f32(vcvt_f32_f16(vget_low_f16(all)), unit);
  out[1] = vmulq_n_f32(vcvt_high_f32_f16(all), unit);
}

// The scales of the 8 rows from `row` on; those of int4 count in `superscales`.
INLINE void load_scales8(const cvar_matrix *w, int32_t tile, int32_t group, int32_t row, const int is_int4,
                         const float32x4_t *superscales, float32x4_t *out) {
  size_t index = cvar_tile_scale_index(w, tile, group) + (size_t)row;
  if (is_int4) {
    int16x8_t integers = vmovl_s8(vld1_s8((const int8_t *)w->scales + index));
    out[0] = vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(integers))), superscales[0]);
    out[1] = vmulq_f32(vcvtq_f32_s32(vmovl_high_s16(integers)), superscales[1]);
  } else {
    load_halves8((const uint16_t *)w->scales + index, CVAR_INT8_SCALE_UNIT, out);
  }
}

INLINE void store_tile(const cvar_stream *s, int32_t tile, int32_t token, const float32x4_t *acc) {
  int32_t first_row = tile * CVAR_TILE_ROWS;
  if (s->w->rows - first_row < CVAR_TILE_ROWS) {
    float sums[CVAR_TILE_ROWS];
    for (int quad = 0; quad < 4; quad++) vst1q_f32(sums + quad * 4, acc[quad]);
    cvar_store_cut(s, tile, token, sums);
    return;
  }
  float *y = s->y + token * s->y_stride + first_row;
  for (int quad = 0; quad < 4; quad++) {
    float32x4_t sum = acc[quad];
    if (s->bias) sum = vaddq_f32(sum, vld1q_f32(s->bias + first_row + quad * 4));
    vst1q_f32(y + quad * 4, sum);
  }
}

TARGET INLINE void stream_tile(const cvar_stream *s, int32_t tile, const int tokens, const int is_int4,
                               const int is_narrow) {
  const cvar_matrix *w = s->w;
  int32_t groups = w->cols / w->group_size;
  group_source g = {
      .line = cvar_tile_codes(w, tile),
      .is_int4 = is_int4,
      .is_narrow = is_narrow,
      .codebook = vld1q_s8(w->codebook),
      .codes = s->codes,
      .codes_stride = w->cols,
      .group_size = w->group_size,
  };
  float32x4_t acc[MAX_STREAM_TOKENS][4], superscales[4];
  for (int t = 0; t < tokens; t++) acc[t][0] = acc[t][1] = acc[t][2] = acc[t][3] = vdupq_n_f32(0);
  superscales[0] = superscales[1] = superscales[2] = superscales[3] = vdupq_n_f32(0);
  for (int32_t group = 0; group < groups; group++) {
    int32_t col = group * w->group_size;
    if (is_int4 && col % CVAR_SUPERBLOCK_COLS == 0) {
      const uint16_t *halves = (const uint16_t *)w->superscales;
      halves += cvar_tile_superscale_index(w, tile, col / CVAR_SUPERBLOCK_COLS);
      load_halves8(halves, CVAR_INT4_SCALE_UNIT, superscales);
      load_halves8(halves + 8, CVAR_INT4_SCALE_UNIT, superscales + 2);
    }
    UNROLL for (int half = 0; half < 2; half++) {
      int32x4_t sums[MAX_STREAM_TOKENS][2];
      float32x4_t scales[2];
      group_source rows = g;
      rows.line += half * 32;
      sum_group(rows, tokens, sums);
      load_scales8(w, tile, group, half * 8, is_int4, superscales + half * 2, scales);
      UNROLL for (int t = 0; t < tokens; t++) {
        float scale = s->scales[(ptrdiff_t)t * groups + group];
        acc[t][half * 2] = cvar_finish(sums[t][0], scales[0], scale, acc[t][half * 2]);
        acc[t][half * 2 + 1] = cvar_finish(sums[t][1], scales[1], scale, acc[t][half * 2 + 1]);
      }
    }
    g.line += w->group_size / 8 * line_bytes(&g);
    g.codes += w->group_size;
  }
  for (int t = 0; t < tokens; t++) store_tile(s, tile, t, acc[t]);
}

TARGET INLINE void stream_form(const cvar_stream *s, int32_t tile, int32_t tokens, const int is_int4,
                               const int is_narrow) {
  switch (tokens) {
    case 1: stream_tile(s, tile, 1, is_int4, is_narrow); break;
    case 2: stream_tile(s, tile, 2, is_int4, is_narrow); break;
    case 3: stream_tile(s, tile, 3, is_int4, is_narrow); break;
    default: stream_tile(s, tile, 4, is_int4, is_narrow); break;
  }
}

TARGET static void stream_int8(const cvar_stream *s, int32_t tile, int32_t tokens) {
  stream_form(s, tile, tokens, 0, 0);
}

TARGET static void stream_int4(const cvar_stream *s, int32_t tile, int32_t tokens) {
  stream_form(s, tile, tokens, 1, 0);
}

TARGET static void stream_narrow(const cvar_stream *s, int32_t tile, int32_t tokens) {
  stream_form(s, tile, tokens, 1, HAS_NARROW);
}

INLINE void multiply_tiles(const cvar_panel_kernels *panel_kernels, const cvar_stream *s, int32_t n,
                           int32_t tile_begin, int32_t tile_end) {
  if (n <= STREAM_LIMIT) {
    cvar_stream_tile *stream =
        is_narrow(s->w) ? stream_narrow : s->w->type == CVAR_INT4 ? stream_int4 : stream_int8;
    cvar_matmul_stream(stream, MAX_STREAM_TOKENS, s, n, tile_begin, tile_end);
  } else {
    cvar_matmul_panels(panel_kernels, s->w, s->codes, s->scales, s->sums, n, s->bias, s->y, s->y_stride, tile_begin,
                       tile_end);
  }
}
