#if defined(__aarch64__)
#define I8MM __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))
#define TARGET I8MM
#define HAS_NARROW 0
#include "stream_neon.h"

enum { MAX_TOKENS = 4, MAX_PAIRS = MAX_TOKENS / 2 };

// smmla multiplies 2 rows by 2 tokens over 8 columns: one zip of the columns 0...3 and 4...7 of 4
// rows gives the first two rows and the others.
INLINE void zip_rows(int8x16_t *even, int8x16_t *odd) {
  int32x4_t first = vreinterpretq_s32_s8(*even), second = vreinterpretq_s32_s8(*odd);
  *even = vreinterpretq_s8_s32(vzip1q_s32(first, second));
  *odd = vreinterpretq_s8_s32(vzip2q_s32(first, second));
}

// A panel is [k / 8][8 pairs of rows][2][8].
INLINE void unpack_codes(const cvar_matrix *w, const uint8_t *line, int32_t cols, int8_t *to,
                         const int is_int4) {
  group_source g = {.is_int4 = is_int4, .codebook = vld1q_s8(w->codebook)};
  for (int32_t k = 0; k < cols; k += 8, line += line_bytes(&g), to += 128) {
    UNROLL for (int32_t quad = 0; quad < 4; quad++) {
      int8x16_t upper, lower;
      load_quad(&g, line, quad, &upper, &lower);
      zip_rows(&upper, &lower);
      vst1q_s8(to + quad * 32, upper);
      vst1q_s8(to + quad * 32 + 16, lower);
    }
  }
}

static void unpack(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                   cvar_panel *panel) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  cvar_unpack_scales(w, tile, first_col, cols, panel);
  if (w->type == CVAR_INT4) {
    unpack_codes(w, codes + (size_t)first_col * 8, cols, (int8_t *)panel->codes, 1);
  } else {
    unpack_codes(w, codes + (size_t)first_col * 16, cols, (int8_t *)panel->codes, 0);
  }
}

// 16 columns of two tokens: their first 8 columns side by side, then the others.
INLINE void load_pair(const int8_t *first, const int8_t *second, int8x16_t *low, int8x16_t *high) {
  int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(first));
  int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(second));
  *low = vreinterpretq_s8_s64(vzip1q_s64(a, b));
  *high = vreinterpretq_s8_s64(vzip2q_s64(a, b));
}

// 8 columns of 4 rows.
#define MULTIPLY_8_COLUMNS(quad, line, x)                                            \
  do {                                                                               \
    int8x16_t upper, lower;                                                          \
    load_quad(&g, line, quad, &upper, &lower);                                       \
    zip_rows(&upper, &lower);                                                        \
    for (int p = 0; p < pairs; p++) {                                                \
      sum[p][2 * (quad)] = vmmlaq_s32(sum[p][2 * (quad)], upper, (x)[p]);            \
      sum[p][2 * (quad) + 1] = vmmlaq_s32(sum[p][2 * (quad) + 1], lower, (x)[p]);    \
    }                                                                                \
  } while (0)

// An odd last token is its own partner, and the partner's sums are dropped.
I8MM INLINE void sum_group(group_source g, const int tokens, int32x4_t (*sums)[2]) {
  const int pairs = (tokens + 1) / 2;
  int32x4_t sum[MAX_PAIRS][4];
  for (int p = 0; p < pairs; p++) {
    for (int i = 0; i < 4; i++) sum[p][i] = vdupq_n_s32(0);
  }
  for (int32_t k = 0; k < g.group_size; k += 16) {
    int8x16_t low[MAX_PAIRS], high[MAX_PAIRS];
    for (int p = 0; p < pairs; p++) {
      const int8_t *first = g.codes + 2 * p * g.codes_stride;
      load_pair(first, 2 * p + 1 < tokens ? first + g.codes_stride : first, &low[p], &high[p]);
    }
    const uint8_t *next = g.line + line_bytes(&g);
    MULTIPLY_8_COLUMNS(0, g.line, low);
    MULTIPLY_8_COLUMNS(1, g.line, low);
    MULTIPLY_8_COLUMNS(0, next, high);
    MULTIPLY_8_COLUMNS(1, next, high);
    g.line = next + line_bytes(&g);
    g.codes += 16;
  }
  for (int t = 0; t < tokens; t++) {
    for (int quad = 0; quad < 2; quad++) {
      int32x4_t upper = sum[t / 2][2 * quad], lower = sum[t / 2][2 * quad + 1];
      sums[t][quad] = t % 2 == 0 ? vuzp1q_s32(upper, lower) : vuzp2q_s32(upper, lower);
    }
  }
}

