#if defined(__aarch64__)
#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#define TARGET DOTPROD
#define HAS_NARROW 0
#include "stream_neon.h"

enum { MAX_TOKENS = 4 };

// 8 columns of 4 rows; the lanes are literals.
#define MULTIPLY_8_COLUMNS(quad, line, lane0, lane1)                        \
  do {                                                                      \
    int8x16_t even, odd;                                                    \
    load_quad(&g, line, quad, &even, &odd);                                 \
    for (int t = 0; t < tokens; t++) {                                      \
      sums[t][quad] = vdotq_laneq_s32(sums[t][quad], even, x[t], lane0);    \
      sums[t][quad] = vdotq_laneq_s32(sums[t][quad], odd, x[t], lane1);     \
    }                                                                       \
  } while (0)

DOTPROD INLINE void sum_group(group_source g, const int tokens, int32x4_t (*sums)[2]) {
  for (int t = 0; t < tokens; t++) sums[t][0] = sums[t][1] = vdupq_n_s32(0);
  for (int32_t k = 0; k < g.group_size; k += 16) {
    int8x16_t x[MAX_STREAM_TOKENS];
    for (int t = 0; t < tokens; t++) x[t] = vld1q_s8(g.codes + t * g.codes_stride);
    const uint8_t *next = g.line + line_bytes(&g);
    MULTIPLY_8_COLUMNS(0, g.line, 0, 1);
    MULTIPLY_8_COLUMNS(1, g.line, 0, 1);
    MULTIPLY_8_COLUMNS(0, next, 2, 3);
    MULTIPLY_8_COLUMNS(1, next, 2, 3);
    g.line = next + line_bytes(&g);
    g.codes += 16;
  }
}

// 4 columns of 8 rows; `lane` is a literal.
#define MULTIPLY_4_COLUMNS(lane)                                            \
  do {                                                                      \
    int8x16_t w0 = vld1q_s8(lines + (lane) * 64);                           \
    int8x16_t w1 = vld1q_s8(lines + (lane) * 64 + 16);                      \
    for (int t = 0; t < tokens; t++) {                                      \
      sum[t][0] = vdotq_laneq_s32(sum[t][0], w0, x[t], lane);               \
      sum[t][1] = vdotq_laneq_s32(sum[t][1], w1, x[t], lane);               \
    }                                                                       \
  } while (0)

DOTPROD INLINE void multiply_half(const cvar_block *b, const cvar_panel *panel, int32_t first_row,
                                  float *y, const int tokens) {
  float32x4_t acc[MAX_TOKENS][2];
  for (int t = 0; t < tokens; t++) {
    acc[t][0] = cvar_load_unfinished(b, y, t);
    acc[t][1] = cvar_load_unfinished(b, y + 4, t);
  }
  const int8_t *lines = (const int8_t *)panel->codes + first_row * 4;
  const int8_t *codes = b->codes;
  for (int32_t group = 0; group < b->groups; group++) {
    int32x4_t sum[MAX_TOKENS][2];
    for (int t = 0; t < tokens; t++) sum[t][0] = sum[t][1] = vdupq_n_s32(0);
    for (int32_t k = 0; k < b->group_size; k += 16) {
      int8x16_t x[MAX_TOKENS];
      for (int t = 0; t < tokens; t++) x[t] = vld1q_s8(codes + t * b->codes_stride);
      MULTIPLY_4_COLUMNS(0);
      MULTIPLY_4_COLUMNS(1);
      MULTIPLY_4_COLUMNS(2);
      MULTIPLY_4_COLUMNS(3);
      lines += 256;
      codes += 16;
    }
    const float *weight_scales = panel->scales + group * CVAR_TILE_ROWS + first_row;
    for (int t = 0; t < tokens; t++) {
      float scale = b->scales[t * b->scales_stride + group];
      acc[t][0] = cvar_finish(sum[t][0], vld1q_f32(weight_scales), scale, acc[t][0]);
      acc[t][1] = cvar_finish(sum[t][1], vld1q_f32(weight_scales + 4), scale, acc[t][1]);
    }
  }
  for (int t = 0; t < tokens; t++) {
    vst1q_f32(y + t * b->y_stride, acc[t][0]);
    vst1q_f32(y + t * b->y_stride + 4, acc[t][1]);
  }
}

DOTPROD static void multiply(const cvar_block *b) {
  for (int32_t row = 0; row < b->tiles * CVAR_TILE_ROWS; row += 8) {
    const cvar_panel *panel = b->panels + row / CVAR_TILE_ROWS;
    int32_t first_row = row % CVAR_TILE_ROWS;
    switch (b->tokens) {
      case 1: multiply_half(b, panel, first_row, b->y + row, 1); break;
      case 2: multiply_half(b, panel, first_row, b->y + row, 2); break;
      case 3: multiply_half(b, panel, first_row, b->y + row, 3); break;
      default: multiply_half(b, panel, first_row, b->y + row, 4); break;
    }
  }
}

static const cvar_panel_kernels panel_kernels = {MAX_TOKENS, cvar_unpack_panel_neon, multiply};

void cvar_matmul_quantized_dotprod(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                   const int32_t *sums, int32_t n, const float *bias, float *y,
                                   ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  cvar_stream s = {w, codes, scales, sums, bias, y, y_stride};
  multiply_tiles(&panel_kernels, &s, n, tile_begin, tile_end);
}

static void convolve_quantized(const cvar_matrix *w, const cvar_code_map *map, const float *bias,
                               float *y, ptrdiff_t y_row_stride, int32_t tile_begin,
                               int32_t tile_end) {
  cvar_convolve_panels(&panel_kernels, w, map, bias, y, y_row_stride, tile_begin, tile_end);
}

void cvar_fill_int_dotprod(cvar_kernels *kernels) {
  kernels->matmul_quantized = cvar_matmul_quantized_dotprod;
  kernels->convolve_quantized = convolve_quantized;
}
#endif
