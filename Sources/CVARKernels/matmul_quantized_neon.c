#if defined(__aarch64__)
#define TARGET
#include "stream_neon.h"

enum { MAX_TOKENS = 4 };

void cvar_unpack_panel_neon(const cvar_matrix *w, int32_t tile, int32_t first_col, int32_t cols,
                            cvar_panel *panel) {
  const uint8_t *codes = cvar_tile_codes(w, tile);
  cvar_unpack_scales(w, tile, first_col, cols, panel);
  if (w->type == CVAR_INT8) {
    memcpy(panel->codes, codes + (size_t)first_col * 16, (size_t)cols * 16);
    return;
  }
  int8x16_t codebook = vld1q_s8(w->codebook);
  codes += (size_t)first_col * 8;
  for (int32_t k = 0; k < cols; k += 8) {
    int8_t *to = (int8_t *)panel->codes + k * 16;
    for (int32_t quad = 0; quad < 4; quad++) {
      int8x16_t even, odd;
      cvar_load_int4(codes + k * 8, quad, codebook, &even, &odd);
      vst1q_s8(to + quad * 16, even);
      vst1q_s8(to + 64 + quad * 16, odd);
    }
  }
}

// The sums of 4 rows: each register holds 2 rows, 2 partial sums a row.
typedef struct quad_sum {
  int32x4_t low, high;
} quad_sum;

// 8 columns of 4 rows. Two products of 127 * 127 fit 16 bits, so nothing overflows.
INLINE void add_products(quad_sum *sum, int8x16_t w0, int8x16_t w1, int8x16_t x0, int8x16_t x1) {
  int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
  int16x8_t high = vmull_high_s8(w0, x0);
  low = vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1));
  high = vmlal_high_s8(high, w1, x1);
  sum->low = vpadalq_s16(sum->low, low);
  sum->high = vpadalq_s16(sum->high, high);
}

// 8 columns of 8 rows: the columns 0...3 and 4...7 of each quad of rows.
INLINE void multiply_8_columns(quad_sum (*sum)[2], const int8x16_t *even, const int8x16_t *odd,
                               const int8_t *codes, ptrdiff_t codes_stride, const int tokens) {
  for (int t = 0; t < tokens; t++) {
    int32x2_t x = vreinterpret_s32_s8(vld1_s8(codes + t * codes_stride));
    int8x16_t x0 = vreinterpretq_s8_s32(vdupq_lane_s32(x, 0));
    int8x16_t x1 = vreinterpretq_s8_s32(vdupq_lane_s32(x, 1));
    add_products(&sum[t][0], even[0], odd[0], x0, x1);
    add_products(&sum[t][1], even[1], odd[1], x0, x1);
  }
}

INLINE void clear(quad_sum (*sum)[2], const int tokens) {
  for (int t = 0; t < tokens; t++) {
    sum[t][0].low = sum[t][0].high = sum[t][1].low = sum[t][1].high = vdupq_n_s32(0);
  }
}

INLINE int32x4_t whole(quad_sum sum) { return vpaddq_s32(sum.low, sum.high); }

INLINE void sum_group(group_source g, const int tokens, int32x4_t (*sums)[2]) {
  quad_sum sum[MAX_STREAM_TOKENS][2];
  clear(sum, tokens);
  for (int32_t k = 0; k < g.group_size; k += 8) {
    int8x16_t even[2], odd[2];
    load_quad(&g, g.line, 0, &even[0], &odd[0]);
    load_quad(&g, g.line, 1, &even[1], &odd[1]);
    multiply_8_columns(sum, even, odd, g.codes, g.codes_stride, tokens);
    g.line += line_bytes(&g);
    g.codes += 8;
  }
  for (int t = 0; t < tokens; t++) {
    sums[t][0] = whole(sum[t][0]);
    sums[t][1] = whole(sum[t][1]);
  }
}

INLINE void multiply_half(const cvar_block *b, const cvar_panel *panel, int32_t first_row,
                          float *y, const int tokens) {
  float32x4_t acc[MAX_TOKENS][2];
  for (int t = 0; t < tokens; t++) {
    acc[t][0] = cvar_load_unfinished(b, y, t);
    acc[t][1] = cvar_load_unfinished(b, y + 4, t);
  }
  const int8_t *lines = (const int8_t *)panel->codes + first_row * 4;
  const int8_t *codes = b->codes;
  for (int32_t group = 0; group < b->groups; group++) {
    quad_sum sum[MAX_TOKENS][2];
    clear(sum, tokens);
    for (int32_t k = 0; k < b->group_size; k += 8) {
      int8x16_t even[2] = {vld1q_s8(lines), vld1q_s8(lines + 16)};
      int8x16_t odd[2] = {vld1q_s8(lines + 64), vld1q_s8(lines + 80)};
      multiply_8_columns(sum, even, odd, codes, b->codes_stride, tokens);
      lines += 128;
      codes += 8;
    }
    const float *weight_scales = panel->scales + group * CVAR_TILE_ROWS + first_row;
    for (int t = 0; t < tokens; t++) {
      float scale = b->scales[t * b->scales_stride + group];
      for (int quad = 0; quad < 2; quad++) {
        acc[t][quad] = cvar_finish(whole(sum[t][quad]), vld1q_f32(weight_scales + quad * 4), scale,
                                   acc[t][quad]);
      }
    }
  }
  for (int t = 0; t < tokens; t++) {
    vst1q_f32(y + t * b->y_stride, acc[t][0]);
    vst1q_f32(y + t * b->y_stride + 4, acc[t][1]);
  }
}

static void multiply(const cvar_block *b) {
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

void cvar_matmul_quantized_neon(const cvar_matrix *w, const int8_t *codes, const float *scales,
                                const int32_t *sums, int32_t n, const float *bias, float *y,
                                ptrdiff_t y_stride, int32_t tile_begin, int32_t tile_end) {
  cvar_stream s = {w, codes, scales, sums, bias, y, y_stride};
  multiply_tiles(&panel_kernels, &s, n, tile_begin, tile_end);
}

void cvar_convolve_quantized_neon(const cvar_matrix *w, const cvar_code_map *map,
                                  const float *bias, float *y, ptrdiff_t y_row_stride,
                                  int32_t tile_begin, int32_t tile_end) {
  cvar_convolve_panels(&panel_kernels, w, map, bias, y, y_row_stride, tile_begin, tile_end);
}
#endif