// An odd last token is its own partner, and the partner's sums are not stored.
I8MM INLINE void multiply_half(const cvar_block *b, const cvar_panel *panel, int32_t first_row,
                               float *y, const int pairs) {
  ptrdiff_t token[MAX_TOKENS];
  float32x4_t acc[MAX_TOKENS][2];
  for (int t = 0; t < 2 * pairs; t++) {
    token[t] = cvar_min_i32(t, b->tokens - 1);
    acc[t][0] = cvar_load_unfinished(b, y, (int32_t)token[t]);
    acc[t][1] = cvar_load_unfinished(b, y + 4, (int32_t)token[t]);
  }
  const int8_t *lines = (const int8_t *)panel->codes + first_row * 8;
  const int8_t *codes = b->codes;
  for (int32_t group = 0; group < b->groups; group++) {
    int32x4_t sum[MAX_PAIRS][4];
    for (int p = 0; p < pairs; p++) {
      for (int i = 0; i < 4; i++) sum[p][i] = vdupq_n_s32(0);
    }
    for (int32_t k = 0; k < b->group_size; k += 16) {
      int8x16_t low[MAX_PAIRS], high[MAX_PAIRS];
      for (int p = 0; p < pairs; p++) {
        load_pair(codes + token[2 * p] * b->codes_stride,
                  codes + token[2 * p + 1] * b->codes_stride, &low[p], &high[p]);
      }
      for (int i = 0; i < 4; i++) {
        int8x16_t w_low = vld1q_s8(lines + i * 16), w_high = vld1q_s8(lines + 128 + i * 16);
        for (int p = 0; p < pairs; p++) {
          sum[p][i] = vmmlaq_s32(sum[p][i], w_low, low[p]);
          sum[p][i] = vmmlaq_s32(sum[p][i], w_high, high[p]);
        }
      }
      lines += 256;
      codes += 16;
    }
    const float *weight_scales = panel->scales + group * CVAR_TILE_ROWS + first_row;
    for (int p = 0; p < pairs; p++) {
      float first = b->scales[token[2 * p] * b->scales_stride + group];
      float second = b->scales[token[2 * p + 1] * b->scales_stride + group];
      for (int quad = 0; quad < 2; quad++) {
        int32x4_t upper = sum[p][2 * quad], lower = sum[p][2 * quad + 1];
        float32x4_t scale = vld1q_f32(weight_scales + quad * 4);
        acc[2 * p][quad] = cvar_finish(vuzp1q_s32(upper, lower), scale, first, acc[2 * p][quad]);
        acc[2 * p + 1][quad] =
            cvar_finish(vuzp2q_s32(upper, lower), scale, second, acc[2 * p + 1][quad]);
      }
    }
  }
  for (int t = 0; t < 2 * pairs; t++) {
    if (t >= b->tokens) break;
    vst1q_f32(y + t * b->y_stride, acc[t][0]);
    vst1q_f32(y + t * b->y_stride + 4, acc[t][1]);
  }
}

I8MM static void multiply(const cvar_block *b) {
  for (int32_t row = 0; row < b->tiles * CVAR_TILE_ROWS; row += 8) {
    const cvar_panel *panel = b->panels + row / CVAR_TILE_ROWS;
    if (b->tokens <= 2) {
      multiply_half(b, panel, row % CVAR_TILE_ROWS, b->y + row, 1);
    } else {
      multiply_half(b, panel, row % CVAR_TILE_ROWS, b->y + row, 2);
    }
  }
}

static const cvar_panel_kernels panel_kernels = {MAX_TOKENS, unpack, multiply};

static void matmul_quantized(const cvar_matrix *w, const int8_t *codes, const float *scales,
                             const int32_t *sums, int32_t n, const float *bias, float *y,
                             ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  // Two tokens take as many instructions without the zip, and one takes fewer.
  if (n <= 2) {
    cvar_matmul_quantized_dotprod(w, codes, scales, sums, n, bias, y, y_stride, tile_begin,
                                  tile_end);
    return;
  }
  cvar_stream s = {w, codes, scales, sums, bias, y, y_stride};
  multiply_tiles(&panel_kernels, &s, n, tile_begin, tile_end);
}

static void convolve_quantized(const cvar_matrix *w, const cvar_code_map *map, const float *bias,
                               float *y, ptrdiff_t y_row_stride, int32_t tile_begin,
                               int32_t tile_end) {
  cvar_convolve_panels(&panel_kernels, w, map, bias, y, y_row_stride, tile_begin, tile_end);
}

void cvar_fill_int_i8mm(cvar_kernels *kernels) {
  kernels->matmul_quantized = matmul_quantized;
  kernels->convolve_quantized = convolve_quantized;
}
#endif
